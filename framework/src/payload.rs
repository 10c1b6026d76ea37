//! What a payload says of itself: its event type, its schema version and its key.

use std::{borrow::Cow, fmt};

/// A payload that travels in an envelope; implemented by `#[derive(Event)]`.
///
/// ```
/// use pandaflow::{Event, Payload};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(type = "payment_made", version = 1, key = "{account}")]
/// struct PaymentMade {
///     account: String,
///     cents: i64,
/// }
/// assert_eq!(PaymentMade::TYPE.as_str(), "payment_made");
/// assert_eq!(PaymentMade { account: "a".into(), cents: 1 }.key(), "a");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    note = "add `#[derive(Serialize, Deserialize, Event)]` and `#[event(type = \"..\", version = 1, key = \"{{field}}\")]`"
)]
pub trait Payload: Sized + 'static {
    /// The event type that the envelope names.
    const TYPE: EventType;
    /// The newest schema version that this type reads, and the one that it writes; at least 1.
    const VERSION: u32;

    /// The partition key. Events with the same key are handled in order; it must not be empty.
    fn key(&self) -> Cow<'_, str>;
}

/// What a field that `#[event(.., key = field)]` names may be: text that the key borrows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no text that a key could borrow",
    note = "write the field into text instead: `key = \"{{field}}\"`"
)]
pub trait KeyText {
    /// The text.
    fn key_text(&self) -> &str;
}

#[diagnostic::do_not_recommend]
impl<T: AsRef<str> + ?Sized> KeyText for T {
    fn key_text(&self) -> &str {
        self.as_ref()
    }
}

/// The name of a kind of event, such as `trading_signal`: lower-case letters, digits and `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(&'static str);

impl EventType {
    /// The type of that name; checked when the program is compiled if it is a constant.
    ///
    /// # Panics
    /// If the name is empty or has a character other than lower-case letters, digits and `_`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "an event type can't be empty");
        let mut i = 0;
        while i < bytes.len() {
            assert!(
                matches!(bytes[i], b'a'..=b'z' | b'0'..=b'9' | b'_'),
                "an event type has lower-case letters, digits and '_' only"
            );
            i += 1;
        }
        Self(name)
    }

    /// Equality, for constants.
    pub(crate) const fn is(self, other: Self) -> bool {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        let mut i = 0;
        while i < one.len() && i < other.len() && one[i] == other[i] {
            i += 1;
        }
        i == one.len() && i == other.len()
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
