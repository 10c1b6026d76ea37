//! Whether the effects of a settlement are those of the events that are settled with it.

use std::collections::BTreeSet;

use pandaflow::{EventId, Outgoing, ports::Settlement};

use super::{
    entry::{Entry, ids_of},
    story::Violation,
};

/// No effect without an event that was handled well and is settled with it.
pub(super) fn check_effects(settlement: &Settlement, handled: &[Entry]) -> Result<(), Violation> {
    // An event that carries no id has causes that can't be told apart from here.
    let all_known = handled.iter().all(|entry| entry.id.is_some());
    let causes: BTreeSet<EventId> = handled.iter().filter_map(|entry| entry.id).collect();
    for Outgoing { topic, value, .. } in &settlement.outputs {
        let cause = value.as_ref().and_then(|value| ids_of(value).1);
        if let Some(cause) = cause.filter(|cause| all_known && !causes.contains(cause)) {
            let what = format!(
                "an output on {topic} of {cause}, of which no attempt succeeded that is settled with it"
            );
            return Err(Violation::new("effects", what));
        }
    }
    for change in &settlement.states {
        if !handled.iter().any(|entry| entry.key == change.key) {
            let key = String::from_utf8_lossy(&change.key);
            let what =
                format!("the state of {key} changes, and no event of it succeeded that is settled with it");
            return Err(Violation::new("effects", what));
        }
    }
    Ok(())
}
