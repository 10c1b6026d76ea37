//! Errors of this store, and what they say.

use pandaflow::ports::StoreError;
use rdkafka::error::KafkaError;

/// The name of this store in errors.
const STORE: &str = "kafka";

/// An error of this store.
pub(super) fn store_error(message: impl Into<String>) -> StoreError {
    StoreError { store: STORE, message: message.into() }
}

/// What librdkafka said while `what` was being done.
pub(super) fn failed(what: &str) -> impl Fn(KafkaError) -> StoreError + '_ {
    move |error| store_error(format!("{what}: {error}"))
}

/// What a closed transport answers.
pub(super) fn closed() -> StoreError {
    store_error("the transport is closed")
}
