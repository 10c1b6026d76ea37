//! Lives one after the other, and next to each other.

use std::time::Duration;

use pandaflow::{
    Offset, Partition, Timestamp,
    ports::{AttemptChange, FailedAttempts, Settlement},
};
use pandaflow_actors::testkit::contract::Notice;
use pandaflow_actors::transport::kafka::KafkaConfig;

use super::{
    admin::Admin,
    machine::{CHANGELOG, GROUP, Machine, Process, key, removal, states, topic, with_500_states},
    support,
};

#[tokio::test]
async fn a_restart_reads_only_the_tail_of_the_changelog() {
    let Some(machine) = with_500_states().await else { return };
    let process = machine.process();
    process.acquire().await;
    assert_eq!(process.read(), (500, 0));
    process.end().await;
    // On another machine, where there is no checkpoint.
    let elsewhere = machine.elsewhere();
    let owner = elsewhere.acquire().await;
    assert_eq!(elsewhere.read(), (0, 500));
    elsewhere.settle(&owner, states(490..510, "second")).await;
    elsewhere.end().await;
    let process = machine.process();
    process.acquire().await;
    assert_eq!(process.read(), (500, 20));
    process.assert_has_the_truth(&machine, &[]).await;
    process.end().await;
    let process = machine.process();
    process.acquire().await;
    assert_eq!(process.read(), (510, 0));
    process.assert_has_the_truth(&machine, &[]).await;
    process.end().await;
}

#[tokio::test]
async fn a_process_that_runs_keeps_its_checkpoint_up_to_date() {
    let Some(machine) = Machine::new() else { return };
    let process = Process::with(&machine.config_every(Duration::from_millis(50)));
    let owner = process.acquire().await;
    process.settle(&owner, states(0..50, "first")).await;
    // While it runs: another one shows how far the file has come.
    support::eventually(async || {
        let other = machine.process();
        other.acquire().await;
        let read = other.read();
        other.end().await;
        (read == (50, 0)).then_some(())
    })
    .await;
    process.end().await;
}

/// Chosen by a seed that is told: numbers below.
struct Chance(u64);

impl Chance {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// One life of an owner: states set and removed, attempts counted, now and then a late record of an earlier owner.
async fn live(process: &Process, machine: &Machine, chance: &mut Chance, life: u64) {
    let owner = process.acquire().await;
    let topic = topic("paper.in");
    for step in 0..chance.below(8) {
        let changed = (0..chance.below(40)).map(|_| match (chance.below(30), chance.below(4)) {
            (number, 0) => removal(number),
            (number, _) => states(number..number + 1, &format!("{life}-{step}")).remove(0),
        });
        let states = changed.collect();
        let offset = Offset(chance.below(20));
        let (attempts, first_failed) = (u32::try_from(step).unwrap() + 1, Timestamp(7));
        let failed = FailedAttempts { topic: topic.clone(), offset, attempts, first_failed };
        let attempt = match chance.below(3) {
            0 => AttemptChange::Ended { topic: topic.clone(), offset },
            _ => AttemptChange::Failed(failed),
        };
        let settlement = Settlement { states, attempts: vec![attempt], ..Settlement::empty(owner.clone()) };
        process.stage.settle(settlement).await;
        if chance.below(4) == 0 {
            let admin = Admin::new(&machine.broker, &machine.plain.prefix);
            let name = format!("account-{}", chance.below(30));
            admin.write_state(CHANGELOG, name.as_bytes(), b"late", chance.below(10)).await;
        }
    }
}

#[tokio::test]
async fn lives_with_and_without_checkpoints_find_the_same() {
    let Some(machine) = Machine::new() else { return };
    let first = machine.process();
    first.stage.topic("paper.in", 1).await;
    first.end().await;
    let seed = u64::from(std::process::id());
    let mut chance = Chance(seed);
    let mut from_checkpoints = 0;
    for life in 0..8 {
        let with_folder = chance.below(3) > 0;
        let process = if with_folder { machine.process() } else { machine.elsewhere() };
        live(&process, &machine, &mut chance, life).await;
        if chance.below(2) == 0 {
            process.end().await;
        }
        // Dropped otherwise, as if it had crashed.
        let (one, other) = (machine.process(), machine.elsewhere());
        let with = one.stage.acquire(GROUP, 0, &[&topic("paper.in")]).await;
        let without = other.stage.acquire(GROUP, 0, &[&topic("paper.in")]).await;
        let keys: Vec<_> = (0..30).map(key).collect();
        assert_eq!(
            one.states(keys.iter()).await,
            other.states(keys.iter()).await,
            "seed {seed}, life {life}"
        );
        assert_eq!(with.attempts, without.attempts, "seed {seed}, life {life}");
        assert_eq!(with.applied, without.applied, "seed {seed}, life {life}");
        from_checkpoints += one.read().0;
        one.end().await;
        other.end().await;
    }
    assert!(from_checkpoints > 0, "seed {seed}: no checkpoint was ever used");
}

#[tokio::test]
async fn members_of_one_machine_share_a_folder_and_each_finds_what_the_other_wrote() {
    let Some(machine) = Machine::new() else { return };
    let config = machine.config_every(Duration::from_millis(50));
    let one = Process::with(&KafkaConfig { client_id: "one".into(), ..config.clone() });
    let input = one.stage.topic("paper.in", 2).await;
    let mut member = one.stage.subscribe(GROUP, &[&input]);
    for (number, task) in member.assigned(2).await.iter().enumerate() {
        let states = states(number as u64 * 100..number as u64 * 100 + 100, "first");
        one.stage.settle(Settlement { states, ..task.effects() }).await;
    }
    for partition in 0..2 {
        let file = machine.file(CHANGELOG, partition);
        support::eventually(async || file.metadata().is_ok_and(|file| file.len() > 0).then_some(())).await;
    }
    let other = Process::with(&KafkaConfig { client_id: "other".into(), ..config });
    let mut joined = other.stage.subscribe(GROUP, &[&input]);
    let moved = loop {
        tokio::select! {
            notice = member.next() => if let Notice::Revoked { released, .. } = notice { drop(released) },
            tasks = joined.assigned(1) => break tasks,
        }
    };
    let (from_checkpoint, from_log) = other.read();
    assert_eq!(from_checkpoint + from_log, 100);
    assert_eq!(from_checkpoint, 100, "the other one's file is used, though that one still runs");
    let more = states(1000..1010, "second");
    other.stage.settle(Settlement { states: more, ..moved[0].effects() }).await;
    let Partition(partition) = moved[0].partition();
    drop(moved);
    joined.finish().await;
    other.end().await;
    member.finish().await;
    one.end().await;
    let last = machine.process();
    last.stage.acquire(GROUP, partition, &[]).await;
    assert_eq!(last.read(), (110, 0));
    last.end().await;
}
