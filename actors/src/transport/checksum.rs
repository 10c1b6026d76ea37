//! The checksum that a row carries: SQLite keeps none, so a flipped bit in a value would go unseen.

use crc32fast::Hasher;

/// Takes the CRC-32 of a row, column by column. Numbers go in as eight bytes, little-endian; bytes with their
/// length plus one before them, and zero alone where there are none.
#[derive(Debug, Clone, Default)]
pub(super) struct Checksum(Hasher);

impl Checksum {
    pub(super) fn number(mut self, number: i64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => {
                self.0.update(&(bytes.len() as u64 + 1).to_le_bytes());
                self.0.update(bytes);
            }
            None => self.0.update(&0_u64.to_le_bytes()),
        }
        self
    }

    /// As it is stored.
    pub(super) fn end(self) -> i64 {
        i64::from(self.0.finalize())
    }
}

/// Of a row of numbers.
pub(super) fn of_numbers(numbers: &[i64]) -> i64 {
    numbers.iter().fold(Checksum::default(), |sum, number| sum.number(*number)).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: what version 1 wrote must be found sound by every later one.
    #[test]
    fn the_checksum_is_frozen() {
        let sum = Checksum::default().number(-2).bytes(Some(b"v")).bytes(None).end();
        assert_eq!(sum, FROZEN);
        let empty = Checksum::default().bytes(Some(b""));
        assert_ne!(empty.clone().bytes(None).end(), Checksum::default().bytes(None).bytes(Some(b"")).end());
    }

    const FROZEN: i64 = 3_003_809_565;
}
