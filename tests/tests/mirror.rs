//! The mirror of settled states on Redis: what it shows, when, and what becomes of it while Redis is down.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_executor::block_on;
use pandaflow::{
    Epoch, Group, Partition, SystemClock, TopicName,
    ports::{
        Assignee, Assignment, Batch, Owner, SettleErrorKind, Settlement, StateChange, StoreError,
        Subscription, SubscriptionRequest, TopicToCreate, Transport,
    },
    settings::Settings,
};
use pandaflow_actors::transport::{
    memory::MemoryTransport,
    redis::{Fields, Mirrored, MirroringTransport, RedisConfig},
};
use pandaflow_tests::Servers;
use redis::Commands;

const REDIS: &str = "PANDAFLOW_TEST_REDIS";
const GROUP: &str = "pandaflow.paper.portfolio";
const PATIENCE: Duration = Duration::from_secs(30);

/// A state is shown as it is, under `cash`; "hidden" isn't, and "broken" can't be.
fn show(key: &[u8], state: &[u8]) -> Result<Option<Fields>, String> {
    match state {
        b"hidden" => Ok(None),
        b"broken" => Err(format!("{key:?} is broken")),
        state => Ok(Some(vec![("cash", String::from_utf8_lossy(state).into_owned())])),
    }
}

fn config(url: &str) -> RedisConfig {
    let settings = Settings::load([("REDIS__URL", url), ("REDIS__TIMEOUT", "1s")], "").expect("a good URL");
    RedisConfig::from(&settings.redis)
}

fn mirroring(memory: &MemoryTransport, url: &str) -> MirroringTransport {
    let mirrored = Mirrored { group: GROUP.into(), prefix: "paper:portfolio:".into(), show };
    MirroringTransport::new(Arc::new(memory.clone()), &config(url), vec![mirrored]).expect("a good URL")
}

fn memory() -> MemoryTransport {
    MemoryTransport::new(Arc::new(SystemClock))
}

fn acquire(transport: &impl Transport) -> Owner {
    let acquired = transport.settlement().acquire(GROUP.into(), Partition(0), Vec::new());
    block_on(acquired).expect("memory has it").owner
}

fn with_states(owner: &Owner, states: &[(&'static str, Option<&'static str>)]) -> Settlement {
    let change = |(key, value): &(&'static str, Option<&'static str>)| {
        StateChange::new(
            Bytes::from_static(key.as_bytes()),
            value.map(|value| Bytes::from_static(value.as_bytes())),
        )
    };
    Settlement { states: states.iter().map(change).collect(), ..Settlement::empty(owner.clone()) }
}

fn settle(transport: &impl Transport, owner: &Owner, states: &[(&'static str, Option<&'static str>)]) {
    block_on(transport.settlement().settle(with_states(owner, states))).expect("it can be settled");
}

/// What Redis shows: each key's cash.
fn shown(url: &str) -> redis::RedisResult<BTreeMap<String, String>> {
    let mut redis = redis::Client::open(url)?.get_connection()?;
    let keys: Vec<String> = redis.smembers("paper:portfolio:#keys")?;
    let cash = |key: String| Ok((key.clone(), redis.hget(format!("paper:portfolio:{key}"), "cash")?));
    keys.into_iter().map(cash).collect()
}

fn until_shown(url: &str, wanted: &[(&str, &str)]) {
    let wanted: BTreeMap<_, _> = wanted.iter().map(|(key, cash)| ((*key).into(), (*cash).into())).collect();
    let begun = Instant::now();
    while shown(url).ok().as_ref() != Some(&wanted) {
        assert!(begun.elapsed() < PATIENCE, "{:?} is shown, not {wanted:?}", shown(url));
        std::thread::yield_now();
    }
}

