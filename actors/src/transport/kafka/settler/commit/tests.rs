//! The settler on a real broker, with a test in place of the thread that commits. Without a broker they say that they are skipped.

use std::{sync::atomic::AtomicBool, time::Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use pandaflow::{
    EventId, Group, Guarantee, Headers, Offset, Outgoing, Partition, SystemClock, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{Claim, Mark, Owner, SettlementStore, StateChange, Transport, Unsettled, Verdict},
};

use super::*;
use crate::transport::{
    kafka::{
        acquire::Found,
        changelog::Table,
        config::KafkaConfig,
        core::Core,
        desk::{Desk, NotCommitted, Waiting},
        owners::Committer,
        settlement::KafkaSettlement,
        topics::{Keep, Wanted},
    },
    memory::MemoryTransport,
};

struct Stand {
    core: Arc<Core>,
    desk: Arc<Desk>,
    owner: Owner,
    ids: MemoryTransport,
    topic: TopicName,
}

impl Stand {
    async fn open() -> Option<Self> {
        let Some(broker) = std::env::var("PANDAFLOW_TEST_KAFKA").ok().filter(|broker| !broker.is_empty())
        else {
            println!("skipped: PANDAFLOW_TEST_KAFKA is not set; tests/run sets it");
            return None;
        };
        let ids = MemoryTransport::new(Arc::new(SystemClock));
        let mut config = KafkaConfig::new(&broker, ids.dedup());
        config.prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
        let core = Core::new(config).unwrap();
        let topic = TopicName::new("paper.out");
        let keep = Keep::For(std::time::Duration::from_secs(3600));
        let wanted = Wanted { topic: topic.clone(), partitions: 1, keep, max_record: 1 << 20 };
        core.make_topics(vec![wanted]).await.unwrap();
        let desk = Arc::new(Desk::default());
        let found = Found {
            partition: Partition(0),
            partitions: 1,
            progress: Vec::new(),
            ends: Vec::new(),
            ledger: Ledger::default(),
            epoch: pandaflow::Epoch(0),
            table: Table::default(),
            applied: Vec::new(),
            attempts: Vec::new(),
            parked: Vec::new(),
            granted: None,
            rewind: false,
        };
        let committer = Committer::Member(Arc::clone(&desk));
        let acquired = core.owners.begin(&core, &Group::from("g"), found, Guarantee::AtLeastOnce, committer);
        Some(Self { core, desk, owner: acquired.owner, ids, topic })
    }

    /// The settlement of the event at an offset, which has an output and is marked.
    fn settlement(&self, offset: u64) -> Settlement {
        let output = Outgoing {
            topic: self.topic.clone(),
            timestamp: Timestamp(7),
            key: Some(Bytes::from_static(b"k")),
            value: Some(Bytes::from(offset.to_string())),
            headers: Headers::default(),
        };
        let id = EventId(uuid::Uuid::from_u128(u128::from(offset) + 1));
        let state = StateChange {
            applied: vec![(TopicName::new("paper.in"), Offset(offset))],
            ..StateChange::new(Bytes::from_static(b"k"), Some(Bytes::from(offset.to_string())))
        };
        Settlement {
            outputs: vec![output],
            states: vec![state],
            marks: vec![Mark { id, expires: Timestamp(i64::MAX) }],
            progress: vec![(TopicName::new("paper.in"), Progress::at(Offset(offset + 1)))],
            ..Settlement::empty(self.owner.clone())
        }
    }

    fn settle(&self, offset: u64) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        KafkaSettlement(Arc::clone(&self.core)).settle(self.settlement(offset))
    }

    /// The state as it is on the log.
    fn state(&self) -> Option<Bytes> {
        let seat = self.core.owners.seat(&self.owner.group, self.owner.partition).unwrap();
        let table = seat.life.table();
        table.states.get(b"k".as_slice()).and_then(|state| state.value.clone())
    }

    /// What is to be committed next.
    async fn next_commit(&self) -> Vec<Waiting> {
        let desk = Arc::clone(&self.desk);
        let take = move || desk.take(&AtomicBool::new(false), Instant::now(), |_| true);
        tokio::task::spawn_blocking(take).await.unwrap().unwrap()
    }

    /// Waits until so many outputs are on the broker.
    async fn outputs(&self, count: u64) {
        let waits = async {
            while self.ends().await < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waits).await.unwrap();
    }

    /// Waits until the event at an offset is marked, which comes last before its commit.
    async fn marked(&self, offset: u64) {
        let id = EventId(uuid::Uuid::from_u128(u128::from(offset) + 1));
        let (now, lease) = (Timestamp(0), std::time::Duration::ZERO);
        let claim = Claim { owner: self.owner.clone(), ids: vec![id], now, lease };
        let waits = async {
            while self.ids.dedup().claim(claim.clone()).await != Ok(vec![Verdict::Done]) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waits).await.unwrap();
    }

    async fn ends(&self) -> u64 {
        let (core, topic) = (Arc::clone(&self.core), self.topic.clone());
        let ends = self.core.background.ask(move || core.topics.ends(&topic, 0)).await.unwrap();
        crate::transport::kafka::log_span::LogSpan::new(ends).end.0
    }
}

