//! Settling in the database: one transaction makes effects, progress and ledger of an owner real.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Epoch, Group, Offset, Partition, TopicName,
    policy::watermark::Progress,
    ports::{
        Acquired, DeadLetterStore, DedupStore, Owner, SettleError, SettleErrorKind, Settlement, StateStore,
        StoreError, Transaction, Transactions,
    },
};

use super::{
    PostgresStore, applied,
    changes::Changes,
    database::{Connection, Database},
    owners::{self, Standing},
    parked, rows, settled,
    transaction::{self, PostgresTransaction},
};
use crate::transport::settlement_database::{Acquisition, Found, Outbox, Settled, SettlementDatabase};

/// [`SettlementDatabase`] on PostgreSQL.
pub(super) struct PostgresSettlements {
    store: PostgresStore,
    database: Arc<Database>,
    dedup: Arc<dyn DedupStore>,
    begun: Arc<Begun>,
}

/// Owners that were made here, and how many settlements of each are known to be real.
#[derive(Default)]
struct Begun(Mutex<HashMap<(Group, Partition), (Epoch, i64)>>);

impl Begun {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Group, Partition), (Epoch, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many settlements of an owner are known to be real; `None` if it is not the newest that was made here.
    fn known(&self, owner: &Owner) -> Option<i64> {
        let known = self.lock().get(&(owner.group.clone(), owner.partition)).copied();
        known.filter(|(epoch, _)| *epoch == owner.epoch).map(|(_, settled)| settled)
    }

    fn put(&self, owner: &Owner, settled: i64) {
        self.lock().insert((owner.group.clone(), owner.partition), (owner.epoch, settled));
    }
}

/// How an attempt to settle ended that met no error.
enum Outcome {
    Real,
    /// Nothing was written: so it stands.
    Otherwise(Option<Standing>),
}

impl PostgresSettlements {
    pub(super) fn new(store: PostgresStore, database: Arc<Database>) -> Self {
        Self { dedup: store.dedup(), store, database, begun: Arc::default() }
    }
}

impl SettlementDatabase for PostgresSettlements {
    fn acquire(&self, acquisition: Acquisition) -> BoxFuture<'static, Result<Found, StoreError>> {
        let (database, begun) = (Arc::clone(&self.database), Arc::clone(&self.begun));
        self.database.run(async move {
            let acquire =
                |mut connection: Connection| async move { acquire(&mut connection, &acquisition).await };
            let found = database.query("acquiring a partition", acquire).await?;
            begun.put(&found.acquired.owner, 0);
            Ok(found)
        })
    }

    fn forget_log(
        &self,
        group: Group,
        partition: Partition,
        topic: TopicName,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let database = Arc::clone(&self.database);
        self.database.run(async move {
            let all = (&topic, Offset(u64::MAX));
            let group = &group;
            let forget = |mut connection: Connection| async move {
                applied::forget(&mut connection, group, partition, all).await?;
                parked::forget(&mut connection, group, partition, all.0).await
            };
            database.query("forgetting a log that is no more", forget).await
        })
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), SettleError>> {
        let (database, begun) = (Arc::clone(&self.database), Arc::clone(&self.begun));
        let settled = self.database.run(async move { Ok(settle(&database, &begun, &settlements).await) });
        async move {
            settled.await.unwrap_or_else(|source| Err(SettleError { kind: SettleErrorKind::Retry, source }))
        }
        .boxed()
    }

    fn settle_in(
        &self,
        settlement: Settlement,
        transaction: Box<dyn Transaction>,
    ) -> BoxFuture<'static, Result<(), SettleError>> {
        let (database, begun) = (Arc::clone(&self.database), Arc::clone(&self.begun));
        let settled = self
            .database
            .run(async move { Ok(settle_in(&database, &begun, &settlement, transaction).await) });
        let lost = |source| Err(SettleError { kind: SettleErrorKind::StartOver, source });
        async move { settled.await.unwrap_or_else(lost) }.boxed()
    }

    fn settled(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Settled>, StoreError>> {
        let database = Arc::clone(&self.database);
        self.database.run(async move {
            let read =
                |mut connection: Connection| async move { settled::read(&mut connection, &groups).await };
            database.query("reading what groups have settled", read).await
        })
    }

    fn states(&self) -> Arc<dyn StateStore> {
        Arc::new(super::states::PostgresStates(Arc::clone(&self.database)))
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        Arc::clone(&self.dedup)
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        Arc::new(super::dead_letters::WithSettlements(Arc::clone(&self.database)))
    }

    fn transactions(&self) -> Arc<dyn Transactions> {
        self.store.transactions()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(super::outbox::PostgresOutbox(Arc::clone(&self.database)))
    }
}

async fn acquire(connection: &mut AsyncPgConnection, asked: &Acquisition) -> QueryResult<Found> {
    let (group, partition) = (&asked.group, asked.partition);
    // After this nothing of an earlier owner becomes real any more, so that what is read then stands.
    let (epoch, ledger) = owners::acquire(connection, group, partition, asked.at_least).await?;
    let stored = owners::progress(connection, group, partition).await?;
    let attempts = owners::attempts(connection, group, partition).await?;
    let parked = parked::of(connection, group, partition).await?;
    let applied = applied::take(connection, group, partition, &stored).await?;
    let progress = asked.topics.iter().map(|topic| {
        let found = stored.iter().find(|(known, _)| known == topic).map(|(_, progress)| progress.clone());
        (topic.clone(), found.unwrap_or_else(Progress::default))
    });
    let progress = progress.collect();
    let owner = Owner { group: group.clone(), partition, epoch };
    let settled_before = !stored.is_empty() || ledger.consumed > 0;
    let acquired = Acquired { owner, progress, ledger, attempts, parked, applied };
    Ok(Found { acquired, settled_before })
}