#[test]
fn what_has_been_settled_is_shown_and_nothing_else() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let (memory, url) = (memory(), servers.address(REDIS));
    let transport = mirroring(&memory, &url);
    let owner = acquire(&transport);
    settle(
        &transport,
        &owner,
        &[("a", Some("1")), ("b", Some("2")), ("c", Some("hidden")), ("d", Some("broken"))],
    );
    settle(&transport, &owner, &[("a", Some("3"))]);
    // A change whose settlement is fenced.
    let newer = acquire(&transport);
    let fenced = block_on(transport.settlement().settle(with_states(&owner, &[("a", Some("4"))])));
    assert_eq!(fenced.expect_err("another has the partition").error.kind, SettleErrorKind::Fenced);
    settle(&transport, &newer, &[("b", None)]);
    block_on(transport.close());
    assert_eq!(shown(&url).expect("Redis is up"), BTreeMap::from([("a".to_owned(), "3".to_owned())]));
}

#[test]
fn while_redis_is_down_events_are_settled_and_afterwards_the_latest_states_are_shown() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let (memory, url) = (memory(), servers.address(REDIS));
    let transport = mirroring(&memory, &url);
    let owner = acquire(&transport);
    settle(&transport, &owner, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]);
    until_shown(&url, &[("a", "1"), ("b", "1"), ("c", "1")]);

    servers.run("kill", "redis");
    settle(&transport, &owner, &[("a", Some("2")), ("c", None)]);
    settle(&transport, &owner, &[("a", Some("3"))]);
    servers.run("start", "redis");
    until_shown(&url, &[("a", "3"), ("b", "1")]);
}

#[test]
fn a_process_that_is_late_covers_up_nothing() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let url = servers.address(REDIS);
    let (late, early) = (memory(), memory());
    let (late, early) = (mirroring(&late, &url), mirroring(&early, &url));
    // Of two processes, the one with the higher epoch has the partition.
    let old = acquire(&early);
    (0..4).for_each(|_| drop(acquire(&late)));
    let new = acquire(&late);
    assert!(new.epoch > old.epoch);
    settle(&late, &new, &[("a", Some("new")), ("b", None)]);
    block_on(late.close());
    settle(&early, &old, &[("a", Some("old")), ("b", Some("old"))]);
    block_on(early.close());
    assert_eq!(shown(&url).expect("Redis is up"), BTreeMap::from([("a".to_owned(), "new".to_owned())]));
}

#[test]
fn what_a_crash_cut_off_is_shown_once_the_partition_is_assigned() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let (memory, url) = (memory(), servers.address(REDIS));
    let owner = acquire(&memory);
    // Settled, and the process gone before it was mirrored.
    settle(&memory, &owner, &[("a", Some("1")), ("b", Some("2"))]);

    let transport = mirroring(&memory, &url);
    let topic = TopicName::new("paper.orders.filled");
    let wanted = TopicToCreate {
        topic: topic.clone(),
        partitions: 1,
        retention: Duration::from_secs(3600),
        table: false,
    };
    block_on(transport.create_topics(vec![wanted])).expect("memory makes it");
    let (assigned, assignments) = mpsc::channel();
    let request = SubscriptionRequest::new(Group::from(GROUP), vec![topic]);
    let subscription: Arc<dyn Subscription> =
        transport.source().subscribe(request, Arc::new(Told(assigned))).expect("the topic is there");
    let epoch = assignments.recv_timeout(PATIENCE).expect("it is the only member");
    assert!(epoch > owner.epoch);
    until_shown(&url, &[("a", "1"), ("b", "2")]);
    block_on(subscription.close());
}

/// Tells of assignments alone.
struct Told(mpsc::Sender<Epoch>);

impl Assignee for Told {
    fn assigned(&self, assignment: Assignment) {
        // Nobody listens at the end of the test.
        let _ = self.0.send(assignment.acquired.owner.epoch);
    }

    fn delivered(&self, _: Batch) {}

    fn revoked(&self, _: Partition, _: Epoch, _: Box<dyn Send>) {}

    fn lost(&self, _: Partition, _: Epoch) {}

    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }
}
