//! PostgreSQL: dead letters and dedup marks in tables of their own. Needs the feature `postgres`; no libpq.
//!
//! ```no_run
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! use pandaflow_actors::transport::postgres::{PostgresConfig, PostgresStore};
//!
//! let store = PostgresStore::open(&PostgresConfig::new("postgres://user:password@localhost/pandaflow"))?;
//! store.migrate().await?;
//! let (dead_letters, dedup) = (store.dead_letters(), store.dedup());
//! # Ok(())
//! # }
//! ```
//!
//! # What is kept
//! - `dead_letters`: a row each. One that is filed again, since the answer was lost, is there once.
//! - `dedup_inbox`: a row for each id of a group: a claim with its owner and the end of its lease, or a mark with the time
//!   until which the id is done. What has ended is cleared away in the background.
//! - Times are the callers'. Their clocks must differ by far less than a lease.
//! - If an answer is lost after a claim was made, the owner's next claim of the same id finds it fresh; others wait for the end
//!   of the lease.
//!
//! # When it is down
//! Calls fail within the time limit, and succeed again by themselves once it is back.

mod claims;
mod config;
mod database;
mod dead_letters;
mod dedup;
mod schema;

pub use config::PostgresConfig;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pandaflow::ports::{DeadLetterStore, DedupStore, StoreError};

use database::Database;

/// A database with what the framework keeps there. A clone is the same store.
#[derive(Clone)]
pub struct PostgresStore(Arc<Database>);

impl PostgresStore {
    /// A store that connects at its first call. [`migrate`](Self::migrate) has to be called once before any other.
    ///
    /// # Errors
    /// Its thread can't be started.
    pub fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Database::open(config)?)))
    }

    /// Makes the tables, or brings them up to date. Processes that do so at once wait for each other.
    ///
    /// # Errors
    /// The server can't be reached, or refuses.
    pub fn migrate(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move { database.migrate().await })
    }

    /// The dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        Arc::new(dead_letters::PostgresDeadLetters(Arc::clone(&self.0)))
    }

    /// The dedup inbox. What has ended in it is cleared away as long as this lives.
    #[must_use]
    pub fn dedup(&self) -> Arc<dyn DedupStore> {
        Arc::new(dedup::PostgresDedup::new(Arc::clone(&self.0)))
    }
}
