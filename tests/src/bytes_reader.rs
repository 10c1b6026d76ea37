//! Reading of binary forms, front to back: numbers as Kafka and as the project write them.

/// Bytes that are left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BytesReader<'a>(pub(crate) &'a [u8]);

impl<'a> BytesReader<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.number().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.number().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.number().map(i64::from_be_bytes)
    }

    /// A text behind its length in two bytes.
    pub(crate) fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).ok()?;
        self.take(length).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Seven bits a byte, lowest first; the highest bit says that more follow.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    /// A text behind its length and one, as such a number.
    pub(crate) fn compact_text(&mut self) -> Option<String> {
        let length = usize::try_from(self.varint()?.checked_sub(1)?).ok()?;
        self.take(length).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// A text behind its length as such a number.
    pub(crate) fn short_text(&mut self) -> Option<String> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}
