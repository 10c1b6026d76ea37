//! The dedup actor by its messages, over a store that does what a test says.

mod fake_store;

use std::sync::Arc;

use actix::Arbiter;
use pandaflow::{
    Epoch, EventId, Partition, Timestamp,
    ports::{Claim, Owner, Verdict},
};
use uuid::Uuid;

use self::fake_store::{Call, FakeStore};
use super::*;
use crate::{
    health::Status,
    metrics::ServiceCount,
    testkit::mock_mailbox::{Gate, MockHealth, MockMetrics},
};

const FRESH: Verdict = Verdict::Fresh;

struct Bench {
    dedup: DedupHandle,
    store: Arc<FakeStore>,
    health: MockHealth,
    metrics: MockMetrics,
}

fn bench(when_down: WhenDown) -> Bench {
    bench_with(DedupConfig { when_down, ..DedupConfig::default() })
}

fn bench_with(config: DedupConfig) -> Bench {
    tokio::time::pause();
    let (health, metrics) = (MockHealth::start(), MockMetrics::start());
    let store = Arc::<FakeStore>::default();
    let dedup =
        DedupActor::start(&Arbiter::current(), config, store.clone(), health.handle(), metrics.handle());
    Bench { dedup, store, health, metrics }
}

impl Bench {
    /// The statuses that were reported.
    async fn statuses(&self, reports: usize) -> Vec<Status> {
        self.health.component.received_at_least(reports).await;
        self.health.component.received().iter().map(|report| report.status).collect()
    }

    fn counts(&self) -> Vec<ServiceCount> {
        self.metrics.count.received().into_iter().map(|count| count.0).collect()
    }
}

fn owner(partition: u32) -> Owner {
    Owner { group: "p.paper.risk".into(), partition: Partition(partition), epoch: Epoch(1) }
}

fn id(n: u128) -> EventId {
    EventId(Uuid::from_u128(n))
}

fn claim(partition: u32, ids: &[u128]) -> Claim {
    let ids = ids.iter().copied().map(id).collect();
    Claim { owner: owner(partition), ids, now: Timestamp(0), lease: Duration::from_secs(30) }
}

#[actix::test]
async fn what_the_store_says_is_passed_on() {
    let bench = bench(WhenDown::Pause);
    assert_eq!(bench.dedup.claim(claim(0, &[1, 2])).await, Ok(vec![FRESH, FRESH]));
    assert_eq!(bench.dedup.done(owner(0), vec![id(1)]).await, Ok(()));
    assert_eq!(bench.dedup.release(owner(0), vec![id(2)]).await, Ok(()));
    assert_eq!(bench.dedup.fence(owner(0).group, owner(0)).await, Ok(()));
    assert_eq!(bench.store.calls(), ["claim 0 [1, 2]", "done 0 [1]", "release 0 [2]", "fence 0"]);
    assert!(bench.health.component.received().is_empty());
}

#[actix::test]
async fn under_pause_an_error_goes_back_and_health_says_so_until_the_store_is_back() {
    let bench = bench(WhenDown::Pause);
    bench.store.next([Call::Fail, Call::Fail]);
    let error = bench.dedup.claim(claim(0, &[1])).await.unwrap_err();
    assert_eq!(error.to_string(), "the dedup store failed: fake: down");
    assert!(bench.dedup.done(owner(0), vec![id(1)]).await.is_err(), "asked at once: the task decides when");
    assert_eq!(bench.dedup.claim(claim(0, &[1])).await, Ok(vec![FRESH]));
    assert_eq!(bench.statuses(2).await, [Status::Failing, Status::Healthy]);
    assert_eq!(bench.counts(), [ServiceCount::DedupStoreFailed, ServiceCount::DedupStoreFailed]);
}

#[actix::test]
async fn a_claim_that_comes_too_late_is_undone_before_the_owners_next_call() {
    let bench = bench(WhenDown::Pause);
    let gate = Gate::shut();
    bench.store.next([Call::After(gate.clone(), vec![FRESH, Verdict::Done])]);
    let limit = Duration::from_secs(5);
    assert_eq!(bench.dedup.claim(claim(0, &[1, 2])).await, Err(DedupError::TimedOut { limit }));
    let again = actix_rt::spawn(bench.dedup.claim(claim(0, &[1, 2])));
    assert_eq!(bench.dedup.claim(claim(1, &[3])).await, Ok(vec![FRESH]), "another owner doesn't wait");
    gate.release();
    assert_eq!(again.await.unwrap(), Ok(vec![FRESH, FRESH]));
    let calls = ["claim 0 [1, 2]", "claim 1 [3]", "release 0 [1]", "claim 0 [1, 2]"];
    assert_eq!(bench.store.calls(), calls, "only what was fresh is given up");
}

#[actix::test]
async fn a_call_that_waited_too_long_for_its_turn_is_never_made() {
    let bench = bench(WhenDown::Pause);
    let gate = Gate::shut();
    bench.store.next([Call::After(gate.clone(), vec![FRESH])]);
    assert!(bench.dedup.claim(claim(0, &[1])).await.is_err());
    assert!(bench.dedup.claim(claim(0, &[2])).await.is_err());
    gate.release();
    assert_eq!(bench.dedup.claim(claim(0, &[3])).await, Ok(vec![FRESH]));
    assert_eq!(bench.store.calls(), ["claim 0 [1]", "release 0 [1]", "claim 0 [3]"]);
}

