//! Redis hangs or dies under a program on Kafka that dedups: each policy does what it says, and goes on by itself once Redis is
//! back. The broker is the tests' own, Redis a test's own.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    ops::Range,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use pandaflow::{
    Context, Event, EventId, Handle, Outgoing, StreamProcessor, Timestamp, TopicName, TopicSpec,
    settings::Settings,
};
use pandaflow_actors::Program;
use pandaflow_tests::{Outside, PATIENCE, Running, Servers, given};
use serde::{Deserialize, Serialize};

const KAFKA: &str = "PANDAFLOW_TEST_KAFKA";
const REDIS: &str = "PANDAFLOW_TEST_REDIS";
const GROUP: &str = "pandaflow.paper.till";
/// How long Redis is away.
const OUTAGE: Duration = Duration::from_secs(20);

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "deposit", version = 1, key = "{account}")]
struct Deposit {
    account: String,
    number: u64,
}

#[derive(StreamProcessor)]
#[processor(
    name = "till",
    input(topic = "deposits.made", event = Deposit),
    state = u64,
    dedup(ttl = "24h"),
)]
struct Till(Arc<Journal>);

impl Handle<Deposit> for Till {
    type Error = Infallible;

    async fn handle(&mut self, deposit: Event<Deposit>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        *ctx.state_mut() += 1;
        self.0.write(deposit.number);
        Ok(())
    }
}

/// The deposits that were handled, as they came.
#[derive(Default)]
struct Journal {
    handled: Mutex<Vec<u64>>,
    more: Condvar,
}

impl Journal {
    fn write(&self, number: u64) {
        self.handled.lock().unwrap().push(number);
        self.more.notify_all();
    }

    /// Waits until so many were handled, as long as `time`. How many there are.
    fn reaches(&self, number: usize, time: Duration) -> usize {
        let handled = self.handled.lock().unwrap();
        let too_few = |handled: &mut Vec<u64>| handled.len() < number;
        self.more.wait_timeout_while(handled, time, too_few).unwrap().0.len()
    }

    /// How often each deposit was handled.
    fn times(&self, numbers: Range<u64>) -> Vec<usize> {
        let handled = self.handled.lock().unwrap();
        numbers.map(|number| handled.iter().filter(|one| **one == number).count()).collect()
    }
}

/// A program with its Redis, and who publishes to it.
struct Scene {
    redis: Servers,
    settings: Settings,
    outside: Outside,
    journal: Arc<Journal>,
    published: u64,
}

async fn scene(policy: &str) -> Option<Scene> {
    let (kafka, redis) = (given(KAFKA)?, Servers::where_given(REDIS)?);
    redis.run("start", "redis");
    let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    let url = redis.address(REDIS);
    let settings = Settings::load(
        [
            ("KAFKA__BOOTSTRAP_SERVERS", kafka.as_str()),
            ("KAFKA__PREFIX", &prefix),
            ("REDIS__URL", &url),
            ("REDIS__TIMEOUT", "3s"),
            ("DEDUP__WHEN_STORE_IS_DOWN", policy),
            // An outage that lasts longer than this is no reason to call a process dead.
            ("HEALTH__STALL_AFTER", "5s"),
            ("HEALTH__CHECK_INTERVAL", "3s"),
            ("HEALTH__TIMEOUT", "3s"),
            ("API__BIND", "127.0.0.1:0"),
        ],
        "",
    );
    let settings = settings.unwrap();
    let outside = Outside::reach(&settings).await;
    outside.make("paper.deposits.made", 2).await;
    Some(Scene { redis, settings, outside, journal: Arc::default(), published: 0 })
}

impl Scene {
    fn start(&self) -> Running {
        let journal = Arc::clone(&self.journal);
        let program = move || {
            Program::new()
                .topic(TopicSpec::new("deposits.made").partitions(2))
                .namespace("paper".parse().unwrap())
                .processor(move || Till(Arc::clone(&journal)))
        };
        Running::start(&self.settings, program).unwrap()
    }

    /// Publishes these deposits; one that was published before comes again under the same id.
    async fn publish(&mut self, numbers: Range<u64>) {
        self.published += numbers.end - numbers.start;
        let topic = TopicName::new("paper.deposits.made");
        let deposit = |number: u64| {
            let ts = Timestamp(1_700_000_000_000);
            let deposit = Deposit { account: format!("account-{}", number % 10), number };
            let id = EventId::of_source("bank", number, ts);
            Outgoing::root(topic.clone(), id, ts, "bank", &deposit).unwrap()
        };
        self.outside.publish(numbers.map(deposit).collect()).await;
    }

    /// Waits until all that was published is settled. How many succeeded and how many were duplicates.
    async fn settled(&self) -> (u64, u64) {
        let ledger = self.outside.settled(GROUP, self.published).await;
        (ledger.succeeded, ledger.duplicate)
    }

    /// Publishes deposits that are new, one after the other, until the program finds that Redis is back.
    async fn until_redis_is_found(&mut self, running: &Running) {
        let begun = Instant::now();
        for number in 1_000.. {
            self.publish(number..number + 1).await;
            self.settled().await;
            let report = running.health_becomes("/health/ready", 200);
            if status(&report, "dedup") == "healthy" {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{report}");
        }
    }

    /// The states of the accounts have counted every deposit that was handled, which a rollback or a repeat would change.
    async fn assert_states_agree(&self) {
        let states = self.outside.transport().states().scan(GROUP.into()).await.unwrap();
        let counted: u64 = states
            .iter()
            .map(|(key, state)| pandaflow_actors::decode_state::<u64>(key, 1, state).unwrap())
            .sum();
        assert_eq!(counted, self.journal.handled.lock().unwrap().len() as u64);
    }
}

/// The component's status in a health report.
fn status<'a>(report: &'a serde_json::Value, component: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["component"] == component);
    check.and_then(|check| check["status"].as_str()).unwrap_or("not there")
}

