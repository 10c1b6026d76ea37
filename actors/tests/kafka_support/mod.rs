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
#[allow(dead_code, reason = "not every test makes a transport by itself")]
pub(crate) fn config(broker: &str) -> KafkaConfig {
    let ids = MemoryTransport::new(Arc::new(SystemClock));
    let mut config = KafkaConfig::new(broker, ids.dedup());
    config.prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    config
}

/// A transport with these settings.
#[allow(dead_code, reason = "not every test makes a transport by itself")]
pub(crate) fn transport(config: &KafkaConfig) -> Arc<KafkaTransport> {
    Arc::new(KafkaTransport::new(config.clone()).expect("the settings are sound"))
}

/// Asks the broker until something is so, a minute at most. It tells nobody by itself, and its answers set the pace.
#[allow(dead_code, reason = "not every test waits")]
pub(crate) async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.expect("it comes within a minute")
}

/// All records of a topic that there are now, by partition and offset.
#[allow(dead_code, reason = "not every test reads")]
pub(crate) async fn read_all(transport: &Arc<KafkaTransport>, topic: &str) -> Vec<pandaflow::Record> {
    use pandaflow_actors::testkit::contract::{Limits, Stage, Subject};
    struct Open(Arc<KafkaTransport>);
    impl Subject for Open {
        fn transport(&self) -> Arc<dyn Transport> {
            self.0.clone()
        }

        fn limits(&self) -> Limits {
            Limits { dense_offsets: false, ..Limits::default() }
        }
    }
    let stage = Stage::of(Open(transport.clone()));
    stage.read_all(&pandaflow::TopicName::new(topic)).await
}
