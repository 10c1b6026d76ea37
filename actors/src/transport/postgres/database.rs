//! The connections to the database, and the thread that drives them.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use diesel_async::{
    AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl,
    pooled_connection::{
        AsyncDieselConnectionManager,
        bb8::{Pool, PooledConnection},
    },
};
use diesel_migrations::MigrationHarness;
use futures_util::future::BoxFuture;
use pandaflow::{Clock, Timestamp, ports::StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{PostgresConfig, schema::MIGRATIONS};
use crate::transport::side_thread::SideThread;

/// Which lock of the database processes that migrate at once wait for: "panda" as a number.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(482670535777)";

/// One for the handlers, and one for settlements.
const FEWEST: u32 = 2;

pub(super) type Connection = PooledConnection<'static, AsyncPgConnection>;

pub(super) struct Database {
    pool: Pool<AsyncPgConnection>,
    thread: SideThread,
    place: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Connections that handlers may have at once: some are left for settlements, which the handlers wait for.
    handlers: Arc<Semaphore>,
}

impl Database {
    pub(super) fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        let thread = SideThread::start("postgres")
            .map_err(|error| failed(format!("its thread can't be started: {error}")))?;
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(&config.url);
        let pool = {
            let _inside = thread.enter();
            let pool = Pool::builder().max_size(config.connections.max(FEWEST));
            pool.connection_timeout(config.timeout).build_unchecked(manager)
        };
        let (place, timeout, clock) = (config.place(), config.timeout, Arc::clone(&config.clock));
        let connections = config.connections.max(FEWEST) as usize;
        let handlers = Arc::new(Semaphore::new(connections - (connections / 4).max(1)));
        Ok(Self { pool, thread, place, timeout, clock, handlers })
    }

    /// Runs `work` on the thread, from now on.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        self.thread.run(work, drop)
    }

    /// The same; `unheard` gets what it came to if nobody waits for it any longer.
    pub(super) fn run_heard<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        unheard: impl FnOnce(T) + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        self.thread.run(work, unheard)
    }

    /// Runs a query with a connection, within the time limit. A connection on which it was cut off is not used again.
    pub(super) async fn query<T, F>(
        &self,
        doing: &str,
        query: impl FnOnce(Connection) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = diesel::QueryResult<T>>,
    {
        let work = async {
            let connection = self.pool.get_owned().await.map_err(|error| self.failed(doing, &error))?;
            query(connection).await.map_err(|error| self.failed(doing, &error))
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.failed(doing, &format_args!("no answer within {:?}", self.timeout))),
        }
    }

    /// A connection of the pool, as soon as there is one, within the time limit.
    pub(super) async fn connection(&self, doing: &str) -> Result<Connection, StoreError> {
        self.pool.get_owned().await.map_err(|error| self.failed(doing, &error))
    }

    /// A connection that is not of the pool, within the time limit: what its session holds ends with it.
    pub(super) async fn session(&self, doing: &str) -> Result<AsyncPgConnection, StoreError> {
        match tokio::time::timeout(self.timeout, self.pool.dedicated_connection()).await {
            Ok(connection) => connection.map_err(|error| self.failed(doing, &error)),
            Err(_) => Err(self.failed(doing, &format_args!("no answer within {:?}", self.timeout))),
        }
    }

    /// Waits until a handler may have a connection.
    pub(super) async fn handlers_turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let turn = Arc::clone(&self.handlers).acquire_owned().await;
        turn.map_err(|_| failed("it was closed".into()))
    }

    /// How long a call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        // A connection that is not of the pool: its end lets go of the lock, whatever happens.
        let mut connection = self.session("migrating").await?;
        let locked = diesel::sql_query(MIGRATION_LOCK).execute(&mut connection).await;
        locked.map_err(|error| self.failed("waiting to migrate", &error))?;
        let migrate = move || {
            let mut harness = AsyncMigrationHarness::new(connection);
            harness.run_pending_migrations(MIGRATIONS).map(drop).map_err(|error| error.to_string())
        };
        match tokio::task::spawn_blocking(migrate).await {
            Ok(outcome) => outcome.map_err(|error| self.failed("migrating", &error)),
            Err(error) => Err(self.failed("migrating", &error)),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn failed(&self, doing: &str, error: &dyn fmt::Display) -> StoreError {
        failed(format!("{}, {doing}: {error}", self.place))
    }
}

fn failed(message: String) -> StoreError {
    StoreError { store: "postgres", message }
}
