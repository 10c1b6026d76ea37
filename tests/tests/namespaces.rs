//! Two namespaces on one broker and one Redis, in one process and in two: neither's events, state, ids, dead letters or metrics
//! appear in the other's, and a name that leads from one to the other is refused at start.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    convert::Infallible,
    env,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Instant,
};

use bytes::Bytes;
use pandaflow::{
    Context, Event, EventId, Handle, Headers, Namespace, Outgoing, StreamProcessor, Timestamp, TopicName,
    TopicSpec, settings::Settings,
};
use pandaflow_actors::Program;
use pandaflow_tests::{Outside, PATIENCE, Running, get, given};
use serde::{Deserialize, Serialize};

/// Say a child process's part: its namespaces, and the prefix of its names.
const CHILD: &str = "PANDAFLOW_TEST_NAMESPACE_CHILD";
const PREFIX: &str = "PANDAFLOW_TEST_NAMESPACE_PREFIX";
/// The namespaces with how many deals each gets. The ids of the deals are the same in both.
const NAMESPACES: [(&str, u64); 2] = [("paper", 30), ("zerodha", 20)];

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "deal", version = 1, key = "{account}")]
struct Deal {
    account: String,
    number: u64,
}

#[derive(StreamProcessor)]
#[processor(
    name = "books",
    input(topic = "deals.made", event = Deal),
    output(topic = "deals.booked", event = Deal),
    state = u64,
    dedup(ttl = "1h"),
)]
struct Books;

impl Handle<Deal> for Books {
    type Error = Infallible;

    async fn handle(&mut self, deal: Event<Deal>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        *ctx.state_mut() += 1;
        ctx.emit(deal.data);
        Ok(())
    }
}

fn namespace(name: &str) -> Namespace {
    name.parse().unwrap()
}

fn program(namespaces: &[&str]) -> Program {
    let program = ["deals.made", "deals.booked"]
        .into_iter()
        .fold(Program::new(), |program, topic| program.topic(TopicSpec::new(topic).partitions(2)));
    namespaces.iter().fold(program, |program, name| program.namespace(namespace(name))).processor(|| Books)
}

/// The settings, if the servers are there.
fn settings(prefix: &str) -> Option<Settings> {
    let (servers, redis) = (given("PANDAFLOW_TEST_KAFKA")?, given("PANDAFLOW_TEST_REDIS")?);
    let variables = [
        ("KAFKA__BOOTSTRAP_SERVERS", servers.as_str()),
        ("KAFKA__PREFIX", prefix),
        ("REDIS__URL", &redis),
        ("API__BIND", "127.0.0.1:0"),
    ];
    Some(Settings::load(variables, "").unwrap())
}

fn fresh() -> String {
    format!("t{}-", uuid::Uuid::now_v7().simple())
}

fn deals(namespace: &str, count: u64) -> Vec<Outgoing> {
    let topic = TopicName::new(&format!("{namespace}.deals.made"));
    let ts = Timestamp(1_700_000_000_000);
    let deal = |number: u64| {
        let deal = Deal { account: format!("{namespace}-account-{}", number % 7), number };
        Outgoing::root(topic.clone(), EventId::of_source("desk", number, ts), ts, "desk", &deal).unwrap()
    };
    let mut deals: Vec<_> = (0..count).map(deal).collect();
    deals.push(Outgoing {
        topic: topic.clone(),
        timestamp: ts,
        key: Some(Bytes::copy_from_slice(namespace.as_bytes())),
        value: Some(Bytes::from(format!("no deal of {namespace}"))),
        headers: Headers::default(),
    });
    deals
}

/// Publishes each namespace's deals and waits until they are settled; then looks whose lies where.
async fn assert_apart(settings: &Settings, prefix: &str) {
    let outside = Outside::reach(settings).await;
    for (name, count) in NAMESPACES {
        outside.publish(deals(name, count)).await;
    }
    let mut keys = 0;
    for (name, count) in NAMESPACES {
        let group = format!("pandaflow.{name}.books");
        let ledger = outside.settled(&group, count + 1).await;
        assert_eq!(
            (ledger.consumed, ledger.succeeded, ledger.dead_lettered),
            (count + 1, count, 1),
            "{name}"
        );
        let number = usize::try_from(count).unwrap();
        let booked = assert_only(&outside, name, &format!("{prefix}{name}.deals.booked"));
        assert_eq!(booked, number, "{name}");
        assert_eq!(assert_only(&outside, name, &format!("{prefix}{name}.deals.made.dlq")), 1);
        let states = outside.transport().states().scan(group.as_str().into()).await.unwrap();
        assert_eq!(states.len(), 7);
        let own = |(key, _): &(Bytes, Bytes)| key.starts_with(name.as_bytes());
        assert!(states.iter().all(own), "{states:?}");
        assert!(assert_only(&outside, name, &format!("{prefix}{group}.changelog")) >= 7);
        let own = format!("{prefix}pandaflow:2:{{{group}}}#*");
        assert_eq!(told(settings, IDS, &own), number, "ids of {name} on Redis");
        keys += told(settings, KEYS, &own);
    }
    assert_eq!(told(settings, KEYS, &format!("{prefix}*")), keys, "what is theirs, and nothing else");
}

