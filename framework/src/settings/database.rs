//! DATABASE: where the log, state, dedup marks and dead letters are kept.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{secret::HIDDEN, value::Value};

/// Where the data lies: `sqlite:PATH`. A password in it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    path: PathBuf,
}

impl DatabaseUrl {
    /// The SQLite file at `path`.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the SQLite file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Value for DatabaseUrl {
    fn expected() -> String {
        "sqlite: and the path of a file, for example sqlite:data/pandaflow.db".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Err("PostgreSQL comes with the feature postgres, which this version does not have".into());
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
        Self::redact(&format!("sqlite:{}", self.path.display()))
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

crate::section! {
    /// Where the data is kept, and how it is written.
    pub struct Database("DATABASE") {
        /// The database: a SQLite file.
        pub url: DatabaseUrl = "sqlite:pandaflow.db",
        /// Most rows that one transaction writes; more settlements wait for the next.
        pub max_rows_per_transaction: usize = "5000" in "1"..="1000000",
        /// How often records past their retention are looked for and deleted.
        pub retention_interval: Duration = "1m" in "1s"..="1d",
    }
}
