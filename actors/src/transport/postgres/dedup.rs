//! The dedup inbox: claims under a lease, then marks, one row an id.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::future::{self, BoxFuture, FutureExt};
use pandaflow::{
    EventId, Group, Timestamp,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    claims::{self, KnownRow},
    database::{Connection, Database},
};
use crate::transport::held::Held;

/// Ids that one statement takes at most.
const IDS_AT_ONCE: usize = 4096;
/// How often what has ended is cleared away.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Rows that one statement clears away at most.
const TIDY_ROWS: u32 = 10_000;

/// Remembers which events a group has handled, or is handling.
pub(super) struct PostgresDedup {
    inner: Arc<Inner>,
    /// Its end is that of the clearing away.
    _lives: oneshot::Sender<()>,
}

struct Inner {
    database: Arc<Database>,
    held: Held,
}

impl PostgresDedup {
    pub(super) fn new(database: Arc<Database>) -> Self {
        let (lives, ended) = oneshot::channel();
        let inner = Arc::new(Inner { database, held: Held::default() });
        drop(inner.database.run(tidy(Arc::clone(&inner), ended)));
        Self { inner, _lives: lives }
    }

    fn run<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Inner>) -> F,
    ) -> BoxFuture<'static, Result<T, StoreError>>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.inner.database.run(work(Arc::clone(&self.inner)))
    }
}

impl DedupStore for PostgresDedup {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        let (inner, heard) = (Arc::clone(&self.inner), Arc::clone(&self.inner));
        let (owner, ids) = (claim.owner.clone(), claim.ids.clone());
        // Claims whose answer nobody hears are not held; the next claim of the same owner gets them.
        let unheard = move |verdicts: Vec<_>| heard.held.unheard(&owner, &ids, &verdicts);
        self.inner.database.run_heard(async move { inner.claim_all(&claim).await }, unheard)
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        self.run(|inner| async move { inner.mark_all(&owner, marks).await })
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        // A mark has taken the place of its claim, so that there is nothing left to end as a rule.
        let held = self.inner.held.let_go(&owner, &ids);
        if held.is_empty() {
            return future::ready(Ok(())).boxed();
        }
        self.run(|inner| async move { inner.end_all(&owner, &held).await })
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.held.let_go(&owner, &ids);
        self.run(|inner| async move { inner.end_all(&owner, &ids).await })
    }

    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let owner = Owner { group, ..owner };
        self.run(|inner| async move {
            let fence =
                |mut connection: Connection| async move { claims::fence(&mut connection, &owner).await };
            inner.database.query("fencing a partition", fence).await
        })
    }
}

impl Inner {
    async fn claim_all(&self, claim: &Claim) -> Result<Vec<Verdict>, StoreError> {
        let mut verdicts = Vec::with_capacity(claim.ids.len());
        let mut seen = HashSet::new();
        for ids in claim.ids.chunks(IDS_AT_ONCE) {
            let once: Vec<_> = ids.iter().filter(|id| seen.insert(**id)).map(|id| id.0).collect();
            let (got, known) = self.claim_once(claim, &once).await?;
            let mut got: HashSet<Uuid> = got.into_iter().collect();
            // An id that stands twice is fresh once.
            verdicts.extend(ids.iter().map(|id| match got.remove(&id.0) {
                true => Verdict::Fresh,
                false => verdict(known.iter().find(|row| row.id == id.0), claim),
            }));
        }
        // Not before all have been answered for: what the caller does not hear of is not held.
        self.held.told(&claim.owner, &claim.ids, &verdicts);
        Ok(verdicts)
    }

    /// Claims ids that stand there once; what it got, and what is known of the others.
    async fn claim_once(
        &self,
        claim: &Claim,
        ids: &[Uuid],
    ) -> Result<(Vec<Uuid>, Vec<KnownRow>), StoreError> {
        let (owner, until) = (&claim.owner, claim.now.after(claim.lease));
        let asked: Vec<_> = ids.iter().map(|id| EventId(*id)).collect();
        let digits = self.held.digits(owner, &asked);
        let held: Vec<_> =
            ids.iter().zip(digits.bytes()).filter(|(_, digit)| *digit == b'1').map(|(id, _)| *id).collect();
        let (held, now) = (&held, claim.now);
        let claim = |mut connection: Connection| async move {
            let got = claims::claim(&mut connection, owner, ids, held, now, until).await?;
            let taken: HashSet<_> = got.iter().collect();
            let rest: Vec<_> = ids.iter().filter(|id| !taken.contains(id)).copied().collect();
            let known = if rest.is_empty() {
                Vec::new()
            } else {
                claims::look(&mut connection, owner, &rest, until).await?
            };
            Ok((got, known))
        };
        self.database.query("claiming events", claim).await
    }

    async fn mark_all(&self, owner: &Owner, mut marks: Vec<Mark>) -> Result<Standing, StoreError> {
        // One statement can't write a row twice; the last mark of an id counts.
        marks.reverse();
        marks.sort_by_key(|mark| mark.id.0);
        marks.dedup_by_key(|mark| mark.id);
        for marks in marks.chunks(IDS_AT_ONCE) {
            let (ids, until): (Vec<_>, Vec<_>) = marks.iter().map(|mark| (mark.id.0, mark.expires.0)).unzip();
            let (ids, until) = (&ids, &until);
            let mark = |mut connection: Connection| async move {
                claims::mark_in_force(&mut connection, owner, ids, until).await
            };
            let standing = self.database.query("marking events as done", mark).await?;
            if standing != Standing::InForce {
                return Ok(standing);
            }
            let ids: Vec<_> = marks.iter().map(|mark| mark.id).collect();
            self.held.let_go(owner, &ids);
        }
        Ok(Standing::InForce)
    }

    async fn end_all(&self, owner: &Owner, ids: &[EventId]) -> Result<(), StoreError> {
        for ids in ids.chunks(IDS_AT_ONCE) {
            let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
            let ids = &ids;
            let end =
                |mut connection: Connection| async move { claims::end(&mut connection, owner, ids).await };
            self.database.query("giving up claims", end).await?;
        }
        Ok(())
    }
}

fn verdict(known: Option<&KnownRow>, claim: &Claim) -> Verdict {
    match known {
        Some(row) if row.done => Verdict::Done,
        Some(row) => Verdict::Leased { until: Timestamp(row.until_ms) },
        // It stands twice in this claim, or it was given up right after it was refused: ask again.
        None => Verdict::Leased { until: claim.now.after(claim.lease) },
    }
}

/// Clears away what has ended, every minute, until `ended` is told so.
async fn tidy(inner: Arc<Inner>, mut ended: oneshot::Receiver<()>) -> Result<(), StoreError> {
    let database = Arc::clone(&inner.database);
    drop(inner);
    loop {
        tokio::select! {
            _ = &mut ended => return Ok(()),
            () = tokio::time::sleep(TIDY_EVERY) => {}
        }
        let now = database.now();
        let tidy = |mut connection: Connection| async move {
            claims::tidy(&mut connection, now, TIDY_ROWS.into()).await
        };
        while let Ok(rows) = database.query("clearing the dedup inbox", tidy).await
            && rows >= TIDY_ROWS as usize
        {}
    }
}
