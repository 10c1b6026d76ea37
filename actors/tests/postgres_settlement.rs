//! Settling in PostgreSQL, on a real server: all or nothing, by one owner at a time, and each settlement once.
#![cfg(feature = "postgres")]

#[path = "postgres_support/mod.rs"]
mod support;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use diesel::{QueryableByName, sql_query, sql_types::BigInt};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use pandaflow::{
    Epoch, EventId, Group, Headers, Offset, Outgoing, Partition, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{
        AttemptChange, Claim, FailedAttempts, Mark, Owner, SettleErrorKind, Settlement, StateChange,
        StateStore, Verdict,
    },
};
use pandaflow_actors::transport::{
    postgres::{PostgresConfig, PostgresStore},
    settlement_database::{Acquisition, Found, OutboxSession, SettlementDatabase},
};

use self::support::{Schema, connect, cut::Way, runtime, server};

fn run<F: Future<Output = ()>>(check: impl FnOnce(Stage) -> F) {
    if let Some(server) = server() {
        let schema = Schema::make(&server);
        let store = schema.store();
        let stage = Stage { database: store.settlements(), store, schema, server };
        runtime().block_on(check(stage));
    }
}

struct Stage {
    database: Arc<dyn SettlementDatabase>,
    store: PostgresStore,
    schema: Schema,
    server: String,
}

impl Stage {
    async fn acquire(&self, topics: &[&str]) -> Found {
        acquire(&*self.database, topics).await
    }

    async fn connection(&self) -> AsyncPgConnection {
        connect(&self.schema.url()).await
    }

    /// How many rows a table has.
    async fn rows(&self, table: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            rows: i64,
        }
        let count = sql_query(format!("SELECT count(*) AS rows FROM {table}"));
        count.get_result::<Count>(&mut self.connection().await).await.expect("rows can be counted").rows
    }
}

async fn acquire(database: &dyn SettlementDatabase, topics: &[&str]) -> Found {
    let topics = topics.iter().map(|topic| TopicName::new(topic)).collect();
    let (group, partition) = (Group::from("g"), Partition(3));
    let acquisition = Acquisition { group, partition, topics, at_least: Epoch(5) };
    database.acquire(acquisition).await.expect("a partition can be acquired")
}

fn record(value: &str) -> Outgoing {
    Outgoing {
        topic: TopicName::new("paper.out"),
        timestamp: Timestamp(7),
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: [("name", "value")].into_iter().collect::<Headers>(),
    }
}

fn outputs(owner: &Owner, values: &[&str]) -> Settlement {
    Settlement {
        outputs: values.iter().map(|value| record(value)).collect(),
        ..Settlement::empty(owner.clone())
    }
}

fn everything(owner: &Owner, id: EventId) -> Settlement {
    let topic = TopicName::new("paper.in");
    let progress: Progress = "1;7;9-11".parse().expect("it is a progress");
    let failed = |offset| FailedAttempts {
        topic: topic.clone(),
        offset: Offset(offset),
        attempts: 2,
        first_failed: Timestamp(5),
    };
    Settlement {
        outputs: vec![record("first"), record("second")],
        states: vec![
            StateChange::new(Bytes::from(vec![b'x'; 100_000]), Some(Bytes::from_static(b"of a long key"))),
            StateChange::new(Bytes::from_static(b"k"), Some(Bytes::new())),
        ],
        marks: vec![Mark { id, expires: Timestamp(1_000_000) }],
        attempts: vec![AttemptChange::Failed(failed(12))],
        progress: vec![(topic.clone(), progress)],
        ledger: Ledger { consumed: 8, succeeded: 7, dead_lettered: 1, ..Ledger::default() },
        ..Settlement::empty(owner.clone())
    }
}

/// All that waits in the outbox, in order.
async fn waiting(database: &dyn SettlementDatabase) -> Vec<Outgoing> {
    let mut session = database.outbox().open().await.expect("a session can be opened");
    let next = session.next(1_000, usize::MAX).await.expect("it can be read");
    next.into_iter().map(|(_, record)| record).collect()
}