/// The offset in the inputs that a commit stands for.
fn offset_of(commit: &[Waiting]) -> i64 {
    let [waiting] = commit else { panic!("{} requests wait", commit.len()) };
    waiting.request.entries[0].offset
}

fn answer(commit: Vec<Waiting>, answer: Result<(), NotCommitted>) {
    commit.into_iter().for_each(|waiting| waiting.answer(answer.clone()));
}

fn kind(settled: Result<(), Box<Unsettled>>) -> Option<SettleErrorKind> {
    settled.err().map(|unsettled| unsettled.error.kind)
}

#[tokio::test]
async fn outputs_do_not_wait_for_a_commit_and_what_is_written_meanwhile_goes_with_the_next() {
    let Some(stand) = Stand::open().await else { return };
    let first = stand.settle(0);
    let commit = stand.next_commit().await;
    let (second, third) = (stand.settle(1), stand.settle(2));
    stand.outputs(3).await;
    stand.marked(2).await;
    assert_eq!(offset_of(&commit), 1);
    answer(commit, Ok(()));
    assert_eq!(kind(first.await), None);
    let commit = stand.next_commit().await;
    assert_eq!(offset_of(&commit), 3, "one commit for both");
    answer(commit, Ok(()));
    assert_eq!((kind(second.await), kind(third.await)), (None, None));
    stand.core.close().await;
}

/// The offsets of what comes behind would pass the events whose commit has failed.
#[tokio::test]
async fn a_commit_that_fails_brings_back_what_was_written_behind_it_and_no_output_goes_out_twice() {
    let Some(stand) = Stand::open().await else { return };
    let first = stand.settle(0);
    let commit = stand.next_commit().await;
    let second = stand.settle(1);
    stand.marked(1).await;
    // The outputs of the next one are written, and its marks wait.
    stand.ids.faults().dedup().hang();
    let third = stand.settle(2);
    stand.outputs(3).await;
    answer(commit, Err(NotCommitted::Retry("the broker is away".into())));
    let retry = Some(SettleErrorKind::Retry);
    assert_eq!((kind(first.await), kind(second.await)), (retry, retry));
    stand.ids.faults().dedup().release();
    assert_eq!(kind(third.await), retry);
    assert_eq!(kind(stand.settle(1).await), retry, "the first has not been tried again");
    let first = stand.settle(0);
    let commit = stand.next_commit().await;
    assert_eq!(offset_of(&commit), 1, "nothing was to be committed that passes the first");
    answer(commit, Ok(()));
    assert_eq!(kind(first.await), None);
    let again = [stand.settle(1), stand.settle(2), stand.settle(3)];
    let mut committed = 0;
    while committed < 4 {
        let commit = stand.next_commit().await;
        committed = offset_of(&commit);
        answer(commit, Ok(()));
    }
    for settled in again {
        assert_eq!(kind(settled.await), None);
    }
    assert_eq!(stand.ends().await, 4);
    stand.core.close().await;
}

/// It stands beside the later one's event: whoever restores it would take that event for done.
#[tokio::test]
async fn a_settlement_that_is_tried_again_alone_puts_no_older_state_back() {
    let Some(stand) = Stand::open().await else { return };
    let first = stand.settle(0);
    let commit = stand.next_commit().await;
    let second = stand.settle(1);
    let written = async {
        while stand.state() != Some(Bytes::from_static(b"1")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), written).await.unwrap();
    answer(commit, Err(NotCommitted::Retry("the broker is away".into())));
    let retry = Some(SettleErrorKind::Retry);
    assert_eq!((kind(first.await), kind(second.await)), (retry, retry));

    let first = stand.settle(0);
    let commit = stand.next_commit().await;
    assert_eq!((offset_of(&commit), stand.state().as_deref()), (1, Some(b"1".as_slice())));
    answer(commit, Ok(()));
    assert_eq!(kind(first.await), None);
    stand.core.close().await;
}

#[tokio::test]
async fn who_is_fenced_commits_nothing_of_what_it_has_written() {
    let Some(stand) = Stand::open().await else { return };
    let first = stand.settle(0);
    let commit = stand.next_commit().await;
    let second = stand.settle(1);
    stand.outputs(2).await;
    answer(commit, Err(NotCommitted::taken_away()));
    let fenced = Some(SettleErrorKind::Fenced);
    assert_eq!((kind(first.await), kind(second.await)), (fenced, fenced));
    assert_eq!(kind(stand.settle(2).await), fenced);
    assert!(!stand.desk.has_waiting());
    stand.core.close().await;
}
