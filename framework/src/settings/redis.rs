//! REDIS: where the dedup store for several processes is.

use std::{fmt, time::Duration};

use super::{secret::HIDDEN, value::Value};

/// Where Redis is: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`. User and password are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// The URL as it was written, password included.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Value for RedisUrl {
    fn expected() -> String {
        "redis:// and a host, for example redis://localhost:6379/0 or redis://user:password@redis.internal:6379/0"
            .into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with("rediss://") {
            return Err("TLS to Redis is not there yet".into());
        }
        let rest = text.strip_prefix("redis://").ok_or("not the URL of a Redis server")?;
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err("holding a blank or a control character".into());
        }
        let (credentials, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        if credentials.split(':').any(|part| part == HIDDEN) {
            return Err("holding *** where user and password were hidden; write them out".into());
        }
        let place = place.split('?').next().unwrap_or_default();
        let (host, database) = place.split_once('/').unwrap_or((place, ""));
        let port = if host.ends_with(']') { None } else { host.rsplit_once(':') };
        let (host, port) = port.map_or((host, None), |(host, port)| (host, Some(port)));
        if host.is_empty() {
            return Err("without a host".into());
        }
        if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
            return Err("with a port that is no number from 1 to 65535".into());
        }
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err("with a database that is no number; it stands after the port, as in /0".into());
        }
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> String {
        Self::redact(&self.0)
    }

    /// Hides what stands before an `@`, and what follows a `?` or names a password.
    fn redact(text: &str) -> String {
        super::database::redact_url(text)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

crate::section! {
    /// Where the dedup store for several processes is.
    pub struct Redis("REDIS") {
        /// The server. It has to keep what it was told over a restart (`appendonly yes`).
        pub url: RedisUrl = "redis://localhost:6379/0",
        /// How long a call may take.
        pub timeout: Duration = "5s" in "10ms"..="5m",
    }
}
