//! The dedup store on Redis when its server crashes, hangs or is not there: real servers, killed and held still.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use pandaflow::{
    Clock, Epoch, EventId, Partition, SystemClock, Timestamp,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
    settings::Settings,
};
use pandaflow_actors::transport::redis::{RedisConfig, RedisDedupStore};
use pandaflow_tests::Servers;

const REDIS: &str = "PANDAFLOW_TEST_REDIS";
/// Longer than any of these tests takes.
const LEASE: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(30);

fn store(url: &str, timeout: &str) -> RedisDedupStore {
    let settings =
        Settings::load([("REDIS__URL", url), ("REDIS__TIMEOUT", timeout)], "").expect("a good URL");
    RedisDedupStore::open(&RedisConfig::from(&settings.redis)).expect("a store can be made")
}

fn owner(partition: u32) -> Owner {
    Owner { group: "pandaflow.paper.risk".into(), partition: Partition(partition), epoch: Epoch(1) }
}

fn ids(numbers: std::ops::Range<u128>) -> Vec<EventId> {
    numbers.map(|number| EventId(uuid::Uuid::from_u128(number))).collect()
}

fn claim(
    store: &RedisDedupStore,
    partition: u32,
    numbers: std::ops::Range<u128>,
) -> Result<Vec<Verdict>, StoreError> {
    let claim = Claim { owner: owner(partition), ids: ids(numbers), now: Timestamp(1_000), lease: LEASE };
    block_on(store.claim(claim))
}

fn mark(store: &RedisDedupStore, partition: u32, numbers: std::ops::Range<u128>) -> Result<(), StoreError> {
    let marks = ids(numbers).into_iter().map(|id| Mark { id, expires: Timestamp(1_000_000) }).collect();
    block_on(store.mark(owner(partition), marks)).map(|standing| assert_eq!(standing, Standing::InForce))
}

/// Claims until it succeeds. Each try that fails takes as long as a connection that is tried twice.
fn claim_at_last(store: &RedisDedupStore, partition: u32, numbers: std::ops::Range<u128>) -> Vec<Verdict> {
    let begun = Instant::now();
    loop {
        match claim(store, partition, numbers.clone()) {
            Ok(verdicts) => return verdicts,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
    }
}

fn is_leased(verdicts: &[Verdict]) -> bool {
    !verdicts.is_empty() && verdicts.iter().all(|verdict| matches!(verdict, Verdict::Leased { .. }))
}

#[test]
fn claims_and_marks_outlive_a_crash_of_redis_and_the_store_comes_back_by_itself() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let store = store(&servers.address(REDIS), "5s");
    assert_eq!(claim(&store, 0, 0..500).expect("Redis is up"), [Verdict::Fresh; 500]);
    mark(&store, 0, 0..250).expect("Redis is up");
    await_written(&servers.address(REDIS));

    servers.run("kill", "redis");
    let error = claim(&store, 1, 0..500).expect_err("Redis is down");
    assert!(error.message.contains("REDIS__URL"), "{error}");

    servers.run("start", "redis");
    let verdicts = claim_at_last(&store, 1, 0..500);
    assert_eq!(verdicts[..250], [Verdict::Done; 250]);
    assert!(is_leased(&verdicts[250..]), "{verdicts:?}");
    block_on(store.release(owner(0), ids(250..500))).expect("Redis is back");
    assert_eq!(claim(&store, 1, 250..500).expect("Redis is back"), [Verdict::Fresh; 250]);
}

#[test]
fn a_redis_that_hangs_costs_no_more_than_the_time_limit_and_a_claim_whose_answer_was_lost_is_its_owners() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let store = store(&servers.address(REDIS), "300ms");
    assert_eq!(claim(&store, 0, 0..2).expect("Redis is up"), [Verdict::Fresh; 2]);

    servers.run("pause", "redis");
    let begun = Instant::now();
    let error = claim(&store, 0, 0..4).expect_err("Redis hangs");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(error.message.contains("REDIS__TIMEOUT"), "{error}");

    // The server reads what was sent meanwhile: the claim is made, and nobody hears of it.
    servers.run("resume", "redis");
    let verdicts = claim_at_last(&store, 0, 0..4);
    assert!(is_leased(&verdicts[..2]), "it is at these still: {verdicts:?}");
    assert_eq!(verdicts[2..], [Verdict::Fresh; 2], "it never heard of these");
    assert!(is_leased(&claim(&store, 1, 0..4).expect("Redis is back")), "for others they are taken");
}

