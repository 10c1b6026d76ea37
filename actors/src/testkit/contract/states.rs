//! State per key: written by settlements, read by its owner and by reports.

use bytes::Bytes;
use pandaflow::{
    Partition,
    ports::{Settlement, StateChange},
};

use super::stage::{Stage, effects, within};

async fn write(stage: &Stage, group: &str, partition: u32, states: &[(&'static str, Option<&'static str>)]) {
    let owner = stage.acquire(group, partition, &[]).await.owner;
    let change = |(key, value): &(&'static str, Option<&'static str>)| {
        StateChange::new(
            Bytes::from_static(key.as_bytes()),
            value.map(|value| Bytes::from_static(value.as_bytes())),
        )
    };
    let states = states.iter().map(change).collect();
    stage.settle(Settlement { states, ..effects(&owner) }).await;
}

/// One answer a key, none where there is no state, and twice for a key that is asked for twice.
pub async fn states_are_loaded_in_the_order_of_the_keys(stage: Stage) {
    write(&stage, "g", 0, &[("a", Some("1")), ("b", Some("2")), ("", Some("empty key"))]).await;
    let keys = ["b", "missing", "a", "", "b"].map(|key| Bytes::from_static(key.as_bytes()));
    let load = stage.transport().states().load("g".into(), Partition(0), keys.to_vec());
    let found = within(load).await.expect("states can be loaded");
    let expected = [Some("2"), None, Some("1"), Some("empty key"), Some("2")];
    assert_eq!(found, expected.map(|state| state.map(|state| Bytes::from_static(state.as_bytes()))));
}

/// The last change counts, and a removed state is gone.
pub async fn a_state_can_be_replaced_and_removed(stage: Stage) {
    write(&stage, "g", 0, &[("a", Some("1")), ("b", Some("1"))]).await;
    write(&stage, "g", 0, &[("a", Some("2")), ("b", None), ("never there", None)]).await;
    assert_eq!(stage.state("g", 0, "a").await, Some(Bytes::from_static(b"2")));
    assert_eq!(stage.state("g", 0, "b").await, None);
    assert_eq!(stage.scan("g").await, [(Bytes::from_static(b"a"), Bytes::from_static(b"2"))]);
    write(&stage, "g", 0, &[("b", Some("3"))]).await;
    assert_eq!(stage.state("g", 0, "b").await, Some(Bytes::from_static(b"3")));
}

/// Zero bytes are a state.
pub async fn an_empty_state_is_not_a_missing_one(stage: Stage) {
    write(&stage, "g", 0, &[("a", Some(""))]).await;
    assert_eq!(stage.state("g", 0, "a").await, Some(Bytes::new()));
}

/// Ascending as bytes, whichever partition a key belongs to.
pub async fn a_scan_lists_all_partitions_by_key(stage: Stage) {
    write(&stage, "g", 1, &[("b", Some("2")), ("aa", Some("1"))]).await;
    write(&stage, "g", 0, &[("c", Some("3")), ("a", Some("0"))]).await;
    let found: Vec<_> = stage.scan("g").await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, ["a", "aa", "b", "c"].map(|key| Bytes::from_static(key.as_bytes())));
}

/// One group can't read another's.
pub async fn states_are_kept_per_group(stage: Stage) {
    write(&stage, "g", 0, &[("a", Some("of g"))]).await;
    write(&stage, "h", 0, &[("a", Some("of h")), ("b", Some("of h"))]).await;
    assert_eq!(stage.state("g", 0, "a").await, Some(Bytes::from_static(b"of g")));
    assert_eq!(stage.state("g", 0, "b").await, None);
    assert_eq!(stage.scan("g").await.len(), 1);
    assert_eq!(stage.scan("unknown").await, []);
}
