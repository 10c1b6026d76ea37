//! Records that a broker doesn't take: too large for their topic, or for a topic that somebody has deleted.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

#[path = "kafka_support/shop.rs"]
mod shop;

#[path = "kafka_support/admin.rs"]
mod admin;

#[path = "kafka_support/gate.rs"]
mod gate;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pandaflow::{
    DeadLetter, ErrorClass, EventId, FailureKind, Group, Outgoing, ReplayAdvice, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{DeadLetterFilter, Mark, SettleErrorKind, Settlement, StateChange, Transport},
};
use pandaflow_actors::{
    testkit::contract::{Stage, Subject, keyed},
    transport::kafka::{KafkaConfig, KafkaTransport},
};

pub(crate) use self::support::{eventually, read_all, transport};
use self::{
    admin::Admin,
    gate::Gate,
    shop::{Journal, Member, Payment, Shop},
};

struct Open(Arc<KafkaTransport>);

impl Subject for Open {
    fn transport(&self) -> Arc<dyn Transport> {
        self.0.clone()
    }
}

fn process(config: &KafkaConfig) -> Stage {
    Stage::of(Open(support::transport(config)))
}

/// Text that no compression makes much smaller.
fn noise(bytes: usize) -> String {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut letter = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        char::from(b'0' + (seed >> 32) as u8 % 64)
    };
    (0..bytes).map(|_| letter()).collect()
}

/// Settles as a task does: again, as long as it may be tried again.
async fn settle(stage: &Stage, mut settlement: Settlement) -> SettleErrorKind {
    loop {
        match stage.settlements().settle(settlement).await {
            Ok(()) => panic!("it must not be settled"),
            Err(unsettled) if unsettled.error.kind == SettleErrorKind::Retry => {
                settlement = unsettled.settlement;
            }
            Err(unsettled) => return unsettled.error.kind,
        }
    }
}

/// It and no other: those that go with it in one batch are not what the broker minds.
#[tokio::test]
async fn an_output_that_its_topic_never_takes_is_refused_and_known_from_then_on() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    Admin::new(&broker, &config.prefix).make("paper.out", 1, &[("max.message.bytes", "2000")]).await;
    let stage = process(&config);
    let topic = TopicName::new("paper.out");
    let owner = stage.acquire("g", 0, &[]).await.owner;
    let small: Vec<Outgoing> = (0..20).map(|_| keyed(&topic, "k", &noise(300))).collect();
    stage.settle(Settlement { outputs: small.clone(), ..Settlement::empty(owner.clone()) }).await;
    let large = keyed(&topic, "k", &noise(5000));
    let mut outputs = small.clone();
    outputs.push(large.clone());
    assert_eq!(stage.settlements().unfit(&owner, &outputs, &[]), None);
    let refused = settle(&stage, Settlement { outputs, ..Settlement::empty(owner.clone()) }).await;
    assert_eq!(refused, SettleErrorKind::Refused);
    assert_eq!(stage.settlements().unfit(&owner, &small, &[]), None);
    assert!(stage.settlements().unfit(&owner, &[large], &[]).is_some());
}

/// The state of a key is a record as well.
#[tokio::test]
async fn a_state_that_the_changelog_never_takes_is_refused() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    Admin::new(&broker, &config.prefix)
        .make("g.changelog", 1, &[("max.message.bytes", "2000"), ("cleanup.policy", "compact")])
        .await;
    let stage = process(&config);
    let owner = stage.acquire("g", 0, &[]).await.owner;
    let state = |bytes| StateChange::new(Bytes::from_static(b"k"), Some(noise(bytes).into()));
    for change in [state(5000), state(17 << 20)] {
        let states = vec![change.clone()];
        let refused = settle(&stage, Settlement { states, ..Settlement::empty(owner.clone()) }).await;
        assert_eq!(refused, SettleErrorKind::Refused);
        assert!(stage.settlements().unfit(&owner, &[], &[change]).is_some());
    }
    stage.settle(Settlement { states: vec![state(500)], ..Settlement::empty(owner) }).await;
}

