//! Records that a broker never takes, in transactions: the event that they come from is given up, the others are not.

use std::{collections::BTreeMap, time::Duration};

use pandaflow::{
    EventId, Outgoing, Timestamp, TopicName,
    policy::ledger::Ledger,
    ports::{DeadLetterFilter, SettleErrorKind, Settlement, Transport},
};
use pandaflow_actors::{
    testkit::contract::{Stage, keyed},
    transport::kafka::{GroupProtocol, KafkaConfig},
};
use rdkafka::Message;

use super::{
    Kafka,
    admin::Admin,
    config, raw_log,
    shop::{Journal, Member, PARTITIONS, Payment, Shop},
    support,
};

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

/// As often as each value lies there, committed.
fn committed(broker: &str, config: &KafkaConfig, topic: &str, partitions: i32) -> BTreeMap<Vec<u8>, usize> {
    let messages = raw_log::read_committed(broker, &format!("{}{topic}", config.prefix), partitions);
    let values = messages.iter().map(|message| message.payload().unwrap_or_default().to_vec());
    values.fold(BTreeMap::new(), |mut found, value| {
        *found.entry(value).or_default() += 1;
        found
    })
}

/// Settles, again as long as it may be tried again.
async fn settle(stage: &Stage, mut settlement: Settlement) -> Result<(), SettleErrorKind> {
    loop {
        match stage.settlements().settle(settlement).await {
            Ok(()) => return Ok(()),
            Err(unsettled) if unsettled.error.kind == SettleErrorKind::Retry => {
                settlement = unsettled.settlement;
            }
            Err(unsettled) => return Err(unsettled.error.kind),
        }
    }
}

/// It becomes a dead letter, and so do the next ones, without anybody's help; whatever else is handled is so once.
#[actix::test]
async fn an_event_whose_output_is_never_taken_is_a_dead_letter_and_the_others_go_on() {
    let Some(broker) = support::broker() else { return };
    // So that events of several partitions are in one transaction.
    let config =
        KafkaConfig { commit_interval: Duration::from_millis(50), ..config(&broker, GroupProtocol::Classic) };
    Admin::new(&broker, &config.prefix)
        .make("paper.receipts", PARTITIONS.cast_signed(), &[("max.message.bytes", "3000")])
        .await;
    let mut shop = Shop::open(&config).await;
    shop.publish(40).await;
    let (topic, ts) = (TopicName::new("paper.payments"), Timestamp(1_700_000_000_000));
    let poison = |place: u64| {
        let payment = Payment { account: noise(6000 + usize::try_from(place).unwrap()), number: 1 };
        let id = EventId::of_source("shop", 1_000_000 + place, ts);
        Outgoing::root(topic.clone(), id, ts, "shop", &payment).unwrap()
    };
    shop.settle((0..5).map(poison).collect()).await;
    shop.publish(40).await;
    let journal = Journal::default();
    let member = Member::start(&config, &journal);
    let ledger = shop.settled(85).await;
    assert!(member.leave());
    assert_eq!(ledger.dead_lettered, 5, "{ledger:?}");
    assert_eq!(ledger, Ledger { consumed: 85, succeeded: 80, dead_lettered: 5, ..Ledger::default() });
    shop.assert_counted_once().await;
    let receipts = committed(&broker, &config, "paper.receipts", PARTITIONS.cast_signed());
    assert_eq!((receipts.len(), receipts.values().max()), (80, Some(&1)));
    let letters = shop.transport.dead_letters().list(DeadLetterFilter::default()).await.unwrap();
    assert_eq!(letters.len(), 5);
    for stored in &letters {
        assert!(stored.letter.message.contains("paper.receipts"), "{}", stored.letter.message);
    }
}

/// All of them at once, and no other: nobody tries as often as there are.
#[tokio::test]
async fn outputs_that_their_topic_never_takes_are_refused_together_and_known_from_then_on() {
    let Some(broker) = support::broker() else { return };
    let subject = Kafka::new(&broker, GroupProtocol::Classic);
    let config = subject.config.clone();
    Admin::new(&broker, &config.prefix).make("paper.out", 1, &[("max.message.bytes", "2000")]).await;
    let stage = Stage::of(subject);
    let topic = TopicName::new("paper.out");
    let owner = stage.acquire("g", 0, &[]).await.owner;
    let small: Vec<Outgoing> = (0..20).map(|n| keyed(&topic, "k", &noise(300 + n))).collect();
    let large: Vec<Outgoing> = (0..3).map(|n| keyed(&topic, "k", &noise(5000 + n))).collect();
    let mut outputs = small.clone();
    large.iter().enumerate().for_each(|(n, large)| outputs.insert(6 * n, large.clone()));
    let all = Settlement { outputs, ..Settlement::empty(owner.clone()) };
    assert_eq!(settle(&stage, all).await, Err(SettleErrorKind::Refused));
    assert_eq!(stage.settlements().unfit(&owner, &small, &[]), None);
    for large in large {
        assert!(stage.settlements().unfit(&owner, &[large], &[]).is_some());
    }
    assert_eq!(committed(&broker, &config, "paper.out", 1), BTreeMap::new());
    let rest = Settlement { outputs: small.clone(), ..Settlement::empty(owner) };
    assert_eq!(settle(&stage, rest).await, Ok(()));
    let found = committed(&broker, &config, "paper.out", 1);
    assert_eq!((found.len(), found.values().max()), (small.len(), Some(&1)));
}

/// A topic's limit is for what comes in one batch, which is none of an event's business.
#[tokio::test]
async fn records_that_their_topic_takes_one_by_one_only_are_settled() {
    let Some(broker) = support::broker() else { return };
    let subject = Kafka::new(&broker, GroupProtocol::Classic);
    let config = subject.config.clone();
    Admin::new(&broker, &config.prefix).make("paper.out", 1, &[("max.message.bytes", "2000")]).await;
    let stage = Stage::of(subject);
    let topic = TopicName::new("paper.out");
    let owner = stage.acquire("g", 0, &[]).await.owner;
    let outputs: Vec<Outgoing> = (0..100).map(|n| keyed(&topic, "k", &noise(700 + n))).collect();
    let all = Settlement { outputs: outputs.clone(), ..Settlement::empty(owner.clone()) };
    assert_eq!(settle(&stage, all).await, Ok(()));
    let found = committed(&broker, &config, "paper.out", 1);
    assert_eq!((found.len(), found.values().max()), (outputs.len(), Some(&1)));
    assert_eq!(stage.settlements().unfit(&owner, &outputs, &[]), None);
}
