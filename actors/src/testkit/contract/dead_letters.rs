//! Dead letters keep what was given up on, byte for byte.

use std::time::Duration;

use bytes::Bytes;
use pandaflow::{
    DeadLetter, ErrorClass, EventId, Failure, FailureKind, Group, Header, Headers, Offset, Origin, Partition,
    Record, ReplayAdvice, Timestamp, TopicName, Tries,
    ports::{DeadLetterFilter, DeadLetterId, Filing, Settlement, StoredDeadLetter},
};

use super::stage::{Stage, effects, within};

/// A dead letter of a processor.
pub(super) fn letter(group: &str, processor: &str) -> DeadLetter {
    let record = Record {
        topic: TopicName::new("paper.in"),
        partition: Partition(0),
        offset: Offset(9),
        timestamp: Timestamp(1_381_152_600_000),
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::from_static(b"not JSON")),
        headers: Headers::default(),
    };
    let origin = Origin {
        group: &Group::from(group),
        processor,
        namespace: &"paper".parse().expect("paper is a namespace"),
        event_id: None,
    };
    let failure = Failure::new(FailureKind::Error, ErrorClass::Business, "Error", "no".into());
    let tries = Tries { attempts: 2, first_failed: Timestamp(10), last_failed: Timestamp(20) };
    DeadLetter::new(&origin, record, failure, tries)
}

/// Files a dead letter as a task does, and settles it if it must go with a settlement.
async fn file(stage: &Stage, letter: DeadLetter) {
    let owner = stage.acquire(letter.group.as_str(), letter.record.partition.0, &[]).await.owner;
    let filed = within(stage.transport().dead_letters().file(letter)).await;
    if let Filing::WithSettlement(letter) = filed.expect("a dead letter can be filed") {
        stage.settle(Settlement { dead_letters: vec![*letter], ..effects(&owner) }).await;
    }
}

async fn list(stage: &Stage, filter: DeadLetterFilter) -> Vec<StoredDeadLetter> {
    within(stage.transport().dead_letters().list(filter)).await.expect("dead letters can be listed")
}

async fn show(stage: &Stage, id: DeadLetterId) -> Option<StoredDeadLetter> {
    within(stage.transport().dead_letters().show(id)).await.expect("a dead letter can be shown")
}

/// Null is not empty, in key, value and header value, and no byte need be UTF-8.
pub async fn a_dead_letter_keeps_the_exact_bytes(stage: Stage) {
    let null_and_empty = [None, Some(Bytes::new()), Some(Bytes::from_static(b"\x00\xff\xc3\x28"))];
    let mut filed = Vec::new();
    for key in &null_and_empty {
        for value in &null_and_empty {
            let header = |value: &Option<Bytes>| Header {
                name: Bytes::from_static(b"\xff\xfename"),
                value: value.clone(),
            };
            let mut letter = letter("g", "p");
            (letter.record.key, letter.record.value) = (key.clone(), value.clone());
            letter.record.headers = Headers::new(null_and_empty.iter().map(header).collect());
            file(&stage, letter.clone()).await;
            filed.push(letter);
        }
    }
    let mut found = list(&stage, DeadLetterFilter::default()).await;
    found.reverse();
    assert_eq!(found.len(), filed.len());
    for (found, filed) in found.iter().zip(filed) {
        assert_eq!(found.letter, filed);
        assert_eq!(show(&stage, found.id).await.as_ref(), Some(found));
    }
}

/// Not only the bytes.
pub async fn a_dead_letter_keeps_every_field(stage: Stage) {
    let filed = DeadLetter {
        event_id: Some(EventId(uuid::Uuid::from_u128(77))),
        class: ErrorClass::RateLimit,
        kind: FailureKind::Timeout,
        error_type: "risk::RiskError<'a>".into(),
        message: "«line 1»\nline 2\0".into(),
        chain: vec!["outer".into(), String::new(), "inner".into()],
        attempts: u32::MAX,
        first_failed: Timestamp(-1),
        last_failed: Timestamp(i64::MAX),
        replay: ReplayAdvice { allowed: true, after: Duration::from_millis(1_800_500), count: 3 },
        ..letter("g", "p")
    };
    file(&stage, filed.clone()).await;
    let found = list(&stage, DeadLetterFilter::default()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].letter, filed);
}

/// The newest first, and no more than the limit.
pub async fn they_are_listed_newest_first_up_to_the_limit(stage: Stage) {
    for number in 0..5 {
        file(&stage, DeadLetter { message: number.to_string(), ..letter("g", "p") }).await;
    }
    let found = list(&stage, DeadLetterFilter { limit: 3, ..DeadLetterFilter::default() }).await;
    let messages: Vec<_> = found.iter().map(|stored| stored.letter.message.as_str()).collect();
    assert_eq!(messages, ["4", "3", "2"]);
    assert!(found.is_sorted_by(|newer, older| newer.id > older.id && newer.stored >= older.stored));
    assert_eq!(list(&stage, DeadLetterFilter { limit: 0, ..DeadLetterFilter::default() }).await, []);
}

/// Each filter narrows the list down.
pub async fn filters_are_combined(stage: Stage) {
    for (processor, namespace, class) in [
        ("risk", "paper", ErrorClass::Poison),
        ("risk", "paper", ErrorClass::Business),
        ("risk", "zerodha", ErrorClass::Poison),
        ("execution", "paper", ErrorClass::Poison),
    ] {
        let namespace = namespace.parse().expect("it is a namespace");
        file(&stage, DeadLetter { namespace, class, ..letter("g", processor) }).await;
    }
    let count = |processor: Option<&str>, namespace: Option<&str>, class| {
        let filter = DeadLetterFilter {
            processor: processor.map(Into::into),
            namespace: namespace.map(Into::into),
            class,
            limit: 100,
        };
        let stage = &stage;
        async move { list(stage, filter).await.len() }
    };
    assert_eq!(count(None, None, None).await, 4);
    assert_eq!(count(Some("risk"), None, None).await, 3);
    assert_eq!(count(None, Some("paper"), None).await, 3);
    assert_eq!(count(None, None, Some(ErrorClass::Poison)).await, 3);
    assert_eq!(count(Some("risk"), Some("paper"), Some(ErrorClass::Poison)).await, 1);
    assert_eq!(count(Some("ris"), None, None).await, 0);
}

/// `None`, and no error.
pub async fn an_unknown_number_shows_nothing(stage: Stage) {
    file(&stage, letter("g", "p")).await;
    for id in [i64::MIN, -1, 4711, i64::MAX] {
        assert_eq!(show(&stage, DeadLetterId(id)).await, None);
    }
}
