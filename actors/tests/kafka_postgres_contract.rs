//! Kafka with settlements in PostgreSQL keeps the contract of a transport, on real servers.
#![cfg(all(feature = "kafka", feature = "postgres"))]

#[path = "postgres_support/mod.rs"]
mod postgres;
#[path = "postgres_support/published.rs"]
mod published;
#[path = "kafka_support/mod.rs"]
mod support;

use std::sync::Arc;

use pandaflow::{Offset, ports::Transport};
use pandaflow_actors::{
    testkit::contract::{Limits, Stage, Subject},
    transport::kafka::KafkaConfig,
};

use self::{postgres::Schema, published::Published};

struct Composite {
    config: KafkaConfig,
    transport: Arc<Published>,
    schema: Schema,
}

impl Composite {
    fn new(broker: &str, server: &str) -> Self {
        let schema = Schema::make(server);
        let config = support::config(broker);
        Self { transport: open(&config, &schema), config, schema }
    }
}

/// With a store of its own, as another process would have it.
fn open(config: &KafkaConfig, schema: &Schema) -> Arc<Published> {
    let database = schema.store().settlements();
    let config = KafkaConfig { settle_in: Some(Arc::clone(&database)), ..config.clone() };
    Arc::new(Published { transport: support::transport(&config), database })
}

impl Subject for Composite {
    fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }

    fn reopen(&mut self) -> bool {
        self.transport = open(&self.config, &self.schema);
        true
    }

    /// As on Kafka.
    fn limits(&self) -> Limits {
        Limits { last_offset: Offset(i64::MAX as u64), any_header_names: false, dense_offsets: true }
    }
}

fn run<F: Future<Output = ()>>(check: impl FnOnce(Stage) -> F) {
    if let (Some(broker), Some(server)) = (support::broker(), postgres::server()) {
        pandaflow_actors::testkit::contract::run(check, Composite::new(&broker, &server));
    }
}

macro_rules! on_both {
    ($run:ident; $($group:ident { $($check:ident)* })*) => {
        $(mod $group {
            use super::*;
            $(
                #[test]
                fn $check() {
                    $run(pandaflow_actors::testkit::contract::$group::$check);
                }
            )*
        })*
    };
}

pandaflow_actors::transport_contract_checks!(on_both, run);
