//! Kafka with settlements in PostgreSQL keeps the contract of a transport, on real servers.
#![cfg(all(feature = "kafka", feature = "postgres"))]

#[path = "postgres_support/mod.rs"]
mod postgres;
#[path = "postgres_support/published.rs"]
mod published;
#[path = "kafka_support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pandaflow::{
    Offset,
    policy::watermark::Progress,
    ports::{Applied, Settlement, StateChange, Transport},
};
use pandaflow_actors::{
    testkit::contract::{Limits, Stage, Subject, effects},
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
    // Each settlement here waits until nobody's outputs wait: what lingers holds up all.
    let linger = Duration::ZERO;
    let config = KafkaConfig { settle_in: Some(Arc::clone(&database)), linger, ..config.clone() };
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

    /// As on Kafka; what publishes ends transactions, which take offsets.
    fn limits(&self) -> Limits {
        Limits { last_offset: Offset(i64::MAX as u64), any_header_names: false, dense_offsets: false }
    }
}

/// A process of several, with the database or without.
struct OneLife(Arc<dyn Transport>);

impl Subject for OneLife {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.0)
    }
}

/// A process died between its state and its commit, then the group's settlements went into the database, and whoever took its
/// state over there may die at once: the event is in the state, and must not go in again.
#[test]
fn what_has_gone_into_a_state_on_the_broker_is_known_in_the_database_until_it_is_settled() {
    let (Some(broker), Some(server)) = (support::broker(), postgres::server()) else { return };
    let Composite { config, schema, .. } = Composite::new(&broker, &server);
    let life = || Stage::of(OneLife(open(&config, &schema)));
    postgres::runtime().block_on(async {
        let on_broker = Stage::of(OneLife(support::transport(&config)));
        let input = on_broker.topic("paper.in", 1).await;
        on_broker.publish_values(&input, 0..5).await;
        let owner = on_broker.acquire("g", 0, &[&input]).await.owner;
        let state = |key: &'static str, last| StateChange {
            applied: vec![(input.clone(), Offset(last))],
            ..StateChange::new(Bytes::from_static(key.as_bytes()), Some(Bytes::from_static(b"2")))
        };
        let settled = Settlement {
            states: vec![state("k", 2), state("settled", 0)],
            progress: vec![(input.clone(), Progress::at(Offset(1)))],
            ..effects(&owner)
        };
        on_broker.settle(settled).await;
        on_broker.transport().close().await;

        let known = [Applied { key: Bytes::from_static(b"k"), topic: input.clone(), last: Offset(2) }];
        // Each of them is another process, and the one before has settled nothing.
        for _ in 0..3 {
            let acquired = life().acquire("g", 0, &[&input]).await;
            assert_eq!(acquired.progress, [(input.clone(), Progress::at(Offset(1)))]);
            assert_eq!(acquired.applied, known);
        }
        let last = life();
        for (next, left) in [(2, &known[..]), (3, &[])] {
            let owner = last.acquire("g", 0, &[&input]).await.owner;
            let progress = vec![(input.clone(), Progress::at(Offset(next)))];
            last.settle(Settlement { progress, ..effects(&owner) }).await;
            assert_eq!(last.acquire("g", 0, &[&input]).await.applied, left, "settled up to {next}");
        }
    });
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
