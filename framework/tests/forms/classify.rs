//! `derive(Classify)`.

use std::time::Duration;

use pandaflow::{Classify, ErrorClass};
use thiserror::Error;

#[derive(Debug, Error, Classify)]
#[error("each")]
enum Each {
    #[class(transient)]
    Transient,
    #[class(infrastructure)]
    Infrastructure(u8),
    #[class(rate_limit)]
    RateLimit { asked: u8 },
    #[class(business)]
    Business(),
    #[class(authentication)]
    Authentication {},
    #[class(poison)]
    Poison,
}

#[test]
fn every_class_goes_on_every_kind_of_variant() {
    let each = [
        Each::Transient,
        Each::Infrastructure(1),
        Each::RateLimit { asked: 1 },
        Each::Business(),
        Each::Authentication {},
        Each::Poison,
    ];
    assert_eq!(each.map(|error| error.class()), ErrorClass::ALL);
}

#[derive(Debug, Error, Classify)]
#[error("mostly")]
#[class(infrastructure)]
enum Mostly {
    Down,
    #[class(poison)]
    Broken,
}

#[test]
fn a_variant_without_a_class_has_that_of_its_type() {
    assert_eq!(Mostly::Down.class(), ErrorClass::Infrastructure);
    assert_eq!(Mostly::Broken.class(), ErrorClass::Poison);
}

#[derive(Debug, Error, Classify)]
#[error("busy")]
#[class(rate_limit, retry_after = wait)]
struct Busy {
    wait: Duration,
}

#[derive(Debug, Error, Classify)]
#[error("later")]
#[class(infrastructure, retry_after = 1)]
struct Later(u8, Option<Duration>);

#[test]
fn a_struct_says_how_long_to_wait() {
    let wait = Duration::from_secs(3);
    assert_eq!((Busy { wait }.class(), Busy { wait }.retry_after()), (ErrorClass::RateLimit, Some(wait)));
    assert_eq!(Later(0, Some(wait)).retry_after(), Some(wait));
    assert_eq!((Later(1, None).retry_after(), Later(2, None).0), (None, 2));
}

#[derive(Debug, Error, Classify)]
enum Outer {
    #[error(transparent)]
    #[class(source)]
    From(#[from] Busy),
    #[error("at {at}")]
    #[class(source)]
    Named { at: u8, source: Mostly },
    #[error("marked")]
    #[class(source)]
    Marked(u8, #[source] Box<Later>),
    #[error("single")]
    #[class(source)]
    Single(Mostly),
    #[error("own")]
    #[class(business, retry_after = r#in)]
    Own { r#in: Duration },
    #[error("none")]
    #[class(transient)]
    None,
}

#[test]
fn a_source_says_its_class_and_wait_for_the_variant() {
    let wait = Duration::from_secs(3);
    let told = |error: Outer| (error.class(), error.retry_after());
    assert_eq!(told(Busy { wait }.into()), (ErrorClass::RateLimit, Some(wait)));
    assert_eq!(told(Outer::Named { at: 1, source: Mostly::Broken }), (ErrorClass::Poison, None));
    let marked = Outer::Marked(1, Later(0, Some(wait)).into());
    assert_eq!(told(marked), (ErrorClass::Infrastructure, Some(wait)));
    assert_eq!(told(Outer::Single(Mostly::Down)), (ErrorClass::Infrastructure, None));
    assert_eq!(told(Outer::Own { r#in: wait }), (ErrorClass::Business, Some(wait)));
    assert_eq!(told(Outer::None), (ErrorClass::Transient, None));
}

#[derive(Debug, Error, Classify)]
#[error("wrapped")]
#[class(source)]
struct Wrapped<E: Classify>(#[source] E);

#[derive(Debug, Error, Classify)]
enum Never {}

#[test]
fn a_generic_error_and_an_empty_one_have_their_class() {
    assert_eq!(Wrapped(Mostly::Down).class(), ErrorClass::Infrastructure);
    fn classified<E: Classify>() {}
    classified::<Never>();
}
