//! The dead-letter actor by its messages, over a store that does what a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use actix::Arbiter;
use futures_util::future::{self, BoxFuture};
use pandaflow::{
    Failure, Group, Headers, Namespace, Offset, Origin, Partition, Record, Timestamp, TopicName, Tries,
    ports::{DeadLetterFilter, DeadLetterId, DeadLetterStore, Filing, StoredDeadLetter},
};

use super::*;
use crate::{
    health::Status,
    metrics::ServiceCount,
    testkit::mock_mailbox::{MockDeadLetters, MockHealth, MockMetrics},
};

/// Confirms letters, or does what a test says first.
#[derive(Default)]
struct FakeStore {
    next: Mutex<VecDeque<BoxFuture<'static, Result<Filing, StoreError>>>>,
    filed: Mutex<Vec<DeadLetter>>,
}

impl FakeStore {
    fn next(&self, answer: impl Future<Output = Result<Filing, StoreError>> + Send + 'static) {
        self.next.lock().unwrap().push_back(Box::pin(answer));
    }
}

impl DeadLetterStore for FakeStore {
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>> {
        if let Some(answer) = self.next.lock().unwrap().pop_front() {
            return answer;
        }
        self.filed.lock().unwrap().push(letter);
        Box::pin(future::ready(Ok(Filing::Confirmed)))
    }

    fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>> {
        let filed = self.filed.lock().unwrap();
        let stored = |letter: &DeadLetter| StoredDeadLetter {
            id: DeadLetterId(1),
            stored: Timestamp(0),
            letter: letter.clone(),
        };
        let found: Vec<_> = filed.iter().rev().take(filter.limit).map(stored).collect();
        Box::pin(future::ready(Ok(found)))
    }

    fn show(&self, _id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>> {
        Box::pin(future::ready(Err(down())))
    }
}

fn down() -> StoreError {
    StoreError { store: "fake", message: "down".into() }
}

fn letter() -> DeadLetter {
    let namespace: Namespace = "paper".parse().unwrap();
    let group = Group::new("p", &namespace, "risk");
    let record = Record {
        topic: TopicName::new("paper.signals.raw"),
        partition: Partition(3),
        offset: Offset(12),
        timestamp: Timestamp(1),
        key: Some("k".into()),
        value: Some("{".into()),
        headers: Headers::default(),
    };
    let origin = Origin { group: &group, processor: "risk", namespace: &namespace, event_id: None };
    let tries = Tries { attempts: 5, first_failed: Timestamp(1), last_failed: Timestamp(2) };
    DeadLetter::new(&origin, record, Failure::panicked("boom".into()), tries)
}

fn filed() -> ServiceCount {
    let class = ErrorClass::Transient;
    ServiceCount::DeadLetterFiled { processor: "risk".into(), namespace: "paper".parse().unwrap(), class }
}

struct Bench {
    letters: DeadLetterHandle,
    store: Arc<FakeStore>,
    health: MockHealth,
    metrics: MockMetrics,
}

fn bench() -> Bench {
    tokio::time::pause();
    let (health, metrics) = (MockHealth::start(), MockMetrics::start());
    let store = Arc::<FakeStore>::default();
    let config = DeadLetterConfig::default();
    let arbiter = Arbiter::current();
    let letters = DeadLetterActor::start(&arbiter, config, store.clone(), health.handle(), metrics.handle());
    Bench { letters, store, health, metrics }
}

impl Bench {
    fn counts(&self) -> Vec<ServiceCount> {
        self.metrics.count.received().into_iter().map(|count| count.0).collect()
    }
}

#[actix::test]
async fn a_letter_is_filed_and_counted_and_can_be_read() {
    let bench = bench();
    assert_eq!(bench.letters.file(letter()).await, Ok(Filing::Confirmed));
    let listed = bench.letters.list(DeadLetterFilter::default()).await.unwrap();
    assert_eq!(listed[0].letter, letter());
    assert_eq!(bench.letters.show(DeadLetterId(1)).await, Err(DeadLetterError::Store(down())));
    bench.metrics.count.received_at_least(1).await;
    assert_eq!(bench.counts(), [filed()]);
    assert!(bench.health.component.received().is_empty(), "a letter that can't be shown closes no way");
}

#[actix::test]
async fn a_letter_that_is_not_filed_comes_back_and_health_says_so_until_one_is() {
    let bench = bench();
    bench.store.next(future::ready(Err(down())));
    bench.store.next(future::pending());
    let back = bench.letters.file(letter()).await.unwrap_err();
    assert_eq!(back.letter, letter());
    assert_eq!(
        back.to_string(),
        "the dead letter of paper.signals.raw[3]@12 was not filed: the dead-letter store failed: fake: down"
    );
    let back = bench.letters.file(letter()).await.unwrap_err();
    assert_eq!(back.error, DeadLetterError::TimedOut { limit: Duration::from_secs(10) });
    assert_eq!(bench.letters.file(back.letter).await, Ok(Filing::Confirmed));
    bench.health.component.received_at_least(2).await;
    let statuses: Vec<_> = bench.health.component.received().iter().map(|report| report.status).collect();
    assert_eq!(statuses, [Status::Failing, Status::Healthy]);
    let failed = ServiceCount::DeadLetterStoreFailed;
    assert_eq!(bench.counts(), [failed.clone(), failed, filed()]);
}

#[actix::test]
async fn a_letter_comes_back_from_an_actor_that_has_ended() {
    let mock = MockDeadLetters::start();
    mock.file.expect(|file| file.0.attempts == 5).fail();
    let back = mock.handle().file(letter()).await.unwrap_err();
    assert_eq!(back.letter, letter());
    assert!(matches!(back.error, DeadLetterError::Mailbox(_)));
    mock.verify();
}