#[actix::test]
async fn under_pause_nothing_is_handled_for_20_s_readiness_says_so_and_it_goes_on_by_itself() {
    let Some(mut scene) = scene("pause").await else { return };
    let running = scene.start();
    scene.publish(0..50).await;
    assert_eq!(scene.settled().await, (50, 0));
    running.health_becomes("/health/ready", 200);

    scene.redis.run("pause", "redis");
    let away = Instant::now();
    scene.publish(25..75).await;
    let report = running.health_becomes("/health/ready", 503);
    assert_eq!(status(&report, "dedup"), "failing", "{report}");
    let left = OUTAGE.saturating_sub(away.elapsed());
    assert_eq!(scene.journal.reaches(51, left), 50, "something was handled without its claim");
    assert_eq!(running.get("/health/live").0, 200, "a store that is down is no reason for a restart");
    assert_eq!(running.get("/health/ready").0, 503);

    scene.redis.run("resume", "redis");
    assert_eq!(scene.journal.reaches(75, PATIENCE), 75);
    assert_eq!(scene.settled().await, (75, 25));
    assert_eq!(scene.journal.times(0..75), [1; 75]);
    running.health_becomes("/health/ready", 200);
    scene.assert_states_agree().await;
    assert!(running.end());
}

#[actix::test]
async fn under_bypass_work_goes_on_for_20_s_with_duplicates_handled_again_until_redis_is_back() {
    let Some(mut scene) = scene("bypass").await else { return };
    let running = scene.start();
    scene.publish(0..50).await;
    assert_eq!(scene.settled().await, (50, 0));

    scene.redis.run("pause", "redis");
    let away = Instant::now();
    scene.publish(25..75).await;
    assert_eq!(scene.settled().await, (100, 0), "25 of them again");
    scene.publish(60..70).await;
    assert_eq!(scene.settled().await, (110, 0));
    let report = running.health_becomes("/health/ready", 200);
    assert_eq!(status(&report, "dedup"), "degraded", "{report}");
    let left = OUTAGE.saturating_sub(away.elapsed());
    assert_eq!(scene.journal.reaches(111, left), 110);

    scene.redis.run("resume", "redis");
    scene.until_redis_is_found(&running).await;
    let (succeeded, duplicate) = scene.settled().await;
    // What was handled before Redis went and what was handled meanwhile is known.
    scene.publish(0..75).await;
    assert_eq!(scene.settled().await, (succeeded, duplicate + 75));
    scene.assert_states_agree().await;
    assert!(running.end());
}

#[actix::test]
async fn under_local_duplicates_of_the_outage_are_known_and_redis_learns_them_when_it_is_back() {
    let Some(mut scene) = scene("local").await else { return };
    let running = scene.start();
    scene.publish(0..50).await;
    assert_eq!(scene.settled().await, (50, 0));

    scene.redis.run("kill", "redis");
    scene.publish(50..75).await;
    assert_eq!(scene.settled().await, (75, 0));
    scene.publish(50..80).await;
    assert_eq!(scene.settled().await, (80, 25), "the duplicates are of this process");
    let report = running.health_becomes("/health/ready", 200);
    assert_eq!(status(&report, "dedup"), "degraded", "{report}");

    scene.redis.run("start", "redis");
    scene.until_redis_is_found(&running).await;
    let (succeeded, duplicate) = scene.settled().await;
    scene.publish(0..80).await;
    assert_eq!(scene.settled().await, (succeeded, duplicate + 80), "before the outage, and in it");
    assert!(running.end());
    // Another process knows it from Redis alone.
    let another = scene.start();
    scene.publish(0..80).await;
    assert_eq!(scene.settled().await, (succeeded, duplicate + 160));
    scene.assert_states_agree().await;
    assert!(another.end());
}

#[actix::test]
async fn under_local_redis_learns_what_was_handled_meanwhile_also_if_nothing_comes_after_it() {
    let Some(mut scene) = scene("local").await else { return };
    let running = scene.start();
    scene.publish(0..10).await;
    assert_eq!(scene.settled().await, (10, 0));
    let known = ids(&scene.redis.address(REDIS));
    scene.redis.run("kill", "redis");
    scene.publish(10..30).await;
    assert_eq!(scene.settled().await, (30, 0));
    scene.redis.run("start", "redis");
    let begun = Instant::now();
    while ids(&scene.redis.address(REDIS)) < known + 20 {
        assert!(begun.elapsed() < PATIENCE, "Redis was not told");
    }
    assert!(running.end());
    let another = scene.start();
    scene.publish(0..30).await;
    assert_eq!(scene.settled().await, (30, 30));
    assert!(another.end());
}

/// How many ids the server has, of all groups: a bucket has a field for each, and one that says what it is.
fn ids(url: &str) -> usize {
    let address = url.trim_start_matches("redis://").trim_end_matches("/0");
    let mut stream = TcpStream::connect(address).expect("Redis is up");
    let count = "EVAL \"local n = 0 for _, k in ipairs(redis.call('KEYS', '*#ids:*')) do n = n + redis.call('HLEN', k) - 1 end \
                 return n\" 0\r\n";
    stream.write_all(count.as_bytes()).expect("Redis is up");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("Redis answers");
    line.trim_start_matches(':').trim().parse().expect("it is a number")
}