#[test]
fn a_claim_that_nobody_waits_for_any_longer_is_free_for_its_owner() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let store = store(&servers.address(REDIS), "5s");
    assert_eq!(claim(&store, 0, 0..1).expect("Redis is up"), [Verdict::Fresh]);
    let given_up = Claim { owner: owner(0), ids: ids(0..3), now: Timestamp(1_000), lease: LEASE };
    drop(store.claim(given_up));
    // One connection, so that this comes behind it.
    block_on(store.check()).expect("Redis is up");
    let verdicts = claim(&store, 0, 0..3).expect("Redis is up");
    assert!(is_leased(&verdicts[..1]), "it is at this still: {verdicts:?}");
    assert_eq!(verdicts[1..], [Verdict::Fresh; 2]);
}

#[test]
fn a_redis_that_comes_late_is_found_and_one_that_is_not_there_is_told_by_its_setting() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let url = servers.address(REDIS);
    servers.run("stop", "redis");
    let store = store(&url, "5s");
    let error = block_on(store.check()).expect_err("Redis is down");
    assert!(error.message.contains("REDIS__URL") && error.message.contains(&url), "{error}");
    servers.run("start", "redis");
    assert_eq!(claim_at_last(&store, 0, 0..1), [Verdict::Fresh]);
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let url = servers.address(REDIS).replace("redis://", "redis://panda:hunter2@");
    let error = block_on(store(&url, "5s").check()).expect_err("there is no such user");
    assert!(error.message.contains("REDIS__URL") && error.message.contains("redis://***@"), "{error}");
    assert!(!error.message.contains("hunter2"), "{error}");
}

#[test]
fn claims_and_marks_cost_a_script_for_4096_ids_and_a_few_commands_for_a_thousand() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let url = servers.address(REDIS);
    let store = store(&url, "5s");
    // The server learns the scripts.
    claim(&store, 0, 20_000..20_001).expect("Redis is up");
    mark(&store, 0, 30_000..30_001).expect("Redis is up");
    let scripts = scripts_run(&url);
    let cost = |call: &dyn Fn()| {
        let (read, ran, commands) = (reads(&url), scripts_run(&url), commands_run(&url));
        call();
        // What comes in one go is read in pieces; one id at a time would be a read for each.
        let read = reads(&url) - read;
        assert!(read < 100, "{read} reads");
        let commands = commands_run(&url) - commands;
        // Of 4,096 ids; five buckets at most, and what a script asks before it begins.
        assert!(commands < 64, "{commands} commands");
        scripts_run(&url) - ran
    };
    assert_eq!(
        cost(&|| assert_eq!(claim(&store, 0, 0..4096).expect("Redis is up"), [Verdict::Fresh; 4096])),
        1
    );
    assert_eq!(cost(&|| mark(&store, 0, 0..4096).expect("Redis is up")), 1);
    assert_eq!(cost(&|| block_on(store.done(owner(0), ids(0..4096))).expect("Redis is up")), 0);
    assert_eq!(
        cost(&|| assert_eq!(claim(&store, 1, 0..4096).expect("Redis is up"), [Verdict::Done; 4096])),
        1
    );
    assert_eq!(claim(&store, 0, 0..10_000).expect("Redis is up").len(), 10_000);
    assert_eq!(scripts_run(&url) - scripts, 3 + 3, "10,000 are claimed by three");
}