/// Everything in a topic is of this namespace. How many records it has.
fn assert_only(outside: &Outside, namespace: &str, topic: &str) -> usize {
    let records = outside.read(topic);
    for record in &records {
        let all =
            [record.key.clone(), record.value.clone()].into_iter().flatten().collect::<Vec<_>>().concat();
        let text = String::from_utf8_lossy(&all).into_owned();
        assert!(text.contains(namespace), "{topic}: {text}");
        for (other, _) in NAMESPACES.iter().filter(|(other, _)| *other != namespace) {
            assert!(!text.contains(other), "{topic}: {text}");
        }
    }
    records.len()
}

/// Waits until the counters have come to what was settled, and gives the text.
fn metrics(address: SocketAddr, namespaces: &[(&str, u64)]) -> String {
    let begun = Instant::now();
    loop {
        let text = get(address, "/metrics").1;
        let is_there = |(name, count): &(&str, u64)| {
            let of = |line: &&str| {
                line.starts_with("pandaflow_events_total{")
                    && line.contains(&format!("namespace=\"{name}\""))
                    && line.contains("outcome=\"succeeded\"")
            };
            text.lines().find(of).is_some_and(|line| line.ends_with(&format!(" {count}")))
        };
        if namespaces.iter().all(is_there) {
            return text;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
    }
}

#[actix::test]
async fn two_namespaces_in_one_process_share_nothing() {
    let prefix = fresh();
    let Some(settings) = settings(&prefix) else { return };
    let running = Running::start(&settings, || program(&["paper", "zerodha"])).unwrap();
    assert_apart(&settings, &prefix).await;
    metrics(running.http(), &NAMESPACES);
    let health = running.health_becomes("/health/ready", 200).to_string();
    assert!(
        health.contains("processor:paper.books") && health.contains("processor:zerodha.books"),
        "{health}"
    );
    assert!(running.end());
}

/// A process of its own, and where it serves its metrics.
fn child(namespace: &str, prefix: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "runs_as_a_child_until_it_is_killed", "--nocapture"])
        .env(CHILD, namespace)
        .env(PREFIX, prefix)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.filter_map(|line| line.strip_prefix("serves at ").map(str::to_owned)).next();
    (child, address.expect("it serves").parse().unwrap())
}

/// No test by itself: what the next one starts.
#[test]
fn runs_as_a_child_until_it_is_killed() {
    let (Ok(namespace), Ok(prefix)) = (env::var(CHILD), env::var(PREFIX)) else { return };
    let settings = settings(&prefix).unwrap();
    let running = Running::start(&settings, move || program(&[&namespace])).unwrap();
    println!("\nserves at {}", running.http());
    loop {
        std::thread::park();
    }
}

#[actix::test]
async fn two_namespaces_in_two_processes_share_nothing() {
    let prefix = fresh();
    let Some(settings) = settings(&prefix) else { return };
    let children = NAMESPACES.map(|(name, _)| child(name, &prefix));
    assert_apart(&settings, &prefix).await;
    let told = [0, 1].map(|place| metrics(children[place].1, &NAMESPACES[place..=place]));
    for (mut child, _) in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(told[0].contains("paper") && !told[0].contains("zerodha"), "{}", told[0]);
    assert!(told[1].contains("zerodha") && !told[1].contains("paper"), "{}", told[1]);
}

#[actix::test]
async fn a_name_that_leads_into_the_other_namespace_is_refused_at_start() {
    let prefix = fresh();
    let Some(settings) = settings(&prefix) else { return };
    let refusal = |make: fn() -> Program| Running::start(&settings, make).err().expect("it is refused");
    let output =
        refusal(|| program(&["paper"]).topic_called("deals.booked", TopicName::new("zerodha.deals.booked")));
    assert_eq!(
        output,
        "books runs in paper and uses deals.booked under the name zerodha.deals.booked, which is deals.booked of the namespace \
         zerodha: nothing may pass from one namespace to another; let it keep its own name"
    );
    let input =
        refusal(|| program(&["paper"]).topic_called("deals.made", TopicName::new("zerodha.deals.made")));
    assert!(
        input.starts_with("books runs in paper and uses deals.made under the name zerodha.deals.made"),
        "{input}"
    );
    let both =
        refusal(|| program(&["paper", "zerodha"]).topic_called("deals.booked", TopicName::new("bookings")));
    assert!(
        both.starts_with("books emits to deals.booked, which is called bookings in every namespace"),
        "{both}"
    );
    let twice = refusal(|| program(&["paper", "paper"]));
    assert!(twice.starts_with("namespace paper is named twice"), "{twice}");
    let domain = refusal(|| program(&["deals"]).shared_domain("deals"));
    assert!(domain.contains("deals is a namespace and a domain that all namespaces share"), "{domain}");
}

/// How many keys there are that fit a pattern.
const KEYS: &str = "return #redis.call('KEYS', ARGV[1])";
/// How many ids there are under them: a bucket has a field for each, and one that says what it is.
const IDS: &str = "local n = 0 for _, k in ipairs(redis.call('KEYS', ARGV[1])) do if string.match(k, '#ids:') then \
                   n = n + redis.call('HLEN', k) - 1 end end return n";

/// What a script says of a pattern.
fn told(settings: &Settings, script: &str, pattern: &str) -> usize {
    let address =
        settings.redis.url.reveal().trim_start_matches("redis://").trim_end_matches("/0").to_owned();
    let mut stream = TcpStream::connect(address).expect("Redis is up");
    let ask = format!("EVAL \"{script}\" 0 \"{pattern}\"\r\n");
    stream.write_all(ask.as_bytes()).expect("Redis is up");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("Redis answers");
    line.trim_start_matches(':').trim().parse().unwrap_or_else(|_| panic!("{line}"))
}
