//! Much, and much at once.

use std::collections::HashMap;

use bytes::Bytes;
use pandaflow::{
    Offset, Outgoing,
    policy::watermark::Progress,
    ports::{Settlement, StateChange},
};

use super::{
    Notice,
    stage::{Stage, effects, keyed, values, within},
};

/// 5 MB of every byte.
pub async fn a_big_value_arrives_whole(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    let value: Bytes = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    stage.publish(vec![Outgoing { value: Some(value.clone()), ..keyed(&topic, "k", "") }]).await;
    assert_eq!(stage.read(&topic, 1).await.remove(0).value, Some(value));
}

/// In pieces of what is asked for, without a gap.
pub async fn ten_thousand_records_arrive_in_order(stage: Stage) {
    let topic = stage.topic("paper.in", 1).await;
    for round in 0..10 {
        stage.publish_values(&topic, round * 1000..(round + 1) * 1000).await;
    }
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    task.request(300);
    let mut next = 0;
    while next < 10_000 {
        let batch = member.batch().await;
        for record in &batch.records {
            assert!(record.offset == Offset(next) || !stage.limits().dense_offsets);
            assert_eq!(record.value.as_deref(), Some(next.to_string().as_bytes()));
            next += 1;
        }
        task.request(batch.records.len());
    }
    assert!(member.finish().await.is_empty());
}

/// Each owner's outputs are all there and in its order, whoever else settles.
pub async fn owners_settle_at_once_from_several_threads(stage: Stage) {
    const OWNERS: u32 = 8;
    const ROUNDS: u32 = 100;
    let topic = stage.topic("paper.out", 4).await;
    let mut owners = Vec::new();
    for partition in 0..OWNERS {
        owners.push(stage.acquire("g", partition, &[]).await.owner);
    }
    let threads: Vec<_> = owners
        .into_iter()
        .map(|owner| {
            let (store, topic) = (stage.settlements(), topic.clone());
            std::thread::spawn(move || {
                let key = format!("owner-{}", owner.partition);
                super::block_on(async move {
                    for round in 0..ROUNDS {
                        let state = StateChange::new(key.clone().into(), Some(round.to_string().into()));
                        let outputs = vec![keyed(&topic, &key, &round.to_string())];
                        let settlement = Settlement { outputs, states: vec![state], ..effects(&owner) };
                        within(store.settle(settlement)).await.expect("it can be settled");
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread settles");
    }
    let mut next: HashMap<Bytes, u32> = HashMap::new();
    for record in stage.read(&topic, (OWNERS * ROUNDS) as usize).await {
        let next = next.entry(record.key.clone().expect("it has a key")).or_default();
        assert_eq!(values(&[record]), [next.to_string()]);
        *next += 1;
    }
    assert!(next.values().all(|next| *next == ROUNDS) && next.len() == OWNERS as usize);
    assert_eq!(stage.scan("g").await.len(), OWNERS as usize);
}

/// Two steps, one reading what the other settles, while the first is fed: every record passes both once.
pub async fn a_chain_of_groups_passes_everything_on_once(stage: Stage) {
    let topics = [
        stage.topic("paper.first", 1).await,
        stage.topic("paper.second", 1).await,
        stage.topic("paper.third", 1).await,
    ];
    let stage = &stage;
    let step = |from: usize| {
        let topics = topics.clone();
        async move {
            let mut member = stage.subscribe(topics[from].as_str(), &[&topics[from]]);
            let task = member.assigned_one().await;
            task.request(64);
            let mut passed = 0;
            while passed < 1000 {
                let Notice::Delivered(batch) = member.next().await else {
                    panic!("only records should come")
                };
                passed += batch.records.len();
                let next = batch.records.last().expect("a delivery has records").offset.next();
                let outputs = values(&batch.records);
                let outputs = outputs.iter().map(|value| keyed(&topics[from + 1], "k", value)).collect();
                let progress = vec![(topics[from].clone(), Progress::at(next))];
                stage.settle(Settlement { outputs, progress, ..task.effects() }).await;
                task.request(batch.records.len());
            }
            member.finish().await;
        }
    };
    let feed = async {
        for round in 0..20 {
            stage.publish_values(&topics[0], round * 50..(round + 1) * 50).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(step(0), step(1), feed);
    assert_eq!(values(&stage.read(&topics[2], 1000).await), super::stage::numbers(0..1000));
}
