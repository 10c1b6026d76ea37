//! All derives: names of the user's own are not taken for those of the standard library or of the framework.
#![allow(dead_code, reason = "they only have to be in the way")]

struct Option;
struct Result;
struct Record;
struct Some;
struct String;
mod std {}
mod pandaflow {}

#[derive(::pandaflow::Event)]
#[event(type = "mine", key = "{0}")]
struct Mine(u8);

#[derive(Debug, thiserror::Error, ::pandaflow::Classify)]
#[error("mine")]
#[class(rate_limit, retry_after = 0)]
struct Error(::std::time::Duration);

#[derive(::pandaflow::StreamProcessor)]
#[processor(
    name = "mine",
    input(topic = "raw", event = ::pandaflow::codec::Blob, format = "bytes"),
    retry(attempts = 2),
    dedup,
)]
struct Processor;

impl ::pandaflow::Handle<::pandaflow::codec::Blob> for Processor {
    type Error = Error;
    async fn handle(
        &mut self,
        _: ::pandaflow::Event<::pandaflow::codec::Blob>,
        _: &mut ::pandaflow::Context<Self>,
    ) -> ::std::result::Result<(), Error> {
        Err(Error(::std::time::Duration::from_secs(1)))
    }
}

#[test]
fn names_of_the_users_own_do_not_get_in_the_way() {
    let failure = crate::run::attempt(&mut Processor, 0, &crate::run::raw(b"")).err().unwrap();
    assert_eq!(failure.retry_after.map(|wait| wait.as_secs()), ::std::option::Option::Some(1));
    assert_eq!(::pandaflow::Payload::key(&Mine(1)), "1");
}