/// Smaller by what stands in it twice, and by the end of what is told of the error.
#[tokio::test]
async fn a_dead_letter_is_made_as_small_as_its_topic_wants_it() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let stage = process(&config);
    let topic = stage.topic("paper.in", 1).await;
    Admin::new(&broker, &config.prefix).make("paper.in.dlq", 1, &[("max.message.bytes", "6000")]).await;
    stage.publish(vec![keyed(&topic, "k", &noise(2000))]).await;
    let record = stage.read_all(&topic).await.remove(0);
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    let letter = DeadLetter {
        record: record.clone(),
        group: Group::from("g"),
        processor: "p".into(),
        namespace: "paper".parse().unwrap(),
        event_id: None,
        class: ErrorClass::Poison,
        kind: FailureKind::Error,
        error_type: "shop::Error".into(),
        message: noise(9000),
        chain: vec![noise(9000)],
        fingerprint: "f".into(),
        attempts: 1,
        first_failed: Timestamp(1),
        last_failed: Timestamp(1),
        replay: ReplayAdvice { allowed: true, after: Duration::ZERO, count: 0 },
    };
    let mut settlement = Settlement { dead_letters: vec![letter], ..Settlement::empty(owner) };
    for _ in 0..5 {
        match stage.settlements().settle(settlement).await {
            Ok(()) => break,
            Err(unsettled) => settlement = unsettled.settlement,
        }
    }
    let stored = stage.transport().dead_letters().list(DeadLetterFilter::default()).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].letter.record, record);
}

/// It becomes a dead letter, and the events around it are handled, without anybody's help.
#[actix::test]
async fn an_event_whose_output_is_never_taken_is_a_dead_letter() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    Admin::new(&broker, &config.prefix).make("paper.receipts", 4, &[("max.message.bytes", "3000")]).await;
    let mut shop = Shop::open(&config).await;
    shop.publish(40).await;
    let poison = Payment { account: noise(6000), number: 1 };
    let (topic, ts) = (TopicName::new("paper.payments"), Timestamp(1_700_000_000_000));
    let poison = Outgoing::root(topic, EventId::of_source("shop", 1_000_000, ts), ts, "shop", &poison);
    shop.settle(vec![poison.unwrap()]).await;
    shop.publish(40).await;
    let journal = Journal::default();
    let member = Member::start(&config, &journal);
    let ledger = shop.settled(81).await;
    assert!(member.leave());
    assert_eq!(ledger, Ledger { consumed: 81, succeeded: 80, dead_lettered: 1, ..Ledger::default() });
    shop.assert_counted_once().await;
    let letters = shop.transport.dead_letters().list(DeadLetterFilter::default()).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].letter.message.contains("paper.receipts"), "{}", letters[0].letter.message);
}

/// Dead letters and state find a place again, made as before.
#[tokio::test]
async fn topics_of_ours_that_somebody_deletes_are_made_again() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let stage = process(&config);
    let topic = stage.topic("paper.in", 2).await;
    let owner = stage.acquire("g", 1, &[&topic]).await.owner;
    let state = |value: &'static str| {
        vec![StateChange::new(Bytes::from_static(b"k"), Some(Bytes::from_static(value.as_bytes())))]
    };
    stage.settle(Settlement { states: state("one"), ..Settlement::empty(owner.clone()) }).await;
    Admin::new(&broker, &config.prefix).delete("g.changelog").await;
    let mut settlement = Settlement { states: state("two"), ..Settlement::empty(owner) };
    support::eventually(async || {
        let empty = Settlement::empty(settlement.owner.clone());
        let taken = std::mem::replace(&mut settlement, empty);
        match stage.settlements().settle(taken).await {
            Ok(()) => Some(()),
            Err(unsettled) => {
                settlement = unsettled.settlement;
                None
            }
        }
    })
    .await;
    let other = process(&config);
    assert_eq!(other.state("g", 1, "k").await.as_deref(), Some(&b"two"[..]));
}

/// What the state, the marks and the commit need to be tried again for is no reason to write outputs again.
#[tokio::test]
async fn outputs_are_written_once_however_often_the_rest_is_tried() {
    let Some(broker) = support::broker() else { return };
    let mut config = support::config(&broker);
    config.dedup = Arc::new(Gate::failing(config.dedup.clone(), 5));
    let stage = process(&config);
    let topic = stage.topic("paper.out", 1).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    for n in 0..3 {
        let marks = vec![Mark { id: EventId(uuid::Uuid::now_v7()), expires: Timestamp(i64::MAX) }];
        let mut settlement = Settlement {
            outputs: vec![keyed(&topic, "k", &n.to_string())],
            marks,
            progress: vec![(topic.clone(), Progress::at(pandaflow::Offset(n)))],
            ..Settlement::empty(owner.clone())
        };
        while let Err(unsettled) = stage.settlements().settle(settlement).await {
            settlement = unsettled.settlement;
        }
    }
    let found = stage.read_all(&topic).await;
    let values: Vec<&[u8]> = found.iter().filter_map(|record| record.value.as_deref()).collect();
    assert_eq!(values, [b"0", b"1", b"2"]);
}
