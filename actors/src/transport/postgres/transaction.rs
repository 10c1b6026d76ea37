//! Transactions: those of our own, and those that a handler takes part in.

use std::{any::Any, future::Future, sync::Arc, time::Duration};

use diesel::QueryResult;
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection, TransactionManager};
use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Context, StreamProcessor,
    ports::{StoreError, Transaction, TransactionError, Transactions},
};
use tokio::sync::OwnedSemaphorePermit;

use super::database::{Connection, Database};

/// A process that stands still in the middle of a settlement must not keep the partition from its next owner.
const BEGIN: &str = "\
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL idle_in_transaction_session_timeout = '10s';
    SET LOCAL lock_timeout = '5s'";

/// A query that is under way when its attempt runs out of time must not keep its locks for long. A handler may wait for others
/// between two queries. What is set here is gone once the transaction has ended.
fn begin_attempt_sql(limit: Duration) -> String {
    let limit = limit.as_millis().clamp(1, 86_400_000);
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED;
        SET LOCAL statement_timeout = {limit};
        SET LOCAL idle_in_transaction_session_timeout = {idle};
        SET LOCAL pandaflow.attempt = 'open'",
        idle = limit + 30_000
    )
}

/// What is checked at the end of a transaction is checked now, while the attempt can still fail. Then it waits for its
/// settlement.
const END_ATTEMPT: &str = "\
    SET CONSTRAINTS ALL IMMEDIATE;
    SET LOCAL statement_timeout TO DEFAULT;
    SET LOCAL idle_in_transaction_session_timeout = '30s';
    SELECT 1 / (coalesce(current_setting('pandaflow.attempt', true), '') = 'open')::int AS still_open";

/// How long a transaction that is given up may take to be rolled back, before its connection is.
const ROLL_BACK: Duration = Duration::from_secs(5);

pub(super) async fn begin(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction_sql(connection, BEGIN).await
}

pub(super) async fn commit(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    AnsiTransactionManager::commit_transaction(connection).await
}

pub(super) async fn roll_back(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    AnsiTransactionManager::rollback_transaction(connection).await
}

/// Gives a handler the connection that its attempt's transaction is open on.
///
/// ```no_run
/// # use pandaflow::{Classify, Context, Event, Handle, StreamProcessor, ports::TransactionError};
/// # #[derive(serde::Serialize, serde::Deserialize, Event)]
/// # #[event(type = "paid", key = "{0}")]
/// # struct Paid(String);
/// use diesel::sql_query;
/// use diesel_async::RunQueryDsl;
/// use pandaflow_actors::transport::postgres::InTransaction;
///
/// # #[derive(Debug, thiserror::Error, Classify)]
/// # enum BookError {
/// #     #[error(transparent)] #[class(source)] Transaction(#[from] TransactionError),
/// #     #[error(transparent)] #[class(transient)] Query(#[from] diesel::result::Error),
/// # }
/// #[derive(StreamProcessor)]
/// #[processor(name = "book", input(topic = "paid", event = Paid))]
/// struct Book;
///
/// impl Handle<Paid> for Book {
///     type Error = BookError;
///     async fn handle(&mut self, paid: Event<Paid>, ctx: &mut Context<Self>) -> Result<(), BookError> {
///         let connection = ctx.transaction().await?;
///         sql_query("INSERT INTO book (account) VALUES ($1)")
///             .bind::<diesel::sql_types::Text, _>(&paid.0)
///             .execute(connection)
///             .await?;
///         Ok(())
///     }
/// }
/// ```
///
/// What is done on it becomes real together with the outputs, the state and the offset of the event, or not at all: not if the
/// attempt fails, and not if another has the partition by then. It is begun at the first call, one for each attempt. Savepoints
/// (`connection.transaction(..)`) are fine; to commit or roll back the whole is not, and fails the attempt.
pub trait InTransaction {
    /// The connection.
    ///
    /// # Errors
    /// There is no such transaction where the processor runs, or the database can't be reached.
    fn transaction(&mut self) -> impl Future<Output = Result<&mut AsyncPgConnection, TransactionError>>;
}

