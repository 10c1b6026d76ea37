//! How far a group is behind, partition by partition.

use pandaflow::{Group, Offset, ports::Settlement};

use super::stage::{Stage, effects, keyed, progress, within};

/// From the first offset that is not settled to the end.
pub async fn lag_is_what_is_not_settled(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..10).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    for (text, left) in [("1;0;", 10), ("1;4;6-7", 6), ("1;10;", 0)] {
        stage.settle(Settlement { progress: vec![(topic.clone(), progress(text))], ..effects(&owner) }).await;
        let lag = stage.lag("g").await.remove(0);
        assert_eq!((lag.group.as_str(), &lag.topic, lag.partition), ("g", &topic, owner.partition));
        if stage.limits().dense_offsets {
            assert_eq!((lag.next, lag.end), (progress(text).next, Offset(10)));
            assert_eq!(lag.records(), left);
        }
        assert!(lag.records() >= left, "{lag:?}");
        // Whoever has settled the last record is not behind, whatever lies after it.
        assert_eq!(lag.records() == 0, left == 0, "{lag:?}");
    }
    stage.publish_values(&topic, 10..11).await;
    let behind = stage.lag("g").await[0].records();
    assert!(behind == 1 || !stage.limits().dense_offsets && behind > 1, "{behind}");
}

/// A subscription is behind before it has settled anything, in every partition of every topic.
pub async fn lag_begins_with_the_subscription(stage: Stage) {
    let topics = [stage.topic("paper.a", 3).await, stage.topic("paper.b", 3).await];
    stage.publish((0..60).map(|key| keyed(&topics[1], &key.to_string(), "v")).collect()).await;
    let mut member = stage.subscribe("g", &[&topics[0], &topics[1]]);
    member.assigned(3).await;
    let lags = stage.lag("g").await;
    assert_eq!(lags.len(), 6);
    assert!(lags.iter().all(|lag| lag.next == Offset::ZERO));
    let behind =
        |topic| lags.iter().filter(|lag| lag.topic == topic).map(pandaflow::ports::Lag::records).sum();
    let (a, b): (u64, u64) = (behind(topics[0].clone()), behind(topics[1].clone()));
    assert!(a == 0 && b >= 60 && (b == 60 || !stage.limits().dense_offsets), "{a}, {b}");
    member.finish().await;
}

/// Groups are told in one go; one that never was is left out.
pub async fn an_unknown_group_has_no_lag(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.acquire("g", 0, &[&topic]).await;
    let groups = ["unknown", "g"].map(Group::from).to_vec();
    let lags = within(stage.transport().lag(groups)).await.expect("the lag can be told");
    assert_eq!(lags.iter().map(|lag| lag.group.as_str()).collect::<Vec<_>>(), ["g"]);
}
