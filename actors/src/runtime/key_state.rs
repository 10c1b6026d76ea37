//! The state of an event's key: at hand, loaded, and fit to be written.

use std::rc::Rc;

use bytes::Bytes;
use pandaflow::{Effects, ErrorClass, Failure, FailureKind, StreamProcessor, ports::StateChange};

use super::{attempt::Trouble, delivery::Delivery, env::Env, guarded::panic_message, state_row};

/// The key's state, unless it has to be loaded.
pub(crate) fn state_at_hand<P: StreamProcessor>(env: &Env<P>, delivery: &Delivery) -> Option<Rc<P::State>> {
    if !keeps_state::<P>() {
        return Some(env.blank.clone());
    }
    let none = Bytes::new();
    let state = env.cache.borrow_mut().get(delivery.record.key.as_ref().unwrap_or(&none))?;
    env.telemetry.borrow_mut().batch.cache_hits += 1;
    Some(state)
}

/// The key's state, from the store.
pub(crate) async fn load_state<P: StreamProcessor>(
    env: &Env<P>,
    delivery: &Delivery,
) -> Result<Rc<P::State>, Trouble> {
    let key = delivery.record.key.clone().unwrap_or_default();
    let load = || env.states.load(env.owner.group.clone(), env.owner.partition, vec![key.clone()]);
    let stored = Box::pin(env.ask("state", load)).await?.pop().flatten();
    let state = match stored {
        Some(bytes) => state_row::decode(&key, Env::<P>::DECLARATION.state_version, &bytes)
            .map(Rc::new)
            .map_err(|error| Trouble::Failed(misfit(&error)))?,
        None => env.blank.clone(),
    };
    env.cache.borrow_mut().loaded(key, state.clone());
    Ok(state)
}

/// Whether a processor declared a state.
pub(crate) fn keeps_state<P: StreamProcessor>() -> bool {
    std::any::TypeId::of::<P::State>() != std::any::TypeId::of::<()>()
}

fn misfit(error: &state_row::StateError) -> Failure {
    let kind = FailureKind::State;
    Failure::new(kind, ErrorClass::Infrastructure, "pandaflow::StateError", error.to_string())
}

/// Whether what an attempt leaves can be written; looked at only after the partition's task has failed, since a state
/// is written once per settlement and not once per event.
#[inline]
pub(crate) fn writable<P: StreamProcessor>(
    env: &Env<P>,
    delivery: &Delivery,
    effects: &Effects<P::State>,
) -> Result<(), Failure> {
    if env.careful { written_once(env, delivery, effects) } else { Ok(()) }
}

#[cold]
fn written_once<P: StreamProcessor>(
    env: &Env<P>,
    delivery: &Delivery,
    effects: &Effects<P::State>,
) -> Result<(), Failure> {
    let unwritable = |error_type: &str, message| {
        Failure::new(FailureKind::Unencodable, ErrorClass::Poison, error_type, message)
    };
    let mut states = Vec::new();
    if let Some(state) = effects.state.as_ref() {
        let key = delivery.record.key.clone().unwrap_or_default();
        let write = || state_row::encode(&key, Env::<P>::DECLARATION.state_version, state);
        let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(write))
            .map_err(|panic| unwritable("pandaflow::StateError", panic_message(&*panic)))?
            .map_err(|error| unwritable("pandaflow::StateError", error.to_string()))?;
        states.push(StateChange::new(key.clone(), Some(value)));
    }
    match env.settlement.unfit(&env.owner, &effects.outputs, &states) {
        Some(error) => Err(unwritable("pandaflow::StoreError", error.to_string())),
        None => Ok(()),
    }
}
