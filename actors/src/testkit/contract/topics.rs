//! Topics are there once they are made, and a subscription needs topics that fit together.

use super::stage::{Stage, numbers, values};

/// As many partitions are assigned as were asked for.
pub async fn a_created_topic_has_its_partitions(stage: Stage) {
    let topic = stage.topic("paper.made", 5).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let partitions: Vec<u32> = member.assigned(5).await.iter().map(|task| task.partition().0).collect();
    assert_eq!(partitions, [0, 1, 2, 3, 4]);
    assert_eq!(stage.lag("g").await.len(), 5);
    assert!(member.finish().await.is_empty());
}

/// Making a topic again is no error and loses nothing.
pub async fn creating_a_topic_again_keeps_what_it_holds(stage: Stage) {
    let topic = stage.topic("paper.made", 2).await;
    stage.publish_values(&topic, 0..3).await;
    assert_eq!(stage.topic("paper.made", 2).await, topic);
    stage.publish_values(&topic, 3..4).await;
    assert_eq!(values(&stage.read(&topic, 4).await), numbers(0..4));
}

/// The error names the topic.
pub async fn subscribing_to_a_missing_topic_is_refused(stage: Stage) {
    let there = stage.topic("paper.there", 1).await;
    let missing = pandaflow::TopicName::new("paper.missing");
    let Err(error) = stage.try_subscribe("g", &[&there, &missing]) else {
        panic!("a missing topic was subscribed to");
    };
    assert!(error.message.contains("paper.missing"), "{error}");
}

/// The error names the topics.
pub async fn subscribing_to_unequally_partitioned_topics_is_refused(stage: Stage) {
    let two = stage.topic("paper.two", 2).await;
    let three = stage.topic("paper.three", 3).await;
    let Err(error) = stage.try_subscribe("g", &[&two, &three]) else {
        panic!("topics of 2 and 3 partitions were subscribed to");
    };
    assert!(error.message.contains("paper.two") && error.message.contains("paper.three"), "{error}");
}
