//! A publisher keeps the order of what it was given, and what it says to have published, whatever fails on the way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pandaflow::{
    Group, Headers, Outgoing, SystemClock, Timestamp, TopicName,
    ports::{SettleErrorKind, TopicToCreate, Transport},
};
use pandaflow_actors::{NotPublished, Publisher, transport::memory::MemoryTransport};
use proptest::prelude::*;

fn event(topic: &TopicName, number: u64) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        timestamp: Timestamp(0),
        key: Some(Bytes::from_static(b"one")),
        value: Some(Bytes::from(number.to_string())),
        headers: Headers::default(),
    }
}

async fn open(transport: &MemoryTransport, source: &TopicName) -> Publisher {
    Publisher::open(transport, Group::from("feeder"), vec![source.clone()]).await.unwrap()
}

/// Publishes batches of three. Before some of them settlements begin to fail; `held` says whether those under way wait for
/// each other, so that several come back at once.
async fn publish(failures: &[usize], held: bool) -> (Vec<u64>, u64, u64) {
    let transport = MemoryTransport::new(Arc::new(SystemClock));
    let (topic, source) = (TopicName::new("ticks"), TopicName::new("file"));
    let ticks = TopicToCreate { topic: topic.clone(), partitions: 1, retention: Duration::MAX, table: false };
    transport.create_topics(vec![ticks]).await.unwrap();
    let mut publisher = open(&transport, &source).await;
    let mut next = 0;
    for failing in failures {
        if held {
            transport.faults().hold_settlements();
        }
        transport.faults().fail_settlements(*failing, SettleErrorKind::Retry);
        let batch = (next..next + 3).map(|number| event(&topic, number)).collect();
        next += 3;
        let mut published = tokio::select! {
            biased;
            published = publisher.publish(batch, [(source.clone(), 3)]) => published,
            // It waits for what is held back: what was handed over stays so.
            () = std::future::ready(()) => Ok(()),
        };
        transport.faults().release_settlements();
        while published.as_ref().is_err_and(NotPublished::may_be_tried_again) {
            published = publisher.flush().await;
        }
        published.unwrap();
    }
    while publisher.flush().await.is_err_and(|error| error.may_be_tried_again()) {}
    let records = transport.records(&topic);
    let numbers = records
        .iter()
        .map(|record| std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap());
    (numbers.collect(), publisher.real(), open(&transport, &source).await.published(&source))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_fails_is_published_again_in_its_place_and_once(
        failures in proptest::collection::vec(0_usize..4, 1..12),
        held: bool,
    ) {
        let published = actix::System::new().block_on(publish(&failures, held));
        let all = failures.len() as u64 * 3;
        prop_assert_eq!(published, ((0..all).collect(), all, all));
    }
}