#[actix::test]
async fn a_call_that_never_ends_is_given_up_on() {
    let bench = bench(WhenDown::Pause);
    bench.store.next([Call::After(Gate::shut(), vec![FRESH])]);
    let began = tokio::time::Instant::now();
    while bench.dedup.claim(claim(0, &[1])).await.is_err() {}
    let abandon_after = DedupConfig::default().abandon_after;
    assert!((abandon_after..abandon_after * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[actix::test]
async fn the_calls_of_one_owner_reach_the_store_in_their_order() {
    let bench = bench(WhenDown::Pause);
    let gate = Gate::shut();
    bench.store.next([Call::AfterDone(gate.clone())]);
    let release = bench.dedup.release(owner(0), vec![id(1)]);
    let claim = bench.dedup.claim(claim(0, &[1]));
    let both = actix_rt::spawn(async { (release.await, claim.await) });
    bench.store.called(1).await;
    assert_eq!(bench.store.calls(), ["release 0 [1]"]);
    gate.release();
    assert_eq!(both.await.unwrap(), (Ok(()), Ok(vec![FRESH])));
    assert_eq!(bench.store.calls(), ["release 0 [1]", "claim 0 [1]"]);
}

#[actix::test]
async fn no_more_calls_than_allowed_are_with_the_store_at_once() {
    let bench = bench_with(DedupConfig { in_progress: 2, ..DedupConfig::default() });
    let gate = Gate::shut();
    bench.store.next((0..3).map(|_| Call::After(gate.clone(), vec![FRESH])));
    let claims: Vec<_> = (0..3).map(|n| actix_rt::spawn(bench.dedup.claim(claim(n, &[1])))).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.store.calls().len(), 2);
    gate.release();
    for claim in claims {
        assert_eq!(claim.await.unwrap(), Ok(vec![FRESH]));
    }
}

#[actix::test]
async fn a_store_that_panics_is_an_error_and_the_actor_lives_on() {
    let bench = bench(WhenDown::Pause);
    bench.store.next([Call::Panic]);
    assert!(matches!(bench.dedup.claim(claim(0, &[1])).await, Err(DedupError::Store(_))));
    assert_eq!(bench.dedup.claim(claim(0, &[1])).await, Ok(vec![FRESH]));
}

#[actix::test]
async fn under_bypass_all_is_fresh_and_counted_and_the_store_is_probed() {
    let bench = bench(WhenDown::Bypass);
    bench.store.next([Call::Fail]);
    assert_eq!(bench.dedup.claim(claim(0, &[1, 2])).await, Ok(vec![FRESH, FRESH]));
    assert_eq!(bench.dedup.claim(claim(0, &[1])).await, Ok(vec![FRESH]));
    assert_eq!(bench.dedup.done(owner(0), vec![id(1)]).await, Ok(()));
    assert_eq!(bench.store.calls().len(), 1, "it is left alone for a second");
    tokio::time::advance(DedupConfig::default().probe_every).await;
    bench.store.next([Call::Say(vec![Verdict::Done])]);
    assert_eq!(bench.dedup.claim(claim(0, &[1])).await, Ok(vec![Verdict::Done]), "it is back");
    assert_eq!(bench.statuses(2).await, [Status::Degraded, Status::Healthy]);
    let stand_in = |ids| ServiceCount::DedupStandIn { policy: "bypass", ids };
    assert_eq!(bench.counts(), [ServiceCount::DedupStoreFailed, stand_in(2), stand_in(1)]);
}

#[actix::test]
async fn under_local_memory_answers_and_tells_the_store_when_it_is_back() {
    let bench = bench(WhenDown::LOCAL);
    bench.store.next([Call::Fail]);
    let leased = Verdict::Leased { until: Timestamp(30_000) };
    assert_eq!(bench.dedup.claim(claim(0, &[1, 1, 2])).await, Ok(vec![FRESH, leased, FRESH]));
    assert_eq!(bench.dedup.done(owner(0), vec![id(1)]).await, Ok(()));
    assert_eq!(bench.dedup.claim(claim(0, &[1])).await, Ok(vec![Verdict::Done]));
    tokio::time::advance(DedupConfig::default().probe_every).await;
    // The store knows nothing of the time it was down.
    let corrected = bench.dedup.claim(claim(0, &[1, 2, 3])).await;
    assert_eq!(corrected, Ok(vec![Verdict::Done, leased, FRESH]));
    bench.store.called(3).await;
    assert_eq!(bench.store.calls(), ["claim 0 [1, 1, 2]", "claim 0 [1, 2, 3]", "done 0 [1]"]);
    assert_eq!(bench.statuses(2).await, [Status::Degraded, Status::Healthy]);
}

#[actix::test]
async fn under_local_an_event_that_is_at_work_when_the_store_goes_down_is_known() {
    let bench = bench(WhenDown::LOCAL);
    assert_eq!(bench.dedup.claim(claim(0, &[1, 2])).await, Ok(vec![FRESH, FRESH]));
    assert_eq!(bench.dedup.release(owner(0), vec![id(2)]).await, Ok(()));
    bench.store.next([Call::Fail]);
    let leased = Verdict::Leased { until: Timestamp(30_000) };
    assert_eq!(bench.dedup.claim(claim(0, &[1, 2])).await, Ok(vec![leased, FRESH]));
    assert_eq!(bench.dedup.done(owner(0), vec![id(1)]).await, Ok(()));
    assert_eq!(bench.dedup.claim(claim(0, &[1])).await, Ok(vec![Verdict::Done]));
}

#[actix::test]
async fn under_local_claims_fail_when_all_that_is_kept_is_being_handled() {
    let bench = bench(WhenDown::Local { capacity: 2 });
    bench.store.next([Call::Fail]);
    let full = Err(DedupError::LocalFull { capacity: 2 });
    assert_eq!(bench.dedup.claim(claim(0, &[1, 2, 3])).await, full);
    assert_eq!(bench.dedup.claim(claim(0, &[1, 2])).await, Ok(vec![FRESH, FRESH]));
}
