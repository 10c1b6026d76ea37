//! Parking: a key whose next attempt is far off waits beside its partition, in its order, through whatever happens.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use pandaflow::{
    Classify, Context, Event, Handle, Offset, Partition, Record, StreamProcessor, Timestamp, TopicSpec,
    policy::{ledger::Ledger, parking::ParkingLimits, watermark::Progress},
    ports::{ParkChange, ParkedEvent, SettleErrorKind, Settlement, Transport},
};
use pandaflow_actors::{Program, RuntimeConfig, health::Status, testkit::TestKit};
use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize};

use crate::support::*;

/// Fails so often, and asks for so long a wait each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "errand", version = 1, key = "{key}")]
pub struct Errand {
    key: String,
    no: u64,
    fails: u32,
    wait_s: u64,
}

#[derive(Debug, thiserror::Error, Classify)]
#[error("come back later")]
#[class(rate_limit, retry_after = after)]
struct Later {
    after: Duration,
}

/// The attempts that were made: key, number, attempt.
type Made = Arc<Mutex<Vec<(String, u64, u32)>>>;

#[derive(StreamProcessor)]
#[processor(
    name = "errands",
    input(topic = "errands", event = Errand),
    output(topic = "done", event = Done),
    state = Work,
    retry(attempts = 5, backoff = "100ms..10s"),
    dedup(ttl = "24h")
)]
struct Errands(Made);

impl Handle<Errand> for Errands {
    type Error = Later;

    async fn handle(&mut self, errand: Event<Errand>, ctx: &mut Context<Self>) -> Result<(), Later> {
        let Errand { key, no, fails, wait_s } = errand.data;
        self.0.lock().unwrap().push((key.clone(), no, ctx.attempt()));
        let before = ctx.state().done.len();
        ctx.state_mut().done.push(no);
        ctx.emit(Done { key, no, before });
        if ctx.attempt() <= fails { Err(Later { after: Duration::from_secs(wait_s) }) } else { Ok(()) }
    }
}

/// The same without an order, and so without state.
#[derive(StreamProcessor)]
#[processor(name = "loose", input(topic = "errands", event = Errand), order = "none", retry(attempts = 5))]
struct Loose(Made);

impl Handle<Errand> for Loose {
    type Error = Later;

    async fn handle(&mut self, errand: Event<Errand>, ctx: &mut Context<Self>) -> Result<(), Later> {
        let Errand { key, no, fails, wait_s } = errand.data;
        self.0.lock().unwrap().push((key, no, ctx.attempt()));
        if ctx.attempt() <= fails { Err(Later { after: Duration::from_secs(wait_s) }) } else { Ok(()) }
    }
}

/// The same, one partition after the other.
#[derive(StreamProcessor)]
#[processor(name = "strict", input(topic = "errands", event = Errand), order = "partition", retry(attempts = 5))]
struct Strict(Made);

impl Handle<Errand> for Strict {
    type Error = Later;

    async fn handle(&mut self, errand: Event<Errand>, ctx: &mut Context<Self>) -> Result<(), Later> {
        let Errand { key, no, fails, wait_s } = errand.data;
        self.0.lock().unwrap().push((key, no, ctx.attempt()));
        if ctx.attempt() <= fails { Err(Later { after: Duration::from_secs(wait_s) }) } else { Ok(()) }
    }
}

fn errand(key: &str, no: u64, fails: u32, wait_s: u64) -> Errand {
    Errand { key: key.into(), no, fails, wait_s }
}

async fn start_errands(config: RuntimeConfig) -> (TestKit, Made) {
    let made = Made::default();
    let noted = made.clone();
    let one = |topic: &str| TopicSpec::new(topic).partitions(1);
    let program =
        Program::new().processor(move || Errands(noted.clone())).topic(one("errands")).topic(one("done"));
    (TestKit::start_with(program, config, |services| services).await, made)
}

async fn start_strict() -> (TestKit, Made) {
    let made = Made::default();
    let noted = made.clone();
    let program = Program::new().processor(move || Strict(noted.clone()));
    (TestKit::start(program.topic(TopicSpec::new("errands").partitions(1))).await, made)
}

