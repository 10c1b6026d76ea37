//! How often an event has failed is known to its next owner.

use pandaflow::{
    Offset, Timestamp, TopicName,
    ports::{AttemptChange, FailedAttempts, Settlement},
};

use super::stage::{Stage, effects};

fn failed(topic: &TopicName, offset: u64, attempts: u32) -> FailedAttempts {
    FailedAttempts { topic: topic.clone(), offset: Offset(offset), attempts, first_failed: Timestamp(1000) }
}

fn sorted(mut attempts: Vec<FailedAttempts>) -> Vec<FailedAttempts> {
    attempts.sort_by(|one, other| (&one.topic, one.offset).cmp(&(&other.topic, other.offset)));
    attempts
}

/// The last count of each event.
pub async fn failed_attempts_come_back(stage: Stage) {
    let (a, b) = (stage.topic("paper.a", 1).await, stage.topic("paper.b", 1).await);
    let owner = stage.acquire("g", 0, &[&a, &b]).await.owner;
    for counted in [failed(&a, 7, 1), failed(&b, 7, 1), failed(&a, 8, 4), failed(&a, 7, 2)] {
        let attempts = vec![AttemptChange::Failed(counted)];
        stage.settle(Settlement { attempts, ..effects(&owner) }).await;
    }
    let found = sorted(stage.acquire("g", 0, &[&a, &b]).await.attempts);
    assert_eq!(found, [failed(&a, 7, 2), failed(&a, 8, 4), failed(&b, 7, 1)]);
}

/// Ended, and be it in the settlement that counts it.
pub async fn an_ended_event_has_no_attempts(stage: Stage) {
    let topic = stage.topic("paper.a", 1).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    let ended = |offset| AttemptChange::Ended { topic: topic.clone(), offset: Offset(offset) };
    let counted = |offset| AttemptChange::Failed(failed(&topic, offset, 3));
    for attempts in [vec![counted(1), counted(2)], vec![ended(1), counted(3), ended(3), ended(99)]] {
        stage.settle(Settlement { attempts, ..effects(&owner) }).await;
    }
    assert_eq!(stage.acquire("g", 0, &[&topic]).await.attempts, [failed(&topic, 2, 3)]);
}

/// Another partition or group has attempts of its own.
pub async fn attempts_are_kept_per_partition(stage: Stage) {
    let topic = stage.topic("paper.a", 2).await;
    for partition in 0..2 {
        let owner = stage.acquire("g", partition, &[&topic]).await.owner;
        let attempts = vec![AttemptChange::Failed(failed(&topic, u64::from(partition), 1))];
        stage.settle(Settlement { attempts, ..effects(&owner) }).await;
    }
    assert_eq!(stage.acquire("g", 1, &[&topic]).await.attempts, [failed(&topic, 1, 1)]);
    assert_eq!(stage.acquire("h", 0, &[&topic]).await.attempts, []);
}