impl<P: StreamProcessor> InTransaction for Context<P> {
    async fn transaction(&mut self) -> Result<&mut AsyncPgConnection, TransactionError> {
        let open: &mut dyn Any = self.open_transaction().await?;
        let open = open.downcast_mut::<PostgresTransaction>();
        let connection = open.and_then(|open| open.connection.as_deref_mut());
        connection.ok_or(TransactionError::Unsupported("the transaction is not one of PostgreSQL"))
    }
}

/// Begins the transactions of handlers.
pub(super) struct PostgresTransactions(pub(super) Arc<Database>);

impl Transactions for PostgresTransactions {
    fn begin(&self, limit: Duration) -> BoxFuture<'static, Result<Box<dyn Transaction>, TransactionError>> {
        let database = Arc::clone(&self.0);
        async move {
            let permit = database.handlers_turn().await?;
            let beginning = Arc::clone(&database);
            let begun = async move { begin_attempt(beginning, permit, limit).await };
            // One that nobody hears of is dropped, and so rolled back.
            Ok(Box::new(database.run(begun).await?) as Box<dyn Transaction>)
        }
        .boxed()
    }
}

async fn begin_attempt(
    database: Arc<Database>,
    permit: OwnedSemaphorePermit,
    limit: Duration,
) -> Result<PostgresTransaction, StoreError> {
    let doing = "beginning a handler's transaction";
    let work = async {
        let mut connection = database.connection(doing).await?;
        let sql = begin_attempt_sql(limit);
        let begun = AnsiTransactionManager::begin_transaction_sql(&mut *connection, &sql).await;
        begun.map_err(|error| database.failed(doing, &error))?;
        Ok(connection)
    };
    let connection = tokio::time::timeout(database.timeout(), work).await;
    let connection = connection.unwrap_or_else(|_| Err(database.failed(doing, &"no answer in time")))?;
    Ok(PostgresTransaction { connection: Some(connection), permit: Some(permit), database })
}

/// An open transaction of an attempt. Dropped, it is rolled back; the connection goes back into the pool only then.
pub(super) struct PostgresTransaction {
    connection: Option<Connection>,
    permit: Option<OwnedSemaphorePermit>,
    database: Arc<Database>,
}

impl PostgresTransaction {
    /// A transaction that is one of ours.
    pub(super) fn of(transaction: Box<dyn Transaction>) -> Option<Box<Self>> {
        let transaction: Box<dyn Any> = transaction;
        transaction.downcast().ok()
    }

    /// Its connection, whose transaction is open, and the right to have it.
    pub(super) fn take(&mut self) -> Option<(Connection, Option<OwnedSemaphorePermit>)> {
        Some((self.connection.take()?, self.permit.take()))
    }
}

impl Transaction for PostgresTransaction {
    fn end_of_attempt(&mut self) -> BoxFuture<'_, Result<(), TransactionError>> {
        async move {
            let Some(connection) = self.connection.as_deref_mut() else { return Ok(()) };
            connection.batch_execute(END_ATTEMPT).await.map_err(|error| {
                let why = error.to_string();
                if why.contains("division by zero") {
                    let why = "the handler ended it itself: a transaction of an attempt is committed by its settlement";
                    return TransactionError::Unfit(why.into());
                }
                TransactionError::Unfit(why)
            })
        }
        .boxed()
    }
}

impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        if let Some((mut connection, permit)) = self.take() {
            // A query may be under way, whoever waited for it is gone: the rollback comes after it.
            let rolled_back = async move {
                let rolled_back = tokio::time::timeout(ROLL_BACK, roll_back(&mut connection)).await;
                if !matches!(rolled_back, Ok(Ok(()))) {
                    log::debug!("postgres: a handler's transaction could not be rolled back in time");
                }
                // If its transaction is open still, or nobody knows, the pool sees that and doesn't take it back.
                drop(connection);
                drop(permit);
                Ok(())
            };
            drop(self.database.run(rolled_back));
        }
    }
}