#[test]
fn what_is_over_is_let_go_of_as_a_whole_and_what_is_not_stays() {
    let Some(servers) = Servers::where_given(REDIS) else { return };
    servers.run("start", "redis");
    let url = servers.address(REDIS);
    let store = store(&url, "5s");
    let day = 24 * 3_600_000;
    let now = SystemClock.now().0;
    let marked = |numbers: std::ops::Range<u128>, expires: i64| {
        let marks = ids(numbers).into_iter().map(|id| Mark { id, expires: Timestamp(expires) }).collect();
        assert_eq!(block_on(store.mark(owner(0), marks)).expect("Redis is up"), Standing::InForce);
    };
    marked(0..100, now + 3_600_000);
    marked(100..200, now + 30 * day);
    // Marked again for longer: it lies in one place only.
    marked(50..150, now + 30 * day);
    assert_eq!(fields(&url), [50, 150]);
    // As if an hour, and what is kept beyond it, had passed.
    tell(
        &url,
        "EVAL \"local k = redis.call('KEYS', '*#ids')[1] local b = redis.call('ZRANGE', k, 0, 0)[1] return \
                redis.call('ZADD', k, 1, b)\" 0",
    );
    let asked = Claim { owner: owner(1), ids: ids(0..200), now: Timestamp(now), lease: LEASE };
    let verdicts = block_on(store.claim(asked)).expect("Redis is up");
    assert_eq!(verdicts[..50], [Verdict::Fresh; 50]);
    assert_eq!(verdicts[50..], [Verdict::Done; 150]);
    assert_eq!(fields(&url), [50, 150], "the claims, in a bucket of their own");
}

/// Waits until the server has handed all that it was told to the operating system. It does so before it answers, but where
/// the disk is so slow that the write would wait for it.
fn await_written(url: &str) {
    let begun = Instant::now();
    while !tell(url, "INFO persistence").iter().any(|line| line == "aof_buffer_length:0") {
        assert!(begun.elapsed() < PATIENCE, "Redis doesn't write its log");
    }
}

/// How many ids lie in each bucket, of the one that is over first to the last.
fn fields(url: &str) -> Vec<u64> {
    let lines = tell(
        url,
        "EVAL \"local n = {} for _, b in ipairs(redis.call('ZRANGE', redis.call('KEYS', '*#ids')[1], 0, \
                           -1)) do n[#n + 1] = redis.call('HLEN', b) - 1 end return n\" 0",
    );
    lines.iter().filter_map(|line| line.strip_prefix(':')?.parse().ok()).collect()
}

/// How many commands the server has run, those of scripts with the others, but not those that ask for this.
fn commands_run(url: &str) -> u64 {
    let of = |line: &String| {
        let name = line.strip_prefix("cmdstat_")?.split(':').next()?;
        let is_ours = !["info", "ping"].contains(&name);
        is_ours.then(|| line.split(['=', ',']).nth(1)?.parse::<u64>().ok()).flatten()
    };
    told(url, "commandstats").iter().filter_map(of).sum()
}

/// How many scripts the server has run, by its own count.
fn scripts_run(url: &str) -> u64 {
    let scripts = told(url, "commandstats").into_iter().filter(|line| line.starts_with("cmdstat_eval"));
    scripts.filter_map(|line| line.split(['=', ',']).nth(1)?.parse::<u64>().ok()).sum()
}

/// How often the server has read from its connections, by its own count.
fn reads(url: &str) -> u64 {
    let reads = told(url, "stats")
        .into_iter()
        .find_map(|line| line.strip_prefix("total_reads_processed:")?.parse().ok());
    reads.expect("Redis counts them")
}

/// What the server tells of a section.
fn told(url: &str, section: &str) -> Vec<String> {
    tell(url, &format!("INFO {section}"))
}

/// What the server answers, line by line.
fn tell(url: &str, command: &str) -> Vec<String> {
    let address = url.trim_start_matches("redis://").trim_end_matches("/0");
    let mut stream = TcpStream::connect(address).expect("Redis is up");
    stream.write_all(format!("{command}\r\nPING\r\n").as_bytes()).expect("Redis is up");
    let lines = BufReader::new(stream).lines().map(|line| line.expect("Redis answers"));
    lines.take_while(|line| line != "+PONG").collect()
}
