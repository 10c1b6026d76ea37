//! Handlers that write rows of their own, on Kafka with settlements in PostgreSQL: rows, outputs, state and offsets agree exactly,
//! whatever is killed. Real servers.
#![cfg(all(feature = "kafka", feature = "postgres"))]

#[path = "postgres_handlers/book.rs"]
mod book;
#[path = "postgres_support/mod.rs"]
mod postgres;
#[path = "postgres_handlers/stand.rs"]
mod stand;
#[path = "kafka_support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use pandaflow::{
    EventId, Partition,
    codec::{Decode, EnvelopeFormat},
    ports::Transport,
};
use pandaflow_actors::transport::settlement_database::Acquisition;

use self::{
    book::{Fault, Faults, Receipt},
    postgres::{cut::Way, runtime, server},
    stand::{Member, PARTITIONS, Stand, group},
};

/// Tell the child where it works; without them, its test does nothing.
const CHILD: [&str; 3] = ["PANDAFLOW_CHILD_BROKER", "PANDAFLOW_CHILD_PREFIX", "PANDAFLOW_CHILD_DATABASE"];

fn open() -> Option<Stand> {
    let (broker, server) = (support::broker()?, server()?);
    Some(Stand::open(&broker, &server))
}

/// A member of the group as a process of its own.
#[test]
fn child() {
    let [Ok(broker), Ok(prefix), Ok(url)] = CHILD.map(std::env::var) else { return };
    let config = stand::config(&broker, &prefix);
    let member = Member::start(&config, &url, &Faults::default());
    std::thread::park();
    drop(member);
}

fn start_child(stand: &Stand) -> Child {
    let values = [&stand.broker, &stand.config.prefix, &stand.schema.url()];
    Command::new(std::env::current_exe().expect("it has a path"))
        .args(["--exact", "child", "--nocapture"])
        .envs(CHILD.into_iter().zip(values))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started again")
}

/// All receipts by account, as the next step sees them: the first of each id.
async fn receipts(stand: &Stand) -> BTreeMap<String, Vec<u64>> {
    let mut seen: BTreeSet<EventId> = BTreeSet::new();
    let mut receipts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in support::read_all(&stand.transport, "paper.receipts").await {
        let value = record.value.clone().expect("it has a value");
        let receipt = <EnvelopeFormat as Decode<Receipt>>::decode(&record, &value).expect("it is a receipt");
        if seen.insert(receipt.meta.id) {
            receipts.entry(receipt.account.clone()).or_default().push(receipt.number);
        }
    }
    receipts
}

/// That rows, receipts, state, ledger and offsets tell of each payment once, and of each account's in order.
async fn assert_all_agree(stand: &Stand, payments: u64) {
    stand.published_all().await;
    let rows = stand.rows().await;
    let once: BTreeSet<_> = rows.iter().collect();
    assert_eq!((rows.len() as u64, once.len() as u64), (payments, payments), "rows of the handler");
    let receipts = receipts(stand).await;
    assert_eq!(receipts.values().map(|numbers| numbers.len() as u64).sum::<u64>(), payments, "receipts");
    for (account, numbers) in &receipts {
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{account}: {numbers:?}");
    }
    let counts = stand.counts().await;
    assert_eq!(counts.values().map(|count| count.handled).sum::<u64>(), payments, "state");
    assert!(counts.values().all(|count| count.out_of_order == 0), "{counts:?}");
    let ledger = stand.transport.ledgers(vec![group()]).await.expect("it can be told")[0].1;
    assert_eq!((ledger.consumed, ledger.in_flight()), (payments, Some(0)), "{ledger:?}");
    let lags = stand.transport.lag(vec![group()]).await.expect("it can be told");
    assert_eq!(lags.iter().map(|lag| lag.next.0).sum::<u64>(), payments, "offsets");
}

#[test]
fn rows_outputs_state_and_offsets_agree_however_often_processes_are_killed() {
    let Some(stand) = open() else { return };
    const PAYMENTS: u64 = 1_200;
    runtime().block_on(async {
        stand.publish(PAYMENTS).await;
        let mut other = start_child(&stand);
        for life in 1..=6_u64 {
            let mut child = start_child(&stand);
            // At an instant of the server's choosing, once it got on.
            stand.rows_reach(life * 120).await;
            for process in [&mut child, &mut other] {
                process.kill().expect("it runs");
                process.wait().expect("it ends");
            }
            other = start_child(&stand);
        }
        stand.settled(PAYMENTS).await;
        other.kill().expect("it runs");
        other.wait().expect("it ends");
        assert_all_agree(&stand, PAYMENTS).await;
        assert_eq!(stand.rows_that_saw_too_little().await, 0);
    });
}

