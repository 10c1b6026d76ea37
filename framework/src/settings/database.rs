//! DATABASE: where the log, state, dedup marks and dead letters are kept, and where a program on Kafka settles.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Checks, secret::HIDDEN, value::Value};

/// Where the data lies: `sqlite:PATH` or `postgres://..`. A password in it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl DatabaseUrl {
    /// The SQLite file at `path`.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Place::Sqlite(path.into()))
    }

    /// The path of the SQLite file, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    /// The URL of the PostgreSQL server, password and all, if it is one.
    #[must_use]
    pub fn postgres(&self) -> Option<&str> {
        match &self.0 {
            Place::Sqlite(_) => None,
            Place::Postgres(url) => Some(url),
        }
    }
}

impl Value for DatabaseUrl {
    fn expected() -> String {
        "sqlite: and the path of a file, for example sqlite:data/pandaflow.db, or postgres://USER:PASSWORD@HOST/DATABASE"
            .into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        for scheme in ["postgres://", "postgresql://"] {
            if let Some(rest) = text.strip_prefix(scheme) {
                let place = rest.rsplit('@').next().unwrap_or_default();
                let names_database = place.split('?').next().is_some_and(|place| {
                    place.split_once('/').is_some_and(|(host, name)| !host.is_empty() && !name.is_empty())
                });
                return if names_database && !text.contains(['\0', ' ']) {
                    Ok(Self(Place::Postgres(text.into())))
                } else {
                    Err("host or database are missing".into())
                };
            }
        }
        let path = text.strip_prefix("sqlite:").ok_or("not a database that this version has")?;
        if path == ":memory:" {
            return Err("a database in memory keeps nothing".into());
        }
        if path.starts_with("//") || path.contains(['?', '\0']) {
            return Err("not the path of a file".into());
        }
        PathBuf::parse(path).map(Self::sqlite)
    }

    fn show(&self) -> String {
        match &self.0 {
            Place::Sqlite(path) => Self::redact(&format!("sqlite:{}", path.display())),
            Place::Postgres(url) => Self::redact(url),
        }
    }

    fn redact(text: &str) -> String {
        redact_url(text)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

/// Hides the credentials before the last `@` of a URL, and what follows a `?` or names a password.
pub(super) fn redact_url(text: &str) -> String {
    // First the `@`: a password may hold a `?`.
    let (scheme, place) = match text.rsplit_once('@') {
        Some((credentials, place)) => (credentials.split_once("://").map(|(scheme, _)| scheme), Some(place)),
        None => (None, None),
    };
    let place_or_all = place.unwrap_or(text);
    let (before, query) = match place_or_all.split_once('?') {
        Some((before, _)) => (before, "?***"),
        None => (place_or_all, ""),
    };
    match (place, scheme) {
        (Some(_), Some(scheme)) => format!("{scheme}://{HIDDEN}@{before}{query}"),
        (Some(_), None) => format!("{HIDDEN}@{before}{query}"),
        (None, _) if before.to_lowercase().contains("password") => format!("{HIDDEN}{query}"),
        (None, _) => format!("{before}{query}"),
    }
}

crate::choice! {
    /// Where a program on Kafka settles.
    pub enum SettleIn {
        /// On the brokers: outputs, state and offsets in topics.
        Broker = "broker",
        /// In the database, in one transaction with what the handlers write there; outputs go by way of an outbox.
        Database = "database",
    }
}

crate::section! {
    /// Where the data is kept, and how it is written.
    pub struct Database("DATABASE", check = fit) {
        /// The database: a SQLite file, or with `--mode kafka` PostgreSQL, where dead letters go then.
        pub url: DatabaseUrl = "sqlite:pandaflow.db",
        /// With `--mode kafka` and PostgreSQL: where effects become real. All processes of a program say the same.
        pub settlement: SettleIn = "broker",
        /// Connections to PostgreSQL at most, for each process.
        pub pool_size: u32 = "20" in "2"..="1000",
        /// How long a call to PostgreSQL may take, a new connection included.
        pub timeout: Duration = "10s" in "100ms"..="5m",
        /// Most rows that one transaction writes to a SQLite file; more settlements wait for the next.
        pub max_rows_per_transaction: usize = "5000" in "1"..="1000000",
        /// How often records past their retention are looked for in a SQLite file and deleted.
        pub retention_interval: Duration = "1m" in "1s"..="1d",
    }
}

/// What goes together.
fn fit(database: &Database, checks: &mut Checks) {
    if database.settlement == SettleIn::Database && database.url.postgres().is_none() {
        checks.refuse("settlement", "needs DATABASE__URL=postgres://USER:PASSWORD@HOST/DATABASE");
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    #[test]
    fn a_server_is_shown_without_its_password() {
        for scheme in ["postgres", "postgresql"] {
            let url = format!("{scheme}://panda:hunter2@db:5432/x?options=hunter2");
            let settings =
                Settings::load([("DATABASE__URL", url.as_str()), ("DATABASE__SETTLEMENT", "database")], "");
            let settings = settings.expect("it is a server");
            assert_eq!(settings.database.url.postgres(), Some(url.as_str()));
            assert_eq!(settings.database.url.path(), None);
            let shown = format!("{:?} {}", settings.database, settings.database.url);
            assert!(shown.contains(&format!("{scheme}://***@db:5432/x?***")), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (name, value, told) in [
            ("DATABASE__SETTLEMENT", "database", "needs DATABASE__URL=postgres://"),
            ("DATABASE__URL", "postgres://panda:hunter2@db", "host or database are missing"),
            ("DATABASE__URL", "postgres:///x", "host or database are missing"),
            ("DATABASE__POOL_SIZE", "1", "must be from 2 to 1000"),
        ] {
            let errors = Settings::load([(name, value)], "").expect_err(value).to_string();
            assert!(errors.contains(name) && errors.contains(told), "{errors}");
            assert!(!errors.contains("hunter2"), "{errors}");
        }
    }
}
