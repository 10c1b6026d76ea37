//! A record written with Kafka's wire protocol by hand: what a client library would refuse to write.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// Produces one record to partition 0 of a topic; the header's name may be any bytes.
pub(crate) fn produce(broker: &str, topic: &str, key: &[u8], value: Option<&[u8]>, header: (&[u8], &[u8])) {
    let batch = batch(key, value, header);
    let mut request = Vec::new();
    request.extend(0_i16.to_be_bytes()); // Produce
    request.extend(3_i16.to_be_bytes()); // its version
    request.extend(1_i32.to_be_bytes()); // correlation
    text(&mut request, "raw");
    request.extend((-1_i16).to_be_bytes()); // no transaction
    request.extend((-1_i16).to_be_bytes()); // all replicas
    request.extend(5000_i32.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    text(&mut request, topic);
    request.extend(1_i32.to_be_bytes());
    request.extend(0_i32.to_be_bytes()); // partition
    bytes(&mut request, &batch);
    let mut stream = TcpStream::connect(broker).expect("the broker listens");
    let mut framed = Vec::new();
    bytes(&mut framed, &request);
    stream.write_all(&framed).expect("the broker reads");
    let mut size = [0; 4];
    stream.read_exact(&mut size).expect("the broker answers");
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).expect("the broker answers");
    // correlation, topics, name, partitions, partition, error
    let place = 4 + 4 + 2 + topic.len() + 4 + 4;
    assert_eq!(answer[place..place + 2], [0, 0], "the broker takes it");
}

fn batch(key: &[u8], value: Option<&[u8]>, header: (&[u8], &[u8])) -> Vec<u8> {
    let mut record = vec![0]; // attributes
    varint(&mut record, 0); // time
    varint(&mut record, 0); // offset
    field(&mut record, Some(key));
    field(&mut record, value);
    varint(&mut record, 1);
    field(&mut record, Some(header.0));
    field(&mut record, Some(header.1));

    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes());
    checked.extend(0_i32.to_be_bytes());
    let now = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later").as_millis(),
    );
    let now = now.expect("it fits").to_be_bytes();
    checked.extend(now);
    checked.extend(now);
    checked.extend((-1_i64).to_be_bytes()); // no producer
    checked.extend((-1_i16).to_be_bytes());
    checked.extend((-1_i32).to_be_bytes());
    checked.extend(1_i32.to_be_bytes());
    let length = i64::try_from(record.len()).expect("it fits");
    varint(&mut checked, length);
    checked.extend(record);

    let mut batch = 0_i64.to_be_bytes().to_vec();
    batch.extend(i32::try_from(checked.len() + 9).expect("it fits").to_be_bytes());
    batch.extend((-1_i32).to_be_bytes());
    batch.push(2); // magic
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend(i16::try_from(text.len()).expect("it fits").to_be_bytes());
    to.extend(text.as_bytes());
}

fn bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(i32::try_from(bytes.len()).expect("it fits").to_be_bytes());
    to.extend(bytes);
}

fn field(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint(to, bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).expect("it fits")));
    to.extend(bytes.unwrap_or_default());
}

fn varint(to: &mut Vec<u8>, number: i64) {
    let mut number = (number << 1 ^ number >> 63) as u64;
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1)))
    };
    !bytes.iter().fold(!0, step)
}
