//! How far a group has come is what its next owner begins with.

use pandaflow::{
    Group, Offset,
    policy::{ledger::Ledger, watermark::Progress},
    ports::Settlement,
};

use super::stage::{Stage, effects, numbers, progress, values, within};

/// Nothing settled: the first offset, an empty ledger, and the topics in the order that they were asked for.
pub async fn a_new_group_begins_at_the_start(stage: Stage) {
    let (a, b) = (stage.topic("paper.a", 1).await, stage.topic("paper.b", 1).await);
    let acquired = stage.acquire("g", 0, &[&b, &a]).await;
    assert_eq!(acquired.owner.group, Group::from("g"));
    assert_eq!(acquired.progress, [(b, Progress::at(Offset::ZERO)), (a, Progress::at(Offset::ZERO))]);
    assert_eq!(acquired.ledger, Ledger::default());
    assert!(acquired.attempts.is_empty());
}

/// What is settled above the watermark is not forgotten.
pub async fn progress_comes_back_with_its_ranges(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    for text in ["1;4;", "1;10;12-14,17", "1;18446744073709551613;18446744073709551615", "1;3;5"] {
        if progress(text).above.last().is_some_and(|(_, last)| *last > stage.limits().last_offset) {
            continue;
        }
        let owner = stage.acquire("g", 0, &[&topic]).await.owner;
        stage.settle(Settlement { progress: vec![(topic.clone(), progress(text))], ..effects(&owner) }).await;
        assert_eq!(stage.acquire("g", 0, &[&topic]).await.progress, [(topic.clone(), progress(text))]);
    }
}

/// A settlement moves what it names and nothing else.
pub async fn progress_is_kept_per_group_partition_and_topic(stage: Stage) {
    let (a, b) = (stage.topic("paper.a", 2).await, stage.topic("paper.b", 2).await);
    for (group, partition, topic, text) in
        [("g", 0, &a, "1;1;"), ("g", 0, &b, "1;2;"), ("g", 1, &a, "1;3;"), ("h", 0, &a, "1;4;")]
    {
        let owner = stage.acquire(group, partition, &[topic]).await.owner;
        stage.settle(Settlement { progress: vec![(topic.clone(), progress(text))], ..effects(&owner) }).await;
    }
    let here = |group, partition| {
        let topics = [&a, &b];
        let stage = &stage;
        async move {
            let found = stage.acquire(group, partition, &topics).await.progress;
            found.iter().map(|(_, progress)| progress.next.0).collect::<Vec<_>>()
        }
    };
    assert_eq!(here("g", 0).await, [1, 2]);
    assert_eq!(here("g", 1).await, [3, 0]);
    assert_eq!(here("h", 0).await, [4, 0]);
    assert_eq!(here("h", 1).await, [0, 0]);
}

/// The next subscription gets the first record that is not settled, and then every later one at most once.
pub async fn delivery_goes_on_from_the_progress(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..8).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    stage.settle(Settlement { progress: vec![(topic.clone(), progress("1;3;5"))], ..effects(&owner) }).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    assert_eq!(task.acquired.progress, [(topic.clone(), progress("1;3;5"))]);
    task.request(100);
    let mut found = Vec::new();
    while found.last().is_none_or(|last| last != "7") {
        found.extend(values(&member.batch().await.records));
    }
    // 5 is settled: a source may leave it out or leave that to the watermark.
    found.retain(|value| value != "5");
    let mut expected = numbers(3..8);
    expected.retain(|value| value != "5");
    assert_eq!(found, expected);
}

/// Per owner, as it was settled last.
pub async fn the_ledger_comes_back(stage: Stage) {
    let ledger = |n| Ledger {
        consumed: 15 * n,
        succeeded: n,
        filtered: 2 * n,
        duplicate: 3 * n,
        dead_lettered: 4 * n,
        parked: 5 * n,
    };
    for partition in 0..2 {
        let owner = stage.acquire("g", partition, &[]).await.owner;
        for n in [1, 7] {
            stage.settle(Settlement { ledger: ledger(n + u64::from(partition)), ..effects(&owner) }).await;
        }
    }
    assert_eq!(stage.acquire("g", 0, &[]).await.ledger, ledger(7));
    assert_eq!(stage.acquire("g", 1, &[]).await.ledger, ledger(8));
    assert_eq!(stage.acquire("h", 0, &[]).await.ledger, Ledger::default());
}

/// Summed over the partitions, in the order asked for; empty where nothing was settled.
pub async fn ledgers_are_told_per_group(stage: Stage) {
    let ledger = |succeeded| Ledger { consumed: succeeded, succeeded, ..Ledger::default() };
    for (group, partition, succeeded) in [("g", 0, 5), ("g", 3, 7), ("h", 0, 11)] {
        let owner = stage.acquire(group, partition, &[]).await.owner;
        stage.settle(Settlement { ledger: ledger(succeeded), ..effects(&owner) }).await;
    }
    let groups: Vec<Group> = ["h", "unknown", "g"].map(Group::from).to_vec();
    let told = within(stage.transport().ledgers(groups.clone())).await.expect("ledgers can be told");
    let expected = [ledger(11), Ledger::default(), ledger(12)];
    assert_eq!(told, groups.into_iter().zip(expected).collect::<Vec<_>>());
}