#[test]
fn a_settlement_is_what_the_next_owner_finds() {
    run(async |stage| {
        let found = stage.acquire(&["paper.in", "paper.other"]).await;
        assert!(!found.settled_before);
        let owner = &found.acquired.owner;
        assert_eq!(owner.epoch, Epoch(5));
        let id = EventId(uuid::Uuid::from_u128(1));
        let settled = everything(owner, id);
        stage.database.settle(vec![settled.clone()]).await.expect("it can be settled");

        let next = stage.acquire(&["paper.in", "paper.other"]).await;
        assert!(next.settled_before);
        assert_eq!(next.acquired.owner.epoch, Epoch(6));
        let other = (TopicName::new("paper.other"), Progress::default());
        assert_eq!(next.acquired.progress, [settled.progress[0].clone(), other]);
        assert_eq!(next.acquired.ledger, settled.ledger);
        assert_eq!(next.acquired.attempts.len(), 1);
        assert_eq!(waiting(&*stage.database).await, settled.outputs);
        let states = stage.database.states();
        let keys = vec![settled.states[0].key.clone(), Bytes::from_static(b"none"), Bytes::from_static(b"k")];
        let found = StateStore::load(&*states, Group::from("g"), Partition(3), keys).await;
        let found = found.expect("states can be read");
        assert_eq!(found, [Some(Bytes::from_static(b"of a long key")), None, Some(Bytes::new())]);
        let lease = std::time::Duration::from_secs(1);
        let claim = Claim { owner: next.acquired.owner, ids: vec![id], now: Timestamp(0), lease };
        assert_eq!(stage.store.dedup().claim(claim).await, Ok(vec![Verdict::Done]));
        let told =
            stage.database.settled(vec![Group::from("g"), Group::from("h")]).await.expect("it is told");
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0].progress, told[0].ledger), (&settled.progress, settled.ledger));
    });
}

#[test]
fn settlements_that_are_made_together_are_as_one_after_the_other() {
    run(async |stage| {
        let owner = stage.acquire(&[]).await.acquired.owner;
        let state = |value: Option<&'static str>| {
            StateChange::new(Bytes::from_static(b"k"), value.map(|text| Bytes::from_static(text.as_bytes())))
        };
        let with = |state, values: &[&str]| Settlement { states: vec![state], ..outputs(&owner, values) };
        let settlements = vec![with(state(Some("1")), &["0", "1"]), with(state(Some("2")), &["2"])];
        stage.database.settle(settlements).await.expect("they can be settled");
        let values: Vec<_> = waiting(&*stage.database)
            .await
            .into_iter()
            .map(|record| record.value.expect("it has one"))
            .collect();
        assert_eq!(values, ["0", "1", "2"]);
        let scan = async || stage.database.states().scan(Group::from("g")).await.expect("it can be read");
        assert_eq!(scan().await, [(Bytes::from_static(b"k"), Bytes::from_static(b"2"))]);
        let settlements = vec![with(state(Some("3")), &[]), with(state(None), &[])];
        stage.database.settle(settlements).await.expect("they can be settled");
        assert_eq!(scan().await, []);
    });
}

#[test]
fn an_earlier_owner_leaves_nothing_behind_also_if_the_later_one_was_made_elsewhere() {
    run(async |stage| {
        let earlier = stage.acquire(&["paper.in"]).await.acquired.owner;
        let elsewhere = stage.schema.store().settlements();
        let later = acquire(&*elsewhere, &["paper.in"]).await.acquired.owner;
        let late = everything(&earlier, EventId(uuid::Uuid::from_u128(1)));
        let error = stage.database.settle(vec![late]).await.expect_err("it is fenced");
        assert_eq!(error.kind, SettleErrorKind::Fenced);
        for table in ["pandaflow_outbox", "pandaflow_states", "pandaflow_progress", "dedup_inbox"] {
            assert_eq!(stage.rows(table).await, 0, "{table}");
        }
        elsewhere.settle(vec![outputs(&later, &["1"])]).await.expect("the newest may settle");
    });
}

/// The first of the two that come back is tried again alone, then the second with one that is new.
#[test]
fn settlements_whose_commit_had_no_answer_are_made_once() {
    run(async |stage| {
        let way = Way::to(&stage.server);
        let store = stage.schema.store_by(&PostgresConfig::new(stage.schema.url_at(&way.address)));
        let database = store.settlements();
        let owner = acquire(&*database, &[]).await.acquired.owner;
        let [first, second, third] = ["1", "2", "3"].map(|value| outputs(&owner, &[value]));
        way.cut_next_commit();
        let together = vec![first.clone(), second.clone()];
        let error = database.settle(together).await.expect_err("its answer is lost");
        assert_eq!((error.kind, way.cuts()), (SettleErrorKind::Retry, 1));
        database.settle(vec![first]).await.expect("it is found to be real");
        database.settle(vec![second, third]).await.expect("so is the one behind it");
        let found = waiting(&*stage.database).await;
        let values: Vec<_> = found.into_iter().map(|record| record.value.expect("it has one")).collect();
        assert_eq!(values, ["1", "2", "3"]);
    });
}

