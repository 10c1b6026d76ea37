//! Group commit: what fails spoils nothing beside it, and order holds after a failure.

use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use futures_util::future::join_all;
use pandaflow::{
    Clock, Outgoing, Timestamp, TopicName,
    ports::{Owner, SettleErrorKind, Settlement, StateChange, Transport},
};
use pandaflow_actors::{
    testkit::contract::{effects, keyed},
    transport::embedded::{EmbeddedConfig, Faults},
};

use super::shop::{Shop, block_on};

/// A clock that stops whoever asks it, so that settlements gather behind the writer.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    closed: bool,
    waiting: bool,
}

impl Gate {
    fn close(&self) {
        self.0.0.lock().unwrap().closed = true;
    }

    fn await_someone(&self) {
        let state = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(state, |state| !state.waiting).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = GateState::default();
        self.0.1.notify_all();
    }
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        let mut state = self.0.0.lock().unwrap();
        if state.closed {
            state.waiting = true;
            self.0.1.notify_all();
            drop(self.0.1.wait_while(state, |state| state.closed).unwrap());
        }
        Timestamp(1_700_000_000_000)
    }
}

struct Scene {
    _folder: tempfile::TempDir,
    shop: Shop,
    gate: Gate,
    faults: Faults,
    topic: TopicName,
    owners: Vec<Owner>,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let (gate, faults) = (Gate::default(), Faults::default());
    let mut config = EmbeddedConfig::default();
    config.clock = Arc::new(gate.clone());
    config.faults = faults.clone();
    let shop = Shop::with(folder.path(), config).unwrap();
    let topic = shop.topic("paper.out", 1, false);
    let owners = (0..4).map(|partition| shop.acquire("g", partition, &[]).owner).collect();
    Scene { _folder: folder, shop, gate, faults, topic, owners }
}

impl Scene {
    fn numbered(&self, owner: usize, number: u32) -> Settlement {
        let text = Bytes::from(number.to_string());
        Settlement {
            outputs: vec![keyed(&self.topic, "k", &number.to_string())],
            states: vec![StateChange::new(format!("owner-{owner}").into(), Some(text))],
            ledger: pandaflow::policy::ledger::Ledger {
                consumed: number.into(),
                succeeded: number.into(),
                ..Default::default()
            },
            ..effects(&self.owners[owner])
        }
    }

    /// Settles all in one group: they gather while the writer is held up by one of owner 3.
    fn together(&self, settlements: Vec<Settlement>) -> Vec<Result<(), SettleErrorKind>> {
        self.together_with_faults(0, settlements)
    }

    /// The same; the first transactions fail, beginning with that of owner 3.
    fn together_with_faults(
        &self,
        faults: usize,
        settlements: Vec<Settlement>,
    ) -> Vec<Result<(), SettleErrorKind>> {
        let store = self.shop.transport.settlement();
        self.gate.close();
        let first = store.settle(effects(&self.owners[3]));
        self.gate.await_someone();
        self.faults.fail_commits(faults);
        let calls: Vec<_> = settlements.into_iter().map(|settlement| store.settle(settlement)).collect();
        self.gate.open();
        assert_eq!(block_on(first).is_err(), faults > 0);
        let kind = |answer: Result<(), Box<pandaflow::ports::Unsettled>>| answer.map_err(|un| un.error.kind);
        block_on(join_all(calls)).into_iter().map(kind).collect()
    }

    fn values(&self, count: usize) -> Vec<String> {
        let text = |record: pandaflow::Record| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        self.shop.read(&self.topic, count).unwrap().into_iter().map(text).collect()
    }
}

#[test]
fn a_refused_settlement_spoils_no_other_of_its_group() {
    let scene = scene();
    let mut bad = scene.numbered(1, 10);
    bad.outputs.push(keyed(&TopicName::new("paper.missing"), "k", "v"));
    let answers = scene.together(vec![scene.numbered(0, 1), bad, scene.numbered(2, 2)]);
    assert_eq!(answers, [Ok(()), Err(SettleErrorKind::Refused), Ok(())]);
    assert_eq!(scene.values(2), ["1", "2"]);
    assert_eq!(scene.shop.state("g", "owner-1"), None);
}

#[test]
fn what_was_called_before_a_refusal_was_read_fails_too() {
    let scene = scene();
    let mut bad = scene.numbered(0, 1);
    bad.outputs = vec![keyed(&TopicName::new("paper.missing"), "k", "v")];
    let answers = scene.together(vec![bad, scene.numbered(0, 2), scene.numbered(1, 3)]);
    assert_eq!(answers, [Err(SettleErrorKind::Refused), Err(SettleErrorKind::Retry), Ok(())]);
    scene.shop.settle(scene.numbered(0, 1)).unwrap();
    scene.shop.settle(scene.numbered(0, 2)).unwrap();
    assert_eq!(scene.values(3), ["3", "1", "2"]);
}

