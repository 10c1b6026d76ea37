//! What the tests on a real broker stand on: its address, and transports that don't see each other.

use std::sync::Arc;

use pandaflow::{SystemClock, ports::Transport};
use pandaflow_actors::transport::{
    kafka::{KafkaConfig, KafkaTransport},
    memory::MemoryTransport,
};

/// The variable that has the broker's address, such as `127.0.0.1:9092`.
pub(crate) const BROKER: &str = "PANDAFLOW_TEST_KAFKA";

/// The broker's address; without one the test says that it is skipped.
pub(crate) fn broker() -> Option<String> {
    let address = std::env::var(BROKER).ok().filter(|address| !address.is_empty());
    if address.is_none() {
        println!("skipped: {BROKER} has no address of a broker, such as 127.0.0.1:9092");
    }
    address
}

/// Settings under names that nobody else uses, with ids kept in memory.
pub(crate) fn config(broker: &str) -> KafkaConfig {
    let ids = MemoryTransport::new(Arc::new(SystemClock));
    let mut config = KafkaConfig::new(broker, ids.dedup());
    config.prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    config
}

/// A transport with these settings.
pub(crate) fn transport(config: &KafkaConfig) -> Arc<KafkaTransport> {
    Arc::new(KafkaTransport::new(config.clone()).expect("the settings are sound"))
}