#[test]
fn an_attempt_that_fails_leaves_no_row() {
    let Some(stand) = open() else { return };
    const PAYMENTS: u64 = 80;
    let faults = Faults::default();
    faults.plan("account-1", 1, &[Fault::Errs, Fault::Errs]);
    faults.plan("account-2", 1, &[Fault::Panics]);
    faults.plan("account-3", 1, &[Fault::Hangs]);
    faults.plan("account-4", 1, &[const { Fault::Errs }; 9]);
    faults.plan("account-5", 1, &[Fault::BreaksAtTheEnd]);
    faults.plan("account-6", 1, &[Fault::CommitsItself]);
    faults.plan("account-7", 1, &[Fault::SwallowsAnError]);
    faults.plan("account-8", 1, &[Fault::Filters]);
    runtime().block_on(async {
        stand.publish(PAYMENTS).await;
        let member = Member::start(&stand.config, &stand.schema.url(), &faults);
        stand.settled(PAYMENTS).await;
        assert!(member.leave());
        let rows = stand.rows().await;
        let rows_of = |account: &str, number: u64| {
            rows.iter().filter(|(known, known_number)| known == account && *known_number == number).count()
        };
        for account in 0..40 {
            let account = format!("account-{account}");
            let first = match account.as_str() {
                // Given up on, and passed over.
                "account-4" | "account-8" => 0,
                // What a handler commits by itself is its own affair; the attempt after it wrote another.
                "account-6" => 2,
                _ => 1,
            };
            assert_eq!((rows_of(&account, 1), rows_of(&account, 2)), (first, 1), "{account}");
        }
        let letters = stand.transport.dead_letters().list(Default::default()).await.expect("they are listed");
        assert_eq!(letters.len(), 1);
        let ledger = stand.transport.ledgers(vec![group()]).await.expect("it can be told")[0].1;
        assert_eq!((ledger.succeeded, ledger.filtered, ledger.dead_lettered), (78, 1, 1));
        stand.published_all().await;
        let receipts = receipts(&stand).await;
        assert_eq!(receipts.values().map(Vec::len).sum::<usize>(), 78);
    });
}

#[test]
fn an_owner_that_was_replaced_commits_no_row() {
    let Some(stand) = open() else { return };
    let faults = Faults::default();
    faults.plan("account-0", 1, &[Fault::Waits]);
    runtime().block_on(async {
        stand.publish(40).await;
        let member = Member::start(&stand.config, &stand.schema.url(), &faults);
        faults.wait_until_one_waits().await;
        for partition in 0..PARTITIONS {
            let acquisition = Acquisition {
                group: group(),
                partition: Partition(partition),
                topics: Vec::new(),
                at_least: pandaflow::Epoch(0),
            };
            stand.database.acquire(acquisition).await.expect("another becomes the owner");
        }
        let before = stand.rows().await;
        assert!(!before.contains(&("account-0".into(), 1)));
        faults.go_on();
        assert!(member.leave());
        assert_eq!(stand.rows().await, before, "nothing was committed any more");
        let member = Member::start(&stand.config, &stand.schema.url(), &Faults::default());
        stand.settled(40).await;
        assert!(member.leave());
        assert_all_agree(&stand, 40).await;
    });
}

#[test]
fn a_commit_whose_answer_is_lost_is_not_made_twice() {
    let Some(stand) = open() else { return };
    const PAYMENTS: u64 = 200;
    let way = Arc::new(Way::to(&server().expect("there is a server")));
    let url = stand.schema.url_at(&way.address);
    let faults = Faults::default();
    for account in ["account-1", "account-2", "account-3"] {
        let way = Arc::clone(&way);
        faults.plan(account, 3, &[Fault::Does(Arc::new(move || way.cut_next_commit()))]);
    }
    runtime().block_on(async {
        stand.publish(PAYMENTS).await;
        let member = Member::start(&stand.config, &url, &faults);
        stand.settled(PAYMENTS).await;
        assert!(member.leave());
        assert!(way.cuts() > 0);
        assert_all_agree(&stand, PAYMENTS).await;
    });
}

/// The group had settled on the broker before, with its state in the changelog.
#[test]
fn a_group_goes_on_in_the_database_where_it_was_on_the_broker() {
    let Some(stand) = open() else { return };
    runtime().block_on(async {
        stand.publish(100).await;
        let on_broker = stand::config(&stand.broker, &stand.config.prefix);
        let member = Member::start_without(&on_broker);
        let transport = support::transport(&on_broker);
        support::eventually(async || {
            let lags = transport.lag(vec![group()]).await.ok()?;
            (lags.iter().map(|lag| lag.next.0).sum::<u64>() == 100).then_some(())
        })
        .await;
        assert!(member.leave());
        transport.close().await;
        stand.publish(60).await;
        let member = Member::start(&stand.config, &stand.schema.url(), &Faults::default());
        stand.settled(160).await;
        assert!(member.leave());
        let counts = stand.counts().await;
        assert_eq!(counts.values().map(|count| count.handled).sum::<u64>(), 160);
        assert!(counts.values().all(|count| count.out_of_order == 0), "{counts:?}");
        assert_eq!(stand.rows().await.len(), 60, "nothing is handled again");
    });
}

/// Somebody has moved the group's offsets on the broker beyond what is settled.
#[test]
fn offsets_on_the_broker_decide_nothing() {
    let Some(stand) = open() else { return };
    runtime().block_on(async {
        stand.publish(80).await;
        let member = Member::start(&stand.config, &stand.schema.url(), &Faults::default());
        stand.settled(80).await;
        assert!(member.leave());
        stand.publish(80).await;
        // Within the log of every partition, and beyond what is settled.
        stand.commit_on_the_broker(28).await;
        let member = Member::start(&stand.config, &stand.schema.url(), &Faults::default());
        stand.settled(160).await;
        assert!(member.leave());
        assert_all_agree(&stand, 160).await;
    });
}