/// How many events of the log may be under way at once in these tests.
const FEW: usize = 8;

fn few() -> RuntimeConfig {
    RuntimeConfig { in_flight_events: FEW, ..RuntimeConfig::default() }
}

fn attempts_at(made: &Made, key: &str) -> Vec<(u64, u32)> {
    let made = made.lock().unwrap();
    made.iter().filter(|(of, ..)| of == key).map(|(_, no, attempt)| (*no, *attempt)).collect()
}

/// More successors than may be in flight: were they held in their lane, the partition would stand.
#[actix::test]
async fn a_key_that_waits_for_long_holds_up_no_other_and_comes_back_in_its_order() {
    let (mut kit, made) = start_errands(few()).await;
    kit.send("errands", errand("bad", 0, 2, 60));
    for no in 1..=100 {
        kit.send("errands", errand("bad", no, 0, 0));
        kit.send("errands", errand(&format!("good-{}", no % 7), no, 0, 0));
    }
    kit.advance(Duration::from_secs(5)).await;
    assert_eq!(kit.events::<Done>("done").len(), 100, "all of the others");
    assert_eq!(attempts_at(&made, "bad"), [(0, 1)]);
    let ledger = kit.ledger::<Errands>();
    assert_eq!((ledger.consumed, ledger.succeeded, ledger.parked), (201, 100, 101));
    assert!(!kit.runtime().is_idle().await.unwrap(), "what is parked is not done");
    assert!(
        kit.runtime().lag().await.unwrap().iter().all(|lag| lag.records() == 0),
        "the partition has gone on"
    );

    kit.advance(Duration::from_secs(60)).await;
    assert_eq!(
        attempts_at(&made, "bad"),
        [(0, 1), (0, 2)],
        "the first is tried again, and none before it has ended"
    );
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "bad"), (0..=100).collect::<Vec<_>>());
    assert_eq!(kit.state::<Errands>("bad").done, (0..=100).collect::<Vec<_>>());
    let expected = Ledger { consumed: 201, succeeded: 201, ..Ledger::default() };
    assert_eq!(kit.ledger::<Errands>(), expected);
    assert!(kit.dead_letters().is_empty());
}

/// It is claimed again by the same owner, which would wait for itself for ever.
#[actix::test]
async fn the_claim_of_a_parked_event_is_given_back_however_often_the_store_fails() {
    let (mut kit, made) = start_errands(few()).await;
    kit.send("errands", errand("bad", 0, 1, 10));
    kit.send("errands", errand("bad", 1, 0, 0));
    kit.advance(Duration::from_secs(5)).await;
    assert_eq!(kit.ledger::<Errands>().parked, 2);
    kit.transport().faults().dedup().fail(5);
    kit.advance(Duration::from_secs(25)).await;
    assert_eq!(attempts_at(&made, "bad"), [(0, 1), (0, 2), (1, 1)]);
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "bad"), [0, 1]);
}

