//! Settings: typed sections, read from `.env` and the environment as `SECTION__FIELD`.
//!
//! ```
//! use std::time::Duration;
//! use pandaflow::settings::Settings;
//!
//! let settings = Settings::load([("RUNTIME__SHUTDOWN_DEADLINE", "10s")], "HEALTH__TIMEOUT=2s").unwrap();
//! assert_eq!(settings.runtime.shutdown_deadline, Duration::from_secs(10));
//! assert_eq!(settings.health.timeout, Duration::from_secs(2));
//!
//! let errors = Settings::load([("RUNTIME__SHUTDOWN_DEADLINE", "soon")], "").unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "RUNTIME__SHUTDOWN_DEADLINE = \"soon\": not a duration; \
//!      write a duration such as 100ms, 30s, 2m, 24h or 7d (from 100ms to 1h)",
//! );
//! ```
//!
//! - Everything wrong is listed together, each with its variable, its value and what would be right.
//! - An unknown name in a known section is refused, as is a section or name that looks like a known one misspelt. All other
//!   variables are somebody else's.
//! - The environment wins over `.env`.
//! - Secrets are never shown, a bad one's value included.
//! - A program declares sections of its own with [`section!`](crate::section) and adds them to its [`Loader`].
//!
//! Nothing here reads the process: variables and the text of `.env` are handed in.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    ffi::OsString,
    iter::empty,
    sync::Arc,
};

mod api;
mod byte_size;
mod choice;
mod database;
mod dedup;
mod dotenv;
mod duration;
mod health;
mod in_force;
mod kafka;
mod loader;
mod logging;
mod names;
mod problem;
mod reading;
mod redis;
mod retry;
mod root;
mod runtime;
mod secret;
mod section;
#[cfg(feature = "trading")]
mod trading;
mod value;

pub use api::Api;
pub use byte_size::ByteSize;
pub use choice::one_of;
pub use database::{Database, DatabaseUrl, SettleIn};
pub use dedup::{Dedup, WhenStoreIsDown};
pub use health::Health;
pub use in_force::{InForce, Source};
pub use kafka::{
    BrokerAddress, Compression, GroupProtocol, Kafka, KafkaProperties, PropertyScope, SaslMechanism,
    SecurityProtocol,
};
pub use loader::Loader;
pub use logging::{Channel, ChannelLevel, Json, Level, Logging};
pub use problem::{Problem, SettingsErrors};
pub use redis::{Redis, RedisUrl};
pub use root::{Environment, Root};
pub use runtime::{Arbiters, Runtime};
pub use secret::Secret;
pub use section::{Checks, Field, Section, declared};
#[cfg(feature = "trading")]
pub use trading::{PaperTrading, Zerodha};
pub use value::{Ranged, Value, text};

use crate::policy::retry::RetryOverrides;

/// All settings of a program, checked. [`Default`] has the shipped defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Settings without a section.
    pub root: Root,
    /// RUNTIME: how the actors run and how much they may hold.
    pub runtime: Runtime,
    /// DATABASE: where the data is kept.
    pub database: Database,
    /// HEALTH: when the program counts as ready and as alive.
    pub health: Health,
    /// API: where health and metrics are served.
    pub api: Api,
    /// LOGGING: what is logged, how, and where to.
    pub logging: Logging,
    /// DEDUP: how events that come twice are told.
    pub dedup: Dedup,
    /// KAFKA: where the brokers are and how they are reached.
    pub kafka: Kafka,
    /// KAFKA__PROPERTY: properties of librdkafka that are passed through.
    pub kafka_properties: KafkaProperties,
    /// REDIS: where the dedup store for several processes is.
    pub redis: Redis,
    /// RETRY: how events are tried again, where not as the processors declare it. `RETRY__CLASS__FIELD` holds for all of them,
    /// `RETRY__PROCESSOR__CLASS__FIELD` for one.
    pub retry: RetryOverrides,
    own: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    in_force: Vec<InForce>,
    passed_over: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::load(empty::<(OsString, OsString)>(), "").expect("the shipped defaults are valid")
    }
}

/// A section was asked for that the program's [`Loader`] was not told of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings have no section {name}: add .section::<{type_name}>() where they are loaded")]
pub struct UndeclaredSection {
    name: &'static str,
    type_name: &'static str,
}

impl Settings {
    /// Reads the framework's own sections; a program with sections of its own uses a [`Loader`].
    ///
    /// # Errors
    /// Everything that is wrong, together.
    pub fn load<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
        dotenv: &str,
    ) -> Result<Self, SettingsErrors> {
        Loader::new().load(variables, dotenv)
    }

    /// A section of the program's own.
    ///
    /// # Errors
    /// If the [`Loader`] was not told of it.
    pub fn section<S: Section>(&self) -> Result<&S, UndeclaredSection> {
        let own = self.own.get(&TypeId::of::<S>());
        own.and_then(|own| own.downcast_ref())
            .ok_or(UndeclaredSection { name: S::NAME, type_name: type_name::<S>() })
    }

    /// Every variable with its value in force and where it came from, secrets hidden.
    #[must_use]
    pub fn in_force(&self) -> &[InForce] {
        &self.in_force
    }

    /// The same as text that can stand in a `.env` file, a line each.
    #[must_use]
    pub fn print(&self) -> String {
        let lines = self.in_force.iter().map(|one| format!("{one}\n"));
        lines.collect()
    }

    /// Variables that are not read though they look like a setting that nobody has set, such as KAFKA_PREFIX, with one underscore: a
    /// sentence each. They may be meant for others, as DATABASE_URL often is, so they are no errors.
    #[must_use]
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }
}

#[cfg(test)]
mod tests;
