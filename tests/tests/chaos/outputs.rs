//! The outputs of every step, as the next one reads them: by their ids.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use pandaflow::{TopicName, ports::Transport};
use pandaflow_actors::{
    testkit::contract::{Stage, Subject},
    transport::embedded::{EmbeddedConfig, EmbeddedTransport},
};
use pandaflow_tests::BrokerLog;
use serde_json::Value;

use super::pipeline::{OUTPUTS, PREFIX};

struct Calm(Arc<EmbeddedTransport>);

impl Subject for Calm {
    fn transport(&self) -> Arc<dyn Transport> {
        self.0.clone()
    }
}

/// Per key the ids in the order in which a next step that knows what it has seen takes them.
fn by_key(events: impl Iterator<Item = (Vec<u8>, String)>) -> BTreeMap<Vec<u8>, Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut keys: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for (key, id) in events {
        if seen.insert(id.clone()) {
            keys.entry(key).or_default().push(id);
        }
    }
    keys
}

/// By their ids, the outputs of every step are those of the run that was left alone, and each key's in the same order.
pub(crate) fn are_there_once_by_their_ids(log: &BrokerLog, calm: &Path) {
    let transport = EmbeddedTransport::open(calm, EmbeddedConfig::default()).unwrap();
    let stage = Stage::of(Calm(Arc::new(transport)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for topic in OUTPUTS {
        let id =
            |value: &[u8]| serde_json::from_slice::<Value>(value).unwrap()["id"].as_str().unwrap().to_owned();
        let expected = runtime.block_on(stage.read_all(&TopicName::new(topic)));
        let expected = expected.into_iter().map(|record| {
            (record.key.unwrap_or_default().to_vec(), id(&record.value.expect("an event is no tombstone")))
        });
        let mut expected = by_key(expected);
        let there = log.read(&format!("{PREFIX}{topic}"));
        let records = there.len();
        let places: Vec<_> =
            there.iter().map(|record| (record.id(), record.partition, record.offset)).collect();
        let mut there = by_key(there.into_iter().map(|record| (record.key.clone().unwrap(), record.id())));
        // The snapshots of a strategy are those of many accounts, whose order among each other is free.
        if topic == "paper.pnl.snapshots" {
            expected.values_mut().chain(there.values_mut()).for_each(|ids| ids.sort());
        }
        let ids: usize = there.values().map(Vec::len).sum();
        println!("{topic}: {records} records, {ids} ids");
        let differs = there.keys().chain(expected.keys()).find(|key| there.get(*key) != expected.get(*key));
        if let Some(key) = differs {
            let none = Vec::new();
            let (there, expected) = (there.get(key).unwrap_or(&none), expected.get(key).unwrap_or(&none));
            let same = there.iter().zip(expected).take_while(|(there, expected)| there == expected).count();
            let told = |ids: &[String]| {
                let lies = |id: &String| {
                    let of_id = places.iter().filter(|(known, ..)| known == id);
                    let lies: Vec<_> =
                        of_id.map(|(_, partition, offset)| format!("{partition}@{offset}")).collect();
                    if lies.is_empty() { "none".to_owned() } else { lies.join(", ") }
                };
                let told = ids.iter().skip(same).take(8).map(|id| format!("  {id} at {}", lies(id)));
                told.collect::<Vec<_>>().join("\n")
            };
            panic!(
                "{topic}: of {:?} {} events are there, expected are {}; from the event {same} on there are\n{}\nin place of\n{}",
                String::from_utf8_lossy(key),
                there.len(),
                expected.len(),
                told(there),
                told(expected)
            );
        }
    }
    runtime.block_on(stage.transport().close());
}
