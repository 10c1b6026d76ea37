//! A new owner fences the one before: what that one brings is refused as a whole.

use pandaflow::{
    EventId, Partition,
    ports::{SettleErrorKind, Settlement},
};

use super::{
    Notice,
    settlement::{everything, nothing_is_settled},
    stage::{Stage, effects, numbers, progress, values, within},
};

/// Every assignment has a higher epoch than the one before.
pub async fn epochs_rise(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let first = stage.acquire("g", 0, &[&topic]).await.owner.epoch;
    let second = stage.acquire("g", 0, &[&topic]).await.owner.epoch;
    let mut member = stage.subscribe("g", &[&topic]);
    let third = member.assigned_one().await.acquired.owner.epoch;
    member.finish().await;
    let fourth = stage.acquire("g", 0, &[&topic]).await.owner.epoch;
    assert!(first < second && second < third && third < fourth);
}

/// Outputs, state, marks, dead letters, attempts, progress and ledger: none of them.
pub async fn an_earlier_owner_is_refused_and_leaves_nothing_behind(stage: Stage) {
    let topic = stage.topic("paper.out", 1).await;
    let earlier = stage.acquire("g", 0, &[&topic]).await;
    let later = stage.acquire("g", 0, &[&topic]).await;
    let id = EventId(uuid::Uuid::from_u128(1));
    let unsettled = stage.refused(everything(&earlier.owner, &topic, id)).await;
    assert_eq!(unsettled.error.kind, SettleErrorKind::Fenced);
    stage.settle(effects(&later.owner)).await;
    nothing_is_settled(&stage, &later, &topic, id).await;
}

/// An assignment elsewhere fences nobody here.
pub async fn an_owner_is_fenced_per_group_and_partition(stage: Stage) {
    let owner = stage.acquire("g", 0, &[]).await.owner;
    stage.acquire("g", 1, &[]).await;
    stage.acquire("h", 0, &[]).await;
    stage.settle(effects(&owner)).await;
}

/// In a higher epoch, from the last settlement on; the earlier epoch is fenced.
pub async fn a_restarted_partition_starts_over_from_what_was_settled(stage: Stage) {
    let topic = stage.topic("paper.in", 2).await;
    stage.publish((0..6).map(|n| super::keyed(&topic, "k", &n.to_string())).collect()).await;
    let home = pandaflow::partition_of(Some(b"k"), 2);
    let mut member = stage.subscribe("g", &[&topic]);
    let mut tasks = member.assigned(2).await;
    let earlier = tasks.remove(home.0 as usize);
    earlier.request(4);
    assert_eq!(values(&member.records(4).await), numbers(0..4));
    let settled = vec![(topic.clone(), progress("1;2;"))];
    stage.settle(Settlement { progress: settled.clone(), ..earlier.effects() }).await;

    within(member.subscription().restart(home)).await.expect("the partition is assigned");
    let later = member.assigned_one().await;
    assert_eq!(later.partition(), home);
    assert!(later.acquired.owner.epoch > earlier.acquired.owner.epoch);
    assert_eq!(later.acquired.progress, settled);
    assert_eq!(stage.refused(earlier.effects()).await.error.kind, SettleErrorKind::Fenced);
    stage.settle(tasks.remove(0).effects()).await;
    later.request(100);
    assert_eq!(values(&member.records(4).await), numbers(2..6));
}

/// What the earlier owner asks for comes to nobody, and a partition that isn't ours can't be started over.
pub async fn a_restarted_partition_delivers_nothing_to_its_earlier_owner(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let earlier = member.assigned_one().await;
    within(member.subscription().restart(Partition(0))).await.expect("the partition is assigned");
    let later = member.assigned_one().await;
    earlier.request(10);
    stage.publish_values(&topic, 0..3).await;
    later.request(1);
    match member.next().await {
        Notice::Delivered(batch) => {
            assert_eq!(batch.epoch, later.acquired.owner.epoch);
            assert_eq!(values(&batch.records), numbers(0..1));
        }
        other => panic!("{} came", other.name()),
    }
    assert!(within(member.subscription().restart(Partition(7))).await.is_err());
    assert!(member.finish().await.is_empty());
}
