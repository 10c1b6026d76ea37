//! Marks over a store that is up or down as the test says.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::ready;
use pandaflow::{Epoch, Partition, Timestamp};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
const IN_FORCE: Result<Standing, StoreError> = Ok(Standing::InForce);
const FENCED: Standing = Standing::Fenced { by: Epoch(2) };

/// Remembers what it was told while it is up, in order.
#[derive(Default)]
struct Store {
    down: AtomicBool,
    /// Whether a later owner has fenced the one that marks.
    fenced: AtomicBool,
    told: watch::Sender<Vec<String>>,
}

impl Store {
    fn answer<T: Send + 'static>(
        &self,
        what: String,
        answer: T,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        if self.down.load(Ordering::Acquire) {
            return ready(Err(StoreError { store: "fake", message: "down".into() })).boxed();
        }
        self.told.send_modify(|told| told.push(what));
        ready(Ok(answer)).boxed()
    }

    /// Waits until it has been told so often.
    async fn told(&self, times: usize) -> Vec<String> {
        let mut told = self.told.subscribe();
        let told = tokio::time::timeout(PATIENCE, told.wait_for(|told| told.len() >= times)).await;
        told.expect("it is told in time").expect("this is the sender").clone()
    }
}

impl DedupStore for Store {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        self.answer("claim".into(), vec![Verdict::Fresh; claim.ids.len()])
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let ids: Vec<_> = marks.iter().map(|mark| mark.id.0.as_u128()).collect();
        let fenced = self.fenced.load(Ordering::Acquire);
        let standing = if fenced { FENCED } else { Standing::InForce };
        self.answer(format!("mark {} {ids:?}", owner.partition), standing)
    }

    fn done(&self, _: Owner, _: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.answer("done".into(), ())
    }

    fn release(&self, _: Owner, _: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.answer("release".into(), ())
    }

    fn fence(&self, _: Group, _: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        self.answer("fence".into(), Standing::InForce)
    }
}

fn owner(partition: u32) -> Owner {
    Owner { group: "g".into(), partition: Partition(partition), epoch: Epoch(1) }
}

fn marks(ids: &[u128]) -> Vec<Mark> {
    let mark = |id: &u128| Mark { id: EventId(uuid::Uuid::from_u128(*id)), expires: Timestamp(9) };
    ids.iter().map(mark).collect()
}

fn claim() -> Claim {
    Claim { owner: owner(0), ids: Vec::new(), now: Timestamp(0), lease: PATIENCE }
}

fn over(store: &Arc<Store>) -> DeferredMarks {
    DeferredMarks::over(store.clone(), 10).unwrap()
}

#[tokio::test]
async fn marks_that_the_store_did_not_take_are_handed_over_by_themselves_once_it_is_back() {
    let store = Arc::<Store>::default();
    let deferred = over(&store);
    assert_eq!(deferred.mark(owner(0), marks(&[1])).await, IN_FORCE);
    store.down.store(true, Ordering::Release);
    assert_eq!(deferred.mark(owner(0), marks(&[2, 3])).await, IN_FORCE);
    assert_eq!(deferred.mark(owner(0), marks(&[4])).await, IN_FORCE);
    store.down.store(false, Ordering::Release);
    let told = store.told(2).await.concat();
    assert_eq!(told, "mark 0 [1]mark 0 [2, 3, 4]");
}

#[tokio::test]
async fn a_store_that_is_back_answers_nothing_before_it_has_the_marks() {
    let store = Arc::<Store>::default();
    let deferred = over(&store);
    store.down.store(true, Ordering::Release);
    assert_eq!(deferred.mark(owner(0), marks(&[1])).await, IN_FORCE);
    assert!(deferred.claim(claim()).await.is_err());
    assert!(deferred.done(owner(0), Vec::new()).await.is_err());
    store.down.store(false, Ordering::Release);
    assert_eq!(deferred.claim(claim()).await, Ok(Vec::new()));
    assert_eq!(deferred.fence("g".into(), owner(0)).await, IN_FORCE);
    assert_eq!(store.told(3).await, ["mark 0 [1]", "claim", "fence"]);
    assert_eq!(deferred.mark(owner(0), marks(&[2])).await, IN_FORCE);
    assert_eq!(store.told(4).await[3], "mark 0 [2]", "as before");
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_are_lost() {
    let store = Arc::<Store>::default();
    let deferred = DeferredMarks::over(store.clone(), 2).unwrap();
    store.down.store(true, Ordering::Release);
    assert_eq!(deferred.mark(owner(0), marks(&[1])).await, IN_FORCE);
    assert_eq!(deferred.mark(owner(0), marks(&[2, 3])).await, IN_FORCE);
    store.down.store(false, Ordering::Release);
    assert_eq!(deferred.release(owner(0), Vec::new()).await, Ok(()));
    assert_eq!(store.told(2).await, ["mark 0 [2, 3]", "release"]);
}

/// Or the later owner would take events for done whose effects are not in its state.
#[tokio::test]
async fn marks_of_an_owner_that_was_fenced_meanwhile_are_let_go() {
    let store = Arc::<Store>::default();
    let deferred = over(&store);
    store.down.store(true, Ordering::Release);
    assert_eq!(deferred.mark(owner(0), marks(&[1])).await, IN_FORCE);
    store.fenced.store(true, Ordering::Release);
    store.down.store(false, Ordering::Release);
    assert_eq!(deferred.claim(claim()).await, Ok(Vec::new()));
    assert_eq!(
        deferred.mark(owner(0), marks(&[2])).await,
        Ok(FENCED),
        "and while the store is up, it is told"
    );
    assert_eq!(store.told(3).await, ["mark 0 [1]", "claim", "mark 0 [2]"]);
}
