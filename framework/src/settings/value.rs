//! What a setting can hold: how it is read from text, shown as text, and described to whoever wrote it wrong.

use std::{fmt, path::PathBuf};

use crate::Namespace;

/// A type that a setting can have. It is read from text and shown as text, so that what `config print` says can be
/// written back into `.env`.
pub trait Value: Sized {
    /// What to write, as it stands after "write", for example `a duration such as 30s`.
    fn expected() -> String;

    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with the text, without quoting it: it may be a secret.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as text that [`parse`](Value::parse) reads; hidden if it is a secret.
    fn show(&self) -> String;

    /// What may be shown of a text that somebody wrote, valid or not. The text itself by default.
    #[must_use]
    fn redact(text: &str) -> String {
        text.to_owned()
    }
}

/// A value with an order, for which a range can be declared.
pub trait Ranged: Value {
    /// Whether the value lies between the two, both included.
    fn within(&self, min: &Self, max: &Self) -> bool;
}

macro_rules! whole_numbers {
    ($($ty:ty),*) => { $(
        impl Value for $ty {
            fn expected() -> String {
                "a whole number".into()
            }

            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|e: std::num::ParseIntError| match e.kind() {
                    std::num::IntErrorKind::Empty => "empty".into(),
                    std::num::IntErrorKind::PosOverflow => format!("more than {}", <$ty>::MAX),
                    std::num::IntErrorKind::NegOverflow => format!("less than {}", <$ty>::MIN),
                    _ => "not a whole number".into(),
                })
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }

        impl Ranged for $ty {
            fn within(&self, min: &Self, max: &Self) -> bool {
                (min..=max).contains(&self)
            }
        }
    )* };
}
whole_numbers!(u16, u32, u64, usize, i64);

impl Value for bool {
    fn expected() -> String {
        "true or false".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "neither true nor false".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn expected() -> String {
        "a text".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.trim().to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    fn expected() -> String {
        "a path".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let path = text.trim();
        if path.is_empty() {
            return Err("empty".into());
        }
        if path.contains('\0') {
            return Err("not a path".into());
        }
        Ok(path.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Namespace {
    fn expected() -> String {
        "a name of lower-case letters, digits and '-' such as paper".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "not a name that a namespace can have".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A setting that may be left empty.
impl<T: Value> Value for Option<T> {
    fn expected() -> String {
        format!("{}, or nothing", T::expected())
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        T::parse(text).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }

    fn redact(text: &str) -> String {
        T::redact(text)
    }
}

impl<T: Ranged> Ranged for Option<T> {
    fn within(&self, min: &Self, max: &Self) -> bool {
        match (self, min, max) {
            (Some(value), Some(min), Some(max)) => value.within(min, max),
            _ => true,
        }
    }
}

/// A list, its items parted by commas; blanks around an item and a comma at the end are allowed.
impl<T: Value> Value for Vec<T> {
    fn expected() -> String {
        format!("a comma-separated list, each item {}", T::expected())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_suffix(',').unwrap_or(text);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let item = |(i, item): (usize, &str)| {
            if item.trim().is_empty() {
                return Err(format!("item {} is empty", i + 1));
            }
            T::parse(item).map_err(|why| format!("item {} is {why}", i + 1))
        };
        text.split(',').enumerate().map(item).collect()
    }

    fn show(&self) -> String {
        self.iter().map(T::show).collect::<Vec<_>>().join(",")
    }

    fn redact(text: &str) -> String {
        text.split(',').map(T::redact).collect::<Vec<_>>().join(",")
    }
}

/// `serde(with = ..)` for a field of any [`Value`] type: a section's struct derives serde, its fields are text.
pub mod text {
    use std::marker::PhantomData;

    use serde::{Deserializer, Serializer, de};

    use super::{Value, fmt};

    struct Text<T>(PhantomData<T>);

    impl<T: Value> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&T::expected())
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            T::parse(text).map_err(E::custom)
        }
    }

    /// Reads the value from its text.
    ///
    /// # Errors
    /// What [`Value::parse`] says.
    pub fn deserialize<'de, T: Value, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        from.deserialize_str(Text(PhantomData))
    }

    /// Writes the value as text, hidden if it is a secret.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<T: Value, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.show())
    }
}
