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

mod applied;
mod changes;
mod claims;
mod config;
mod database;
mod dead_letters;
mod dedup;
mod deployment;
mod outbox;
mod owners;
mod parked;
mod rows;
mod schema;
mod settled;
mod settlements;
mod states;
mod transaction;

pub use config::PostgresConfig;
pub use transaction::InTransaction;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pandaflow::ports::{DeadLetterStore, DedupStore, StoreError, Transactions};

use database::{Connection, Database};
use deployment::Deployment;

use super::settlement_database::SettlementDatabase;

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

    /// Reserves the tables for the settlements of one deployment, by what its topics' and groups' names begin with.
    ///
    /// # Errors
    /// Another deployment has them, the server is too old, or it can't be reached.
    pub fn settle_for(&self, prefix: &str) -> BoxFuture<'static, Result<(), StoreError>> {
        let (database, prefix) = (Arc::clone(&self.0), prefix.to_owned());
        self.0.run(async move {
            let doing = "making ready to settle";
            let name = &prefix;
            let reserve =
                |mut connection: Connection| async move { Deployment::reserve(&mut connection, name).await };
            let deployment = database.query(doing, reserve).await?;
            deployment.refuses(&prefix).map_or(Ok(()), |why| Err(database.failed(doing, &why)))
        })
    }

    /// What settles here, for a transport without a transaction of its own, such as Kafka.
    #[must_use]
    pub fn settlements(&self) -> Arc<dyn SettlementDatabase> {
        Arc::new(settlements::PostgresSettlements::new(self.clone(), Arc::clone(&self.0)))
    }

    fn transactions(&self) -> Arc<dyn Transactions> {
        Arc::new(transaction::PostgresTransactions(Arc::clone(&self.0)))
    }
}