/// The sum of the samples of a metric, without those that have this in their labels.
fn sum(text: &str, metric: &str, but: &str) -> f64 {
    let of_it = |line: &&str| line.starts_with(&format!("{metric}{{")) && !line.contains(but);
    text.lines().filter(of_it).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[actix::test]
async fn metrics_balance_while_something_is_parked_and_once_it_has_ended() {
    let (mut kit, _) = start_errands(few()).await;
    kit.send("errands", errand("bad", 0, 1, 60));
    (1..=5).for_each(|no| _ = kit.send("errands", errand("bad", no, 0, 0)));
    kit.send("errands", errand("good", 0, 0, 0));
    for (seconds, parked_keys, parked_events, ended) in [(5, 1.0, 6.0, 1.0), (60, 0.0, 0.0, 7.0)] {
        kit.advance(Duration::from_secs(seconds)).await;
        let text = kit.runtime().services().metrics.render().await.unwrap();
        let all = |metric| sum(&text, metric, "none");
        assert_eq!(all("pandaflow_parked_keys"), parked_keys);
        assert_eq!(all("pandaflow_parked_events"), parked_events);
        assert_eq!(sum(&text, "pandaflow_events_total", "outcome=\"parked\""), ended);
        assert_eq!(all("pandaflow_events_total") - ended, 6.0, "each was parked once");
        assert_eq!(all("pandaflow_consumed_total"), ended + parked_events + all("pandaflow_in_flight"));
    }
}

#[actix::test]
async fn a_parked_event_that_is_given_up_on_is_a_dead_letter_and_those_behind_it_go_on() {
    let (mut kit, made) = start_errands(few()).await;
    kit.send("errands", errand("bad", 0, 9, 30));
    kit.send("errands", errand("bad", 1, 1, 30));
    kit.send("errands", errand("bad", 2, 0, 0));
    kit.run_until_idle().await;
    let all: Vec<_> = (1..=5).map(|attempt| (0, attempt)).chain([(1, 1), (1, 2), (2, 1)]).collect();
    assert_eq!(attempts_at(&made, "bad"), all);
    let letters = kit.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [5]);
    assert_eq!(done(&kit, "bad"), [1, 2]);
    let expected = Ledger { consumed: 3, succeeded: 2, dead_lettered: 1, ..Ledger::default() };
    assert_eq!(kit.ledger::<Errands>(), expected);
}

#[actix::test]
async fn attempts_and_waits_of_a_parked_event_outlive_restarts_lost_partitions_and_orderly_ones() {
    let (mut kit, made) = start_errands(few()).await;
    kit.send("errands", errand("bad", 0, 3, 100));
    kit.send("errands", errand("bad", 1, 0, 0));
    kit.advance(Duration::from_secs(10)).await;
    kit.restart().await;
    kit.advance(Duration::from_secs(80)).await;
    assert_eq!(attempts_at(&made, "bad"), [(0, 1)], "a restart does not cut its wait short");
    kit.advance(Duration::from_secs(11)).await;
    assert_eq!(attempts_at(&made, "bad"), [(0, 1), (0, 2)], "nor does it begin anew");
    let group = kit.group::<Errands>();
    kit.transport().lose(&group, Partition(0));
    kit.transport().assign_again(&group, Partition(0));
    kit.advance(Duration::from_secs(101)).await;
    kit.transport().revoke(&group, Partition(0));
    kit.advance(Duration::from_secs(1)).await;
    kit.transport().assign_again(&group, Partition(0));
    kit.run_until_idle().await;
    assert_eq!(attempts_at(&made, "bad"), [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1)]);
    assert_eq!(done(&kit, "bad"), [0, 1]);
}

#[actix::test]
async fn at_its_limit_the_partition_pauses_says_so_and_goes_on_by_itself() {
    let parking = ParkingLimits { events: 20, ..ParkingLimits::default() };
    let (mut kit, _) = start_errands(RuntimeConfig { parking, ..few() }).await;
    say_started(&kit).await;
    kit.send("errands", errand("bad", 0, 1, 120));
    for no in 1..=200 {
        kit.send("errands", errand("bad", no, 0, 0));
    }
    kit.send("errands", errand("good", 0, 0, 0));
    kit.advance(Duration::from_secs(10)).await;
    let parked = kit.ledger::<Errands>().parked;
    assert!((20..=20 + FEW as u64).contains(&parked), "{parked} are parked");
    let said = health_of(&kit, "parking").await;
    assert!(matches!(&said[..], [(Status::Failing, why)] if why.contains("of 20 events")), "{said:?}");
    assert!(!health(&kit).await.ready, "a partition stands");
    assert_eq!(done(&kit, "good"), Vec::<u64>::new(), "it lies behind them");
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "bad"), (0..=200).collect::<Vec<_>>());
    assert_eq!(done(&kit, "good"), [0]);
    kit.advance(Duration::from_secs(2)).await;
    assert!(matches!(health_of(&kit, "parking").await[..], [(Status::Healthy, _)]));
}

