//! `derive(Event)`.

use std::{borrow::Cow, fmt::Display};

use pandaflow::{Event, Payload};

#[derive(Event)]
#[event(type = "one_string", key = "{account}")]
struct OneString {
    account: String,
}

#[test]
fn a_key_that_is_one_string_is_borrowed_and_the_version_is_1() {
    let event = OneString { account: "a".into() };
    assert!(matches!(event.key(), Cow::Borrowed("a")));
    assert_eq!((OneString::TYPE.as_str(), OneString::VERSION), ("one_string", 1));
}

#[derive(Event)]
#[event(type = "several", version = 3, key = "{{{strategy}}}:{number}/{type}")]
struct Several {
    strategy: String,
    number: u32,
    r#type: char,
}

#[test]
fn a_key_is_put_together_from_fields_text_and_braces() {
    let event = Several { strategy: "momentum".into(), number: 7, r#type: 'x' };
    assert_eq!(event.key(), "{momentum}:7/x");
    assert_eq!(Several::VERSION, 3);
}

#[derive(Event)]
#[event(type = "tuple", key = "{1}-{0}")]
struct Tuple(u8, &'static str);

#[test]
fn the_fields_of_a_tuple_struct_go_by_number() {
    assert_eq!(Tuple(1, "b").key(), "b-1");
}

struct Account(Box<str>);

impl AsRef<str> for Account {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[derive(Event)]
#[event(type = "word", key = account)]
struct Word {
    account: Account,
}

#[derive(Event)]
#[event(type = "word_number", key = 0)]
struct WordNumber(&'static str);

#[test]
fn a_field_that_is_text_is_borrowed_by_its_word() {
    assert!(matches!(Word { account: Account("a".into()) }.key(), Cow::Borrowed("a")));
    assert!(matches!(WordNumber("b").key(), Cow::Borrowed("b")));
}

#[derive(Event)]
#[event(type = "order", key_with = Self::account)]
enum Order {
    Placed { account: String },
    Filled(String),
}

impl Order {
    fn account(&self) -> &str {
        match self {
            Self::Placed { account } | Self::Filled(account) => account,
        }
    }
}

#[derive(Event)]
#[event(type = "made", key_with = half)]
struct Made(u32);

fn half(made: &Made) -> String {
    (made.0 / 2).to_string()
}

#[test]
fn a_function_makes_the_key_borrowed_or_owned() {
    assert!(matches!(Order::Placed { account: "a".into() }.key(), Cow::Borrowed("a")));
    assert!(matches!(Order::Filled("b".into()).key(), Cow::Borrowed("b")));
    assert_eq!(Made(8).key(), "4");
}

#[derive(Event)]
#[event(type = "generic")]
#[event(key = "{of}", version = 2)]
struct Generic<T: Display + 'static, const N: usize> {
    of: T,
    more: [u8; N],
}

#[derive(Event)]
#[event(type = "bounded", key = "{0}")]
struct Bounded<T>(T)
where
    T: Display + 'static;

#[test]
fn a_generic_event_has_its_parameters_and_may_spread_its_options() {
    assert_eq!(Bounded(5).key(), "5");
    let event = Generic { of: 6, more: [0; 3] };
    assert_eq!((event.key(), event.more.len()), ("6".into(), 3));
    assert_eq!(<Generic<u8, 1> as Payload>::VERSION, 2);
}
