//! How a PostgreSQL store is opened.

use std::{fmt, time::Duration};

/// Where the database is, and how long it may take.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresConfig {
    /// `postgres://USER:PASSWORD@HOST[:PORT]/DATABASE`. Never shown whole.
    pub url: String,
    /// Connections at most, and no fewer than two; 20 by default. Handlers have three quarters of them at most at once.
    pub connections: u32,
    /// How long a call may take, a new connection included; 10 s by default.
    pub timeout: Duration,
    /// What time it is, for when dead letters were stored (default: the system's clock).
    pub clock: std::sync::Arc<dyn pandaflow::Clock>,
}

impl PostgresConfig {
    /// The database at `url`, and the defaults.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 20,
            timeout: Duration::from_secs(10),
            clock: std::sync::Arc::new(pandaflow::SystemClock),
        }
    }

    /// Host and database, as errors name them: what stands before the last `@` or after a `?` is left out.
    pub(super) fn place(&self) -> String {
        let place = match self.url.rsplit_once('@') {
            Some((_, place)) => place,
            None => self.url.split_once("://").map_or("", |(_, place)| place),
        };
        place.split('?').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("at", &self.place())
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credentials_are_not_shown() {
        for (url, place) in [
            ("postgres://panda:hunter2@db:5432/x?sslkey=hunter2", "db:5432/x"),
            ("postgres://panda:hunter2?@db/x", "db/x"),
            ("postgres://db/x?password=hunter2", "db/x"),
            ("host=db password=hunter2", ""),
        ] {
            let config = PostgresConfig::new(url);
            assert_eq!(config.place(), place);
            assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        }
    }
}