/// Were it parked, the whole partition would be moved aside.
#[actix::test]
async fn in_an_outage_nothing_is_parked_and_few_events_are_tried() {
    let (mut kit, made) = start_errands(RuntimeConfig::default()).await;
    for no in 0..1_000 {
        kit.send("errands", errand(&format!("k{no}"), no, 2, 30));
    }
    kit.advance(Duration::from_secs(20)).await;
    let tried = made.lock().unwrap().len();
    assert!((20..=150).contains(&tried), "{tried} attempts in an outage");
    let parked = kit.ledger::<Errands>().parked;
    assert!(parked <= 20, "{parked} events were parked before it was known to be an outage");
    kit.run_until_idle().await;
    let expected = Ledger { consumed: 1_000, succeeded: 1_000, ..Ledger::default() };
    assert_eq!(kit.ledger::<Errands>(), expected, "it was over by itself");
}

#[actix::test]
async fn without_an_order_an_event_is_parked_alone() {
    let made = Made::default();
    let noted = made.clone();
    let program = Program::new().processor(move || Loose(noted.clone()));
    let mut kit = TestKit::start(program).await;
    kit.send("errands", errand("k", 0, 1, 60));
    kit.send("errands", errand("k", 1, 0, 0));
    kit.advance(Duration::from_secs(1)).await;
    assert_eq!(attempts_at(&made, "k"), [(0, 1), (1, 1)]);
    kit.run_until_idle().await;
    assert_eq!(attempts_at(&made, "k"), [(0, 1), (1, 1), (0, 2)]);
}

#[actix::test]
async fn where_the_partition_is_the_order_nothing_is_parked() {
    let (mut kit, made) = start_strict().await;
    kit.send("errands", errand("a", 0, 1, 60));
    kit.send("errands", errand("b", 1, 0, 0));
    kit.advance(Duration::from_secs(30)).await;
    assert_eq!((made.lock().unwrap().len(), kit.ledger::<Strict>().parked), (1, 0));
    kit.run_until_idle().await;
    assert_eq!(*made.lock().unwrap(), [("a".into(), 0, 1), ("a".into(), 0, 2), ("b".into(), 1, 1)]);
}

#[actix::test]
async fn an_error_that_asks_to_wait_for_ever_is_waited_for_in_place_and_ends_no_task() {
    let (mut kit, made) = start_strict().await;
    kit.send("errands", errand("a", 0, 1, u64::MAX));
    kit.advance(Duration::from_secs(24 * 3_600)).await;
    assert_eq!(attempts_at(&made, "a"), [(0, 1)]);
    assert!(kit.stop().await);
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(attempts_at(&made, "a"), [(0, 1), (0, 2)]);
}

/// Stores that make parking real before the progress may stop in between: then the log brings once more what is parked.
#[actix::test]
async fn what_is_parked_and_comes_again_from_the_log_keeps_its_order_its_attempts_and_its_count() {
    let (mut kit, made) = start_errands(few()).await;
    kit.stop().await;
    for no in 0..4 {
        kit.send("errands", errand("k", no, 0, 0));
    }
    let records = kit.records("errands");
    // As if 1 had failed once and 2 gone behind it, and the process had died before it settled 0, 1 and 2.
    let parked = |no: usize, due: bool| {
        let attempts = u32::from(due);
        let (first_failed, due) = (due.then_some(Timestamp(0)), due.then_some(Timestamp(0)));
        ParkChange::Parked(Box::new(ParkedEvent {
            place: no as u64,
            record: records[no].clone(),
            attempts,
            first_failed,
            due,
        }))
    };
    let store = kit.transport().settlement();
    let owner =
        store.acquire(kit.group::<Errands>(), Partition(0), vec![kit.topic("errands")]).await.unwrap().owner;
    let parking = vec![parked(1, true), parked(2, false)];
    store.settle(Settlement { parking, ..Settlement::empty(owner) }).await.unwrap();
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(attempts_at(&made, "k"), [(0, 1), (1, 2), (2, 1), (3, 1)]);
    assert_eq!(kit.ledger::<Errands>(), Ledger { consumed: 4, succeeded: 4, ..Ledger::default() });
    let found =
        store.acquire(kit.group::<Errands>(), Partition(0), vec![kit.topic("errands")]).await.unwrap();
    assert_eq!(found.parked, []);
}

