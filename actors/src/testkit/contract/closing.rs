//! Leaving a group: every partition is given back, drained, and let go of.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use pandaflow::ports::{SettleErrorKind, Settlement};

use super::{
    Notice,
    stage::{Stage, keyed, numbers, progress, values, within},
};

/// Each partition is revoked once, and closing ends with the last token.
pub async fn closing_gives_every_partition_back_and_waits(stage: Stage) {
    let topic = stage.topic("paper.in", 3).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let tasks = member.assigned(3).await;
    let mut closed = member.subscription().close();
    let mut tokens = BTreeMap::new();
    for _ in 0..3 {
        match member.next().await {
            Notice::Revoked { partition, epoch, released } => {
                assert_eq!(epoch, tasks[partition.0 as usize].acquired.owner.epoch);
                assert!(tokens.insert(partition, released).is_none(), "it is revoked once");
            }
            other => panic!("{} came", other.name()),
        }
    }
    while !tokens.is_empty() {
        assert!((&mut closed).now_or_never().is_none(), "it waits for every token");
        tokens.pop_first();
    }
    within(closed).await;
}

/// Draining is the last chance, and a real one.
pub async fn a_draining_owner_may_settle_until_it_lets_go(stage: Stage) {
    let (topic, out) = (stage.topic("paper.in", 1).await, stage.topic("paper.out", 1).await);
    stage.publish_values(&topic, 0..2).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    task.request(2);
    member.records(2).await;
    let closed = member.subscription().close();
    let Notice::Revoked { released, .. } = member.next().await else { panic!("it should be revoked") };
    let outputs = vec![keyed(&out, "k", "drained")];
    let settled = vec![(topic.clone(), progress("1;2;"))];
    stage.settle(Settlement { outputs, progress: settled.clone(), ..task.effects() }).await;
    drop(released);
    within(closed).await;
    let unsettled = stage.refused(task.effects()).await;
    assert_eq!(unsettled.error.kind, SettleErrorKind::Fenced);
    assert_eq!(stage.acquire("g", 0, &[&topic]).await.progress, settled);
    assert_eq!(values(&stage.read(&out, 1).await), ["drained"]);
}

/// Neither what was asked for before nor what is asked for then.
pub async fn nothing_is_delivered_after_closing(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    task.request(10);
    let closed = member.subscription().close();
    let revoked = member.next().await;
    stage.publish_values(&topic, 0..3).await;
    task.request(10);
    drop(revoked);
    within(closed).await;
    assert!(within(member.subscription().close()).now_or_never().is_some(), "it is closed already");
    assert!(member.finish().await.is_empty());
}

/// A member that joins after one has left goes on where that one settled.
pub async fn the_next_subscription_goes_on(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..6).await;
    let mut first = stage.subscribe("g", &[&topic]);
    let task = first.assigned_one().await;
    task.request(4);
    first.records(4).await;
    stage.settle(Settlement { progress: vec![(topic.clone(), progress("1;3;"))], ..task.effects() }).await;
    let epoch = task.acquired.owner.epoch;
    first.finish().await;
    let mut second = stage.subscribe("g", &[&topic]);
    let task = second.assigned_one().await;
    assert!(task.acquired.owner.epoch > epoch);
    task.request(10);
    assert_eq!(values(&second.records(3).await), numbers(3..6));
    assert!(second.finish().await.is_empty());
}
