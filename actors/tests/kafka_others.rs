//! What others do on a real broker: records that no client of ours writes, commits of other programs, a broker that is away.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

#[path = "kafka_support/shop.rs"]
mod shop;

#[path = "kafka_support/raw_produce.rs"]
mod raw_produce;

use std::time::Duration;

use pandaflow::{
    Partition, TopicName,
    ports::{DeadLetterFilter, StoredDeadLetter, TopicToCreate, Transport},
};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};

use self::shop::{Journal, Member, Shop};
pub(crate) use self::support::{eventually, read_all, transport};

/// A header's name that is not UTF-8 stops nothing, and what can't be decoded becomes a dead letter with its bytes.
#[actix::test]
async fn what_others_write_stops_nothing() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let mut shop = Shop::open(&config).await;
    shop.publish(40).await;
    let topic = format!("{}paper.payments", config.prefix);
    let payment = read_all(&shop.transport, "paper.payments").await.remove(0);
    let value = payment.value.as_deref();
    raw_produce::produce(&broker, &topic, b"odd", Some(b"\xff no JSON"), (b"\xff\xfe", b"v"));
    raw_produce::produce(&broker, &topic, b"null", None, (b"plain", b"v"));
    raw_produce::produce(&broker, &topic, payment.key.as_deref().unwrap(), value, (b"\xc3\x28", b"v"));
    let journal = Journal::default();
    let member = Member::start(&config, &journal);
    let ledger = shop.settled(43).await;
    assert!(member.leave());
    // A tombstone is legal, and nothing that this processor handles.
    let ended = (ledger.consumed, ledger.succeeded, ledger.filtered, ledger.dead_lettered);
    assert_eq!(ended, (43, 41, 1, 1));
    let letters = shop.transport.dead_letters().list(DeadLetterFilter::default()).await.unwrap();
    let bytes = |letter: &StoredDeadLetter| {
        let record = &letter.letter.record;
        (record.key.as_deref().unwrap_or_default().to_vec(), record.value.as_deref().map(<[u8]>::to_vec))
    };
    let found: Vec<_> = letters.iter().map(bytes).collect();
    assert_eq!(found, [(b"odd".to_vec(), Some(b"\xff no JSON".to_vec()))]);
    // Other tools find them by the names that Spring for Apache Kafka gives.
    let original = read_all(&shop.transport, "paper.payments.dlq").await.remove(0);
    assert_eq!(original.value.as_deref(), Some(&b"\xff no JSON"[..]));
    let header = |name| original.headers.last(name).map(|value| value.to_vec());
    assert_eq!(header("kafka_dlt-original-topic"), Some(b"paper.payments".to_vec()));
    assert_eq!(header("kafka_dlt-original-partition"), Some(0_i32.to_be_bytes().to_vec()));
    assert!(header("kafka_dlt-exception-message").is_some_and(|message| !message.is_empty()));
}

/// What other versions and other clients commit beside an offset is passed over; the offset counts.
#[actix::test]
async fn a_note_of_somebody_else_beside_a_commit_is_passed_over() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let mut shop = Shop::open(&config).await;
    shop.publish(400).await;
    let name = format!("{}paper.payments", config.prefix);
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker)
        .set("group.id", format!("{}{}", config.prefix, shop::group()))
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for (partition, note) in ["", "AgEC", "not ours \u{1f980}", "AQECAg"].into_iter().enumerate() {
        let mut place = list.add_partition(&name, i32::try_from(partition).unwrap());
        place.set_offset(rdkafka::Offset::Offset(1)).unwrap();
        place.set_metadata(note);
    }
    client.commit(&list, CommitMode::Sync).unwrap();
    let topic = TopicName::new("paper.payments");
    for partition in 0..4 {
        let store = shop.transport.settlement();
        let acquired = store.acquire(shop::group(), Partition(partition), vec![topic.clone()]).await.unwrap();
        // The last one is one of ours: from 3 to 5.
        let expected = if partition == 3 { "1;1;3-5" } else { "1;1;" };
        assert_eq!(acquired.progress, [(topic.clone(), expected.parse().unwrap())]);
    }
}

#[actix::test]
async fn a_broker_that_is_not_there_is_named_within_the_time_out() {
    let mut config = support::config("127.0.0.1:1");
    config.request_timeout = Duration::from_secs(1);
    let topic = TopicToCreate {
        topic: TopicName::new("paper.payments"),
        partitions: 1,
        retention: Duration::from_secs(1),
        table: false,
    };
    let made = transport(&config).create_topics(vec![topic]);
    let made = tokio::time::timeout(Duration::from_secs(5), made).await.expect("it answers");
    let error = made.expect_err("nobody listens there").to_string();
    assert!(error.contains("bootstrap servers 127.0.0.1:1") && error.contains("refused"), "{error}");
}