/// The session that has the lock of this schema's outbox.
const END_LEADER: &str = "\
    SELECT pg_terminate_backend(pid) FROM pg_locks,
        (SELECT hashtextextended('pandaflow_outbox of ' || current_schema(), 482670535777) AS key) AS ours
    WHERE locktype = 'advisory' AND granted
        AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295";

async fn leads(session: &mut Box<dyn OutboxSession>) -> bool {
    session.leads().await.expect("it can be asked").is_some()
}

#[test]
fn one_publishes_at_a_time_and_another_takes_over_when_its_session_ends() {
    run(async |stage| {
        let owner = stage.acquire(&[]).await.acquired.owner;
        stage.database.settle(vec![outputs(&owner, &["1", "2", "3"])]).await.expect("it can be settled");
        let outbox = stage.database.outbox();
        let mut first = outbox.open().await.expect("a session can be opened");
        let elsewhere = stage.schema.store().settlements().outbox();
        let mut second = elsewhere.open().await.expect("a session can be opened");
        assert_eq!((leads(&mut first).await, leads(&mut second).await), (true, false));
        assert_eq!((leads(&mut first).await, leads(&mut second).await), (true, false));
        let next = first.next(2, usize::MAX).await.expect("it can be read");
        first.published(vec![next[0].0]).await.expect("it can be said");
        let topic = TopicName::new("paper.out");
        assert_eq!(outbox.waiting().await, Ok(vec![(topic, 2)]));

        let mut connection = stage.connection().await;
        connection.batch_execute(END_LEADER).await.expect("a session can be ended");
        while !leads(&mut second).await {}
        assert!(first.published(vec![next[1].0]).await.is_err(), "its session is gone");
        assert!(first.next(1, 1).await.is_err(), "and stays so");
        let rest = second.next(1_000, usize::MAX).await.expect("it can be read");
        assert_eq!(
            rest.iter().map(|(_, record)| record.value.as_deref()).collect::<Vec<_>>(),
            [Some(b"2".as_slice()), Some(b"3".as_slice())]
        );
    });
}

/// A settlement that began first and is committed last.
#[test]
fn nothing_is_passed_over_when_a_lower_number_is_committed_later() {
    run(async |stage| {
        let owner = stage.acquire(&[]).await.acquired.owner;
        let mut slow = stage.connection().await;
        let begin = "BEGIN; INSERT INTO pandaflow_outbox (batch, place, topic, timestamp_ms)
            SELECT nextval('pandaflow_outbox_batches'), 1, 'slow', 0";
        slow.batch_execute(begin).await.expect("it can begin");
        stage.database.settle(vec![outputs(&owner, &["1", "2"])]).await.expect("it can be settled");
        let mut session = stage.database.outbox().open().await.expect("a session can be opened");
        let next = session.next(1_000, usize::MAX).await.expect("it can be read");
        assert_eq!(next.len(), 2);
        slow.batch_execute("COMMIT").await.expect("it can end");
        session.published(next.iter().map(|(id, _)| *id).collect()).await.expect("it can be said");
        let late = session.next(1_000, usize::MAX).await.expect("it can be read");
        assert_eq!(late.iter().map(|(_, record)| record.topic.as_str()).collect::<Vec<_>>(), ["slow"]);
        assert!(late[0].0 < next[0].0);
    });
}

/// One record always comes, however large.
#[test]
fn what_is_published_at_once_is_bounded_in_records_and_bytes() {
    run(async |stage| {
        let owner = stage.acquire(&[]).await.acquired.owner;
        let large = "x".repeat(1_000);
        let values = vec![large.as_str(); 10];
        stage.database.settle(vec![outputs(&owner, &values)]).await.expect("it can be settled");
        let mut session = stage.database.outbox().open().await.expect("a session can be opened");
        for (records, bytes, expected) in [(4, usize::MAX, 4), (100, 3_000, 3), (100, 1, 1)] {
            let next = session.next(records, bytes).await.expect("it can be read");
            assert_eq!(next.len(), expected);
            let ids: BTreeSet<_> = next.iter().map(|(id, _)| *id).collect();
            assert!(ids.into_iter().eq(next.iter().map(|(id, _)| *id)), "they come in order");
        }
    });
}