/// Of a log that has moved on meanwhile, by retention or compaction, they are taken from where they are parked.
#[actix::test]
async fn what_is_parked_and_does_not_come_again_is_handled_all_the_same() {
    let (mut kit, made) = start_errands(few()).await;
    kit.stop().await;
    for no in 0..3 {
        kit.send("errands", errand("k", no, 0, 0));
    }
    let records = kit.records("errands");
    let gone = Record { offset: Offset(1), ..records[1].clone() };
    let store = kit.transport().settlement();
    let topic = kit.topic("errands");
    let owner = store.acquire(kit.group::<Errands>(), Partition(0), vec![topic.clone()]).await.unwrap().owner;
    let event =
        ParkedEvent { place: 0, record: gone, attempts: 2, first_failed: None, due: Some(Timestamp(0)) };
    let parking = vec![ParkChange::Parked(Box::new(event))];
    // The progress passes it without its having been counted.
    let progress = vec![(topic, Progress::at(Offset(2)))];
    store.settle(Settlement { parking, progress, ..Settlement::empty(owner) }).await.unwrap();
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(attempts_at(&made, "k"), [(1, 3), (2, 1)]);
    assert_eq!(kit.ledger::<Errands>(), Ledger { consumed: 2, succeeded: 2, ..Ledger::default() });
}

/// What happens between two looks at the world.
#[derive(Debug, Clone)]
enum Happening {
    Passes(u64),
    Restart,
    Lost,
    Revoked,
    SettlementsFail(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0_u64..40_000).prop_map(Happening::Passes),
        1 => Just(Happening::Restart),
        1 => Just(Happening::Lost),
        1 => Just(Happening::Revoked),
        1 => (1_usize..4).prop_map(Happening::SettlementsFail),
    ]
}

/// Whatever fails, waits, is parked, restarted or taken away: the events of each key succeed in their order, once, and none is left.
#[test]
fn keys_keep_their_order_through_parking_whatever_happens() {
    let errands = vec((0_usize..4, 0_u32..4, prop_oneof![Just(0_u64), Just(2), 1_u64..90]), 1..40);
    property(150, &(errands, vec(happening(), 0..12), 1_usize..20), async |(errands, happenings, limit)| {
        let parking = ParkingLimits { events: limit, ..ParkingLimits::default() };
        let cached_keys = NonZeroUsize::MIN.saturating_add(1);
        let (mut kit, _) = start_errands(RuntimeConfig { parking, cached_keys, ..few() }).await;
        let group = kit.group::<Errands>();
        let mut sent = vec![Vec::new(); 4];
        let mut to_send = errands.iter().zip(0..).map(|((key, fails, wait_s), no)| {
            sent[*key].push(no);
            errand(&format!("k{key}"), no, *fails, *wait_s)
        });
        for happening in happenings {
            to_send.by_ref().take(5).for_each(|errand| _ = kit.send("errands", errand));
            match happening {
                Happening::Passes(millis) => kit.advance(Duration::from_millis(millis)).await,
                Happening::Restart => kit.restart().await,
                Happening::Lost => {
                    kit.transport().lose(&group, Partition(0));
                    kit.transport().assign_again(&group, Partition(0));
                }
                Happening::Revoked => {
                    kit.transport().revoke(&group, Partition(0));
                    kit.advance(Duration::from_millis(50)).await;
                    kit.transport().assign_again(&group, Partition(0));
                }
                Happening::SettlementsFail(count) => {
                    kit.transport().faults().fail_settlements(count, SettleErrorKind::Retry);
                }
            }
        }
        to_send.for_each(|errand| _ = kit.send("errands", errand));
        kit.run_until_idle().await;
        for (key, expected) in sent.iter().enumerate() {
            let key = format!("k{key}");
            assert_eq!(done(&kit, &key), *expected, "outputs of {key}");
            assert_eq!(kit.state::<Errands>(&key).done, *expected, "state of {key}");
        }
        let all = errands.len() as u64;
        assert_eq!(kit.ledger::<Errands>(), Ledger { consumed: all, succeeded: all, ..Ledger::default() });
    });
}
