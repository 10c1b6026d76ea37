//! `derive(StreamProcessor)`: formats.

use std::convert::Infallible;

use pandaflow::{
    Context, Event, EventId, EventMeta, Handle, Record, StreamProcessor,
    codec::{Blob, Bytes, Decode, DecodeError, Encode, EncodeError, EnvelopeFormat},
};

use crate::{
    events::{Ping, Pong},
    run::{attempt, enveloped, raw},
};

/// A codec of one's own.
struct Shout;

impl Decode<Ping> for Shout {
    fn decode(record: &Record, value: &[u8]) -> Result<Event<Ping>, DecodeError> {
        let key = String::from_utf8_lossy(value).to_lowercase();
        EnvelopeFormat::decode(record, enveloped(&Ping { key }).value.as_deref().unwrap())
    }

    fn peek_id(_: &Record) -> Option<EventId> {
        None
    }
}

impl Encode<Ping> for Shout {
    fn encode(_: &EventMeta, ping: &Ping) -> Result<Bytes, EncodeError> {
        Ok(ping.key.to_uppercase().into())
    }
}

#[derive(StreamProcessor)]
#[processor(
    name = "foreign",
    input(topic = "shouts", event = Ping, format = self::Shout),
    input(topic = "raw", event = Blob, format = "bytes"),
    input(topic = "plain", event = Pong, format = "json"),
    output(topic = "shouts.again", event = Ping, format = Shout),
    output(topic = "raw.again", event = Blob, format = "bytes"),
)]
struct Foreign;

impl Handle<Ping> for Foreign {
    type Error = Infallible;
    async fn handle(&mut self, ping: Event<Ping>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.emit(ping.data);
        Ok(())
    }
}

impl Handle<Blob> for Foreign {
    type Error = Infallible;
    async fn handle(&mut self, blob: Event<Blob>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.emit(blob.data);
        Ok(())
    }
}

impl Handle<Pong> for Foreign {
    type Error = Infallible;
    async fn handle(&mut self, pong: Event<Pong>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.emit(Ping { key: pong.data.key });
        Ok(())
    }
}

#[test]
fn each_topic_has_its_format() {
    let emitted = |input, value: &[u8]| {
        let effects = attempt(&mut Foreign, input, &raw(value)).unwrap();
        effects.outputs[0].value.clone().unwrap()
    };
    assert_eq!(emitted(0, b"LOUD"), "LOUD");
    assert_eq!(emitted(1, b"\xff\x00"), &b"\xff\x00"[..]);
    assert_eq!(emitted(2, br#"{"key":"low"}"#), "LOW");
    assert_eq!(Foreign::peek_id(0, &raw(b"")), None);
    assert!(Foreign::peek_id(1, &raw(b"")).is_some());
}
