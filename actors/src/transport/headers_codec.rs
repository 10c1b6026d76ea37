//! How headers lie in a row: version, then name and value of each.

use bytes::Bytes;
use pandaflow::{Header, Headers};

const VERSION: u8 = 1;

/// Writes `headers` into `out`, which is cleared first: a version byte, then for each header the length of its
/// name, the name, the length of its value plus one (zero for a null value) and the value. Lengths are LEB128.
/// No headers are no bytes.
pub(super) fn encode(headers: &Headers, out: &mut Vec<u8>) {
    out.clear();
    let headers = headers.as_slice();
    if headers.is_empty() {
        return;
    }
    out.push(VERSION);
    for header in headers {
        push_length(out, header.name.len() as u64);
        out.extend_from_slice(&header.name);
        match &header.value {
            Some(value) => {
                push_length(out, value.len() as u64 + 1);
                out.extend_from_slice(value);
            }
            None => push_length(out, 0),
        }
    }
}

/// Reads what [`encode`] wrote; slices of `bytes` are shared, not copied.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn decode(mut bytes: Bytes) -> Result<Headers, &'static str> {
    if bytes.is_empty() {
        return Ok(Headers::default());
    }
    if bytes.split_to(1)[0] != VERSION {
        return Err("the version of the headers is not 1");
    }
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let length = take_length(&mut bytes)?;
        let name = take(&mut bytes, length)?;
        let value = match take_length(&mut bytes)? {
            0 => None,
            length => Some(take(&mut bytes, length - 1)?),
        };
        headers.push(Header { name, value });
    }
    Ok(Headers::new(headers))
}

fn push_length(out: &mut Vec<u8>, mut length: u64) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn take_length(bytes: &mut Bytes) -> Result<u64, &'static str> {
    let mut length = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = take(bytes, 1)?[0];
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err("a length of the headers is too long")
}

fn take(bytes: &mut Bytes, length: u64) -> Result<Bytes, &'static str> {
    match usize::try_from(length) {
        Ok(length) if length <= bytes.len() => Ok(bytes.split_to(length)),
        _ => Err("the headers end too early"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(headers: &Headers) -> Vec<u8> {
        let mut out = Vec::new();
        encode(headers, &mut out);
        out
    }

    /// Frozen: rows of version 1 hold these bytes.
    #[test]
    fn the_encoding_is_frozen() {
        let headers = Headers::new(vec![
            Header { name: "a".into(), value: Some("xy".into()) },
            Header { name: "b".into(), value: None },
            Header { name: "".into(), value: Some("".into()) },
        ]);
        assert_eq!(encoded(&headers), b"\x01\x01a\x03xy\x01b\x00\x00\x01");
        assert!(encoded(&Headers::default()).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_read_back(
            headers in proptest::collection::vec(
                (proptest::collection::vec(0_u8.., 0..200), proptest::option::of(proptest::collection::vec(0_u8.., 0..300))),
                0..8,
            )
        ) {
            let headers = Headers::new(
                headers.into_iter().map(|(name, value)| Header { name: name.into(), value: value.map(Bytes::from) }).collect(),
            );
            proptest::prop_assert_eq!(decode(encoded(&headers).into()).unwrap(), headers);
        }

        #[test]
        fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(0_u8.., 0..64)) {
            let _ = decode(bytes.into());
        }
    }
}