async fn settle(database: &Database, begun: &Begun, settlements: &[Settlement]) -> Result<(), SettleError> {
    let mut rest = settlements;
    while let Some(first) = rest.first() {
        let owner = &first.owner;
        let known = begun.known(owner).ok_or_else(|| fenced(database, owner))?;
        let outcome = tokio::time::timeout(database.timeout(), attempt(database, owner, known, rest)).await;
        let outcome = outcome
            .unwrap_or_else(|_| {
                Err(database.failed("settling", &format_args!("no answer within {:?}", database.timeout())))
            })
            .map_err(|source| SettleError { kind: SettleErrorKind::Retry, source })?;
        match outcome {
            Outcome::Real => {
                begun.put(owner, known + count(rest));
                return Ok(());
            }
            Outcome::Otherwise(standing) => {
                let real = real_beyond(standing, owner, known).ok_or_else(|| fenced(database, owner))?;
                // A commit had no answer and was one all the same: what it made real is not made so twice.
                begun.put(owner, known + count(&rest[..real.min(rest.len())]));
                rest = &rest[real.min(rest.len())..];
            }
        }
    }
    Ok(())
}

/// One transaction of our own.
async fn attempt(
    database: &Database,
    owner: &Owner,
    known: i64,
    settlements: &[Settlement],
) -> Result<Outcome, StoreError> {
    let mut connection = database.connection("settling").await?;
    let changes = Changes::of(settlements);
    let failed = |error| database.failed("settling", &error);
    transaction::begin(&mut connection).await.map_err(failed)?;
    let written = write(&mut connection, database, owner, known, count(settlements), &changes).await;
    if matches!(written, Ok(Outcome::Real)) {
        transaction::commit(&mut connection).await.map_err(failed)?;
    } else if let Err(error) = transaction::roll_back(&mut connection).await {
        // The pool sees that the transaction is open, and doesn't take the connection back.
        log::debug!("postgres: rolling back: {error}");
    }
    written.map_err(failed)
}

async fn write(
    connection: &mut AsyncPgConnection,
    database: &Database,
    owner: &Owner,
    known: i64,
    more: i64,
    changes: &Changes<'_>,
) -> QueryResult<Outcome> {
    if !owners::advance(connection, owner, known, more, &changes.ledger).await? {
        return Ok(Outcome::Otherwise(owners::standing(connection, owner).await?));
    }
    rows::write(connection, owner, changes, database.now()).await?;
    Ok(Outcome::Real)
}

async fn settle_in(
    database: &Database,
    begun: &Begun,
    settlement: &Settlement,
    transaction: Box<dyn Transaction>,
) -> Result<(), SettleError> {
    let start_over = |source| SettleError { kind: SettleErrorKind::StartOver, source };
    let doing = "settling in the handler's transaction";
    let open = PostgresTransaction::of(transaction).and_then(|mut open| open.take());
    let (mut connection, _permit) =
        open.ok_or_else(|| start_over(database.failed(doing, &"it is not one of this database")))?;
    let owner = &settlement.owner;
    let known = begun.known(owner).ok_or_else(|| fenced(database, owner))?;
    let settlements = std::slice::from_ref(settlement);
    let changes = Changes::of(settlements);
    let work = async {
        match write(&mut connection, database, owner, known, 1, &changes).await {
            Ok(Outcome::Real) => transaction::commit(&mut connection).await.map(|()| Outcome::Real),
            otherwise => otherwise,
        }
    };
    let outcome = tokio::time::timeout(database.timeout(), work).await;
    let outcome = outcome.map_err(|_| {
        start_over(database.failed(doing, &format_args!("no answer within {:?}", database.timeout())))
    })?;
    match outcome.map_err(|error| start_over(database.failed(doing, &error)))? {
        Outcome::Real => {
            begun.put(owner, known + 1);
            Ok(())
        }
        Outcome::Otherwise(standing) => Err(match real_beyond(standing, owner, known) {
            None => fenced(database, owner),
            Some(_) => start_over(database.failed(doing, &"more is settled than this owner knows of")),
        }),
    }
}

/// How many settlements of an owner are real beyond the known ones; `None` if another has the partition, or the database
/// was put back to an earlier time.
fn real_beyond(standing: Option<Standing>, owner: &Owner, known: i64) -> Option<usize> {
    let standing = standing.filter(|standing| standing.epoch.cast_unsigned() == owner.epoch.0)?;
    usize::try_from(standing.settled - known).ok().filter(|beyond| *beyond > 0)
}

fn count(settlements: &[Settlement]) -> i64 {
    i64::try_from(settlements.len()).unwrap_or(i64::MAX)
}

fn fenced(database: &Database, owner: &Owner) -> SettleError {
    let who = format!("{} partition {} epoch {}", owner.group, owner.partition, owner.epoch);
    let source =
        database.failed("settling", &format_args!("{who}: another has the partition by now, or none"));
    SettleError { kind: SettleErrorKind::Fenced, source }
}
