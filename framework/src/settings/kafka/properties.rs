//! KAFKA__PROPERTY: properties of librdkafka, passed through to the clients.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::names::{OWN, PASSED, REFUSED, SECRET};
use crate::settings::{
    secret::{HIDDEN, Secret},
    section::{Checks, Field, Section},
    value::Value,
};

/// Who takes a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyScope {
    /// Consumers and producers.
    Both,
    /// Consumers alone.
    Consumer,
    /// Producers alone.
    Producer,
}

/// Properties of librdkafka that were set: each the variable `KAFKA__PROPERTY__` and its name in upper case, dots
/// written as underscores.
///
/// A name that librdkafka does not have is refused with the nearest that it has. Refused with the reason are those that
/// have a setting of their own, those that would break a promise (commits, acknowledgements, idempotence, isolation, how
/// keys and partitions are shared out), and those that load code. Whether a value fits is for librdkafka to say, when the
/// first client is made.
///
/// ```
/// use pandaflow::settings::Settings;
///
/// let settings = Settings::load([("KAFKA__PROPERTY__FETCH_MIN_BYTES", "1024")], "").unwrap();
/// let consumer: Vec<_> = settings.kafka_properties.of_consumers().collect();
/// assert_eq!(consumer, [("fetch.min.bytes", "1024")]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties {
    /// By the name of the variable, in lower case.
    set: BTreeMap<String, String>,
}

/// Each property under the field that stands for it, in the order of the names.
static KNOWN: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
    let names = PASSED.iter().map(|(name, _)| *name);
    let names = names.chain(OWN.iter().map(|(name, _)| *name)).chain(REFUSED.iter().map(|(name, _)| *name));
    let mut known: Vec<_> = names.map(|name| (name.replace('.', "_"), name)).collect();
    known.sort_unstable();
    known
});

impl KafkaProperties {
    /// Names and values for consumers.
    pub fn of_consumers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.of(PropertyScope::Consumer)
    }

    /// Names and values for producers.
    pub fn of_producers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.of(PropertyScope::Producer)
    }

    /// Names and values for clients that are neither, such as those that manage topics.
    pub fn of_all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.of(PropertyScope::Both)
    }

    /// The properties that can be passed through, by name.
    pub fn names() -> impl Iterator<Item = (&'static str, PropertyScope)> {
        PASSED.iter().copied()
    }

    /// The variable that sets a property.
    #[must_use]
    pub fn variable(name: &str) -> String {
        format!("{}__{}", Self::NAME, name.replace('.', "_").to_uppercase())
    }

    /// Whether the value of a property must not be shown.
    #[must_use]
    pub fn is_secret(name: &str) -> bool {
        is_secret(name)
    }

    fn of(&self, who: PropertyScope) -> impl Iterator<Item = (&'static str, &str)> {
        PASSED.iter().filter(move |(_, scope)| *scope == PropertyScope::Both || *scope == who).filter_map(
            |(name, _)| self.set.get(&name.replace('.', "_")).map(|value| (*name, value.as_str())),
        )
    }
}

fn is_secret(name: &str) -> bool {
    let hidden = |own: &&(&str, &str)| own.0 == name && own.1.ends_with("PASSWORD");
    // Where a secret is written by mistake, it is one all the same.
    SECRET.contains(&name)
        || OWN.iter().any(|own| hidden(&own))
        || name.contains("secret")
        || name.contains("private")
}

impl Section for KafkaProperties {
    const NAME: &'static str = "KAFKA__PROPERTY";
    const PRINTS_DEFAULTS: bool = false;

    fn fields() -> Vec<Field> {
        let field = |(field, name): &'static (String, &'static str)| Field {
            name: field,
            doc: "Passed through to librdkafka",
            expected: "a text".into(),
            redact: if is_secret(name) { Secret::redact } else { String::redact },
        };
        KNOWN.iter().map(field).collect()
    }

    fn check(&self, checks: &mut Checks) {
        for (field, name) in KNOWN.iter() {
            let Some(value) = self.set.get(field) else { continue };
            let own = OWN
                .iter()
                .find(|own| own.0 == *name)
                .map(|own| format!("has a setting of its own: {}", own.1));
            let refused = || REFUSED.iter().find(|refused| refused.0 == *name);
            let refused = own.or_else(|| refused().map(|(_, why)| format!("can't be set: {why}")));
            if let Some(why) = refused {
                checks.refuse(field, why);
            } else if value.trim().is_empty() {
                checks.refuse(field, "empty; write a value, or take the variable away");
            } else if value.contains('\0') {
                checks.refuse(field, "holding a zero byte");
            }
        }
    }
}

impl std::fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl KafkaProperties {
    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        let hide = |field: &str| KNOWN.iter().any(|(known, name)| known == field && is_secret(name));
        self.set
            .iter()
            .map(move |(field, value)| (field.as_str(), if hide(field) { HIDDEN } else { value.as_str() }))
    }
}

impl Serialize for KafkaProperties {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.shown())
    }
}

impl<'de> Deserialize<'de> for KafkaProperties {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let set = BTreeMap::<String, String>::deserialize(from)?;
        Ok(Self { set: set.into_iter().map(|(name, value)| (name, value.trim().to_owned())).collect() })
    }
}
