//! Instants on the wire: RFC 3339 with an offset, kept in UTC; a time without an offset is refused.
//!
//! For `#[serde(deserialize_with = "instant_text::deserialize")]`; [`option`] is the same for a field that may be
//! missing. Writing is chrono's own: UTC with a `Z`, and as many decimals of a second as are needed.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserializer, de};

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    deserializer.deserialize_str(InstantVisitor)
}

/// Instants that may be missing.
pub(crate) mod option {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer};

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Value(#[serde(deserialize_with = "super::deserialize")] DateTime<Utc>);

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Ok(Option::<Value>::deserialize(deserializer)?.map(|value| value.0))
    }
}

struct InstantVisitor;

impl de::Visitor<'_> for InstantVisitor {
    type Value = DateTime<Utc>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time with its offset, such as \"2013-10-07T13:30:00Z\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DateTime<Utc>, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    // chrono also reads a blank or a small t between date and time.
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_with_an_offset_is_kept_in_utc() {
        let utc = parse("2013-10-07T13:30:00.123Z").unwrap();
        assert_eq!(parse("2013-10-07T19:00:00.123+05:30"), Some(utc));
        assert_eq!(serde_json::to_string(&utc).unwrap(), "\"2013-10-07T13:30:00.123Z\"");
    }

    #[test]
    fn a_naive_or_malformed_time_is_refused() {
        for text in [
            "",
            "2013-10-07",
            "2013-10-07T13:30:00",
            "2013-10-07 13:30:00Z",
            "2013-10-07t13:30:00Z",
            "2013-02-30T00:00:00Z",
            "2013-10-07T25:00:00Z",
            "1381152600",
            "2013-10-07T13:30:00Z ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