#[test]
fn a_group_that_fails_is_tried_one_by_one() {
    let scene = scene();
    let group = || vec![scene.numbered(0, 1), scene.numbered(0, 2), scene.numbered(1, 3)];
    assert_eq!(scene.together_with_faults(2, group()), [Ok(()); 3]);
    assert_eq!(scene.values(3), ["1", "2", "3"]);
}

#[test]
fn of_a_group_only_what_fails_alone_comes_back_and_what_builds_on_it() {
    let scene = scene();
    let group = vec![scene.numbered(0, 1), scene.numbered(0, 2), scene.numbered(1, 3)];
    let retry = Err(SettleErrorKind::Retry);
    assert_eq!(scene.together_with_faults(3, group), [retry, retry, Ok(())]);
    assert_eq!(scene.values(1), ["3"]);
}

#[test]
fn after_a_failure_nothing_of_its_owner_settles_before_it() {
    let scene = scene();
    scene.faults.fail_commits(2);
    let error = scene.shop.settle(scene.numbered(0, 4)).unwrap_err().error;
    assert_eq!(error.kind, SettleErrorKind::Retry);
    assert!(error.source.message.contains("pandaflow.db"), "{error}");
    assert!(scene.shop.settle(scene.numbered(0, 5)).is_err(), "4 comes first");
    assert!(scene.shop.settle(scene.numbered(0, 4)).is_err(), "the second fault");
    assert!(scene.shop.settle(scene.numbered(0, 5)).is_err(), "4 comes first, still");
    scene.shop.settle(scene.numbered(1, 6)).unwrap();
    scene.shop.settle(scene.numbered(0, 4)).unwrap();
    scene.shop.settle(scene.numbered(0, 5)).unwrap();
    assert_eq!(scene.values(3), ["6", "4", "5"]);
}

#[test]
fn a_full_disk_leads_to_another_try() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = EmbeddedConfig::default();
    config.file_bytes = Some(1 << 20);
    let shop = Shop::with(folder.path(), config).unwrap();
    let topic = shop.topic("paper.out", 1, false);
    let owner = shop.acquire("g", 0, &[]).owner;
    let big = Outgoing { value: Some(vec![7; 100_000].into()), ..keyed(&topic, "k", "") };
    let settlement = Settlement { outputs: vec![big], ..effects(&owner) };
    let mut settled = 0;
    let unsettled = loop {
        match shop.settle(settlement.clone()) {
            Ok(()) => settled += 1,
            Err(unsettled) => break unsettled,
        }
    };
    assert_eq!(unsettled.error.kind, SettleErrorKind::Retry);
    assert!(unsettled.error.source.message.contains("full"), "{}", unsettled.error);
    assert_eq!(unsettled.settlement, settlement);
    shop.close();
    let shop = Shop::open(folder.path());
    shop.settle(settlement).unwrap();
    assert_eq!(shop.read(&topic, settled + 1).unwrap().len(), settled + 1);
}

#[test]
fn a_full_queue_gives_back_and_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let mut config = EmbeddedConfig::default();
    config.clock = Arc::new(gate.clone());
    config.queue_rows = 10;
    let shop = Shop::with(folder.path(), config).unwrap();
    let topic = shop.topic("paper.out", 1, false);
    let owner = shop.acquire("g", 0, &[]).owner;
    let settlement = |number: u32, rows| Settlement {
        outputs: vec![keyed(&topic, "k", &number.to_string()); rows],
        ..effects(&owner)
    };
    let store = shop.transport.settlement();
    gate.close();
    let first = store.settle(settlement(0, 1));
    gate.await_someone();
    let waits = store.settle(settlement(1, 8));
    let full = block_on(store.settle(settlement(2, 2))).unwrap_err();
    assert_eq!(full.error.kind, SettleErrorKind::Retry);
    assert!(block_on(store.settle(settlement(3, 0))).is_err(), "it would pass 2");
    gate.open();
    block_on(first).unwrap();
    block_on(waits).unwrap();
    assert!(shop.settle(settlement(3, 0)).is_err());
    shop.settle(full.settlement).unwrap();
    shop.settle(settlement(3, 1)).unwrap();
    assert_eq!(shop.read(&topic, 12).unwrap().len(), 12);
}
