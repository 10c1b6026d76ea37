//! The dedup store on Redis keeps the dedup part of the contract. Runs against the server that `PANDAFLOW_TEST_REDIS` names, as
//! `tests/run` and `examples/servers/servers` set it; without it each test says that it is skipped.
#![cfg(feature = "redis")]

use std::sync::Arc;

use pandaflow::{SystemClock, ports::Transport, settings::Settings};
use pandaflow_actors::{
    testkit::contract::{Subject, WithStores},
    transport::{
        memory::MemoryTransport,
        redis::{RedisConfig, RedisDedupStore},
    },
};

/// The memory transport with its dedup store replaced.
struct OnRedis(Arc<WithStores>);

impl OnRedis {
    /// Keys of its own, so that tests that run at once don't meet.
    fn at(url: &str) -> Self {
        let settings = Settings::load([("REDIS__URL", url)], "").expect("PANDAFLOW_TEST_REDIS holds a URL");
        let mut config = RedisConfig::from(&settings.redis);
        config.key_prefix = format!("test-{}", uuid::Uuid::now_v7());
        let dedup = RedisDedupStore::open(&config).expect("a store can be made");
        let memory = MemoryTransport::new(Arc::new(SystemClock));
        Self(Arc::new(WithStores::new(Arc::new(memory)).dedup(Arc::new(dedup))))
    }
}

impl Subject for OnRedis {
    fn transport(&self) -> Arc<dyn Transport> {
        self.0.clone()
    }
}

pandaflow_actors::server_contract!(dedup, "PANDAFLOW_TEST_REDIS", OnRedis::at);
