//! Exactly-once on a real broker: the contract of a transport, and what is there after crashes.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_exactly_once/aborts.rs"]
mod aborts;
#[path = "kafka_support/admin.rs"]
mod admin;
#[path = "kafka_support/child.rs"]
mod child;
#[path = "kafka_exactly_once/crashes.rs"]
mod crashes;
#[path = "kafka_exactly_once/gaps.rs"]
mod gaps;
#[path = "kafka_support/raw_log.rs"]
mod raw_log;
#[path = "kafka_exactly_once/refusals.rs"]
mod refusals;
#[path = "kafka_support/shop.rs"]
mod shop;
#[path = "kafka_support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use pandaflow::{Guarantee, Offset, ports::Transport};
use pandaflow_actors::{
    testkit::contract::{Limits, Stage, Subject},
    transport::kafka::{GroupProtocol, KafkaConfig, KafkaTransport},
};

fn config(broker: &str, protocol: GroupProtocol) -> KafkaConfig {
    KafkaConfig {
        protocol,
        guarantee: Guarantee::ExactlyOnce,
        // Most checks settle one thing after the other.
        commit_interval: Duration::from_millis(1),
        // What a killed process leaves open holds up its readers no longer.
        transaction_timeout: Duration::from_secs(2),
        ..support::config(broker)
    }
}

pub(crate) use self::support::{eventually, read_all, transport};

struct Kafka {
    config: KafkaConfig,
    transport: Arc<KafkaTransport>,
}

impl Kafka {
    fn new(broker: &str, protocol: GroupProtocol) -> Self {
        let config = config(broker, protocol);
        Self { transport: support::transport(&config), config }
    }
}

impl Subject for Kafka {
    fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }

    fn reopen(&mut self) -> bool {
        self.transport = support::transport(&self.config);
        true
    }

    /// As at least once; and the end of a transaction takes an offset in each partition.
    fn limits(&self) -> Limits {
        Limits { last_offset: Offset(i64::MAX as u64), any_header_names: false, dense_offsets: false }
    }
}

fn run<F: Future<Output = ()>>(check: impl FnOnce(Stage) -> F, protocol: GroupProtocol) {
    if let Some(broker) = support::broker() {
        pandaflow_actors::testkit::contract::run(check, Kafka::new(&broker, protocol));
    }
}

macro_rules! on_kafka {
    ($protocol:expr; $($group:ident { $($check:ident)* })*) => {
        $(mod $group {
            use super::*;
            $(
                #[test]
                fn $check() {
                    run(pandaflow_actors::testkit::contract::$group::$check, $protocol);
                }
            )*
        })*
    };
}

mod classic {
    use super::*;
    pandaflow_actors::transport_contract_checks!(on_kafka, GroupProtocol::Classic);
}

/// What depends on the group protocol.
mod consumer {
    use super::*;
    on_kafka! { GroupProtocol::Consumer;
        fencing {
            epochs_rise
            a_restarted_partition_starts_over_from_what_was_settled
        }
        closing {
            a_draining_owner_may_settle_until_it_lets_go
            the_next_subscription_goes_on
        }
        load {
            a_chain_of_groups_passes_everything_on_once
        }
    }
}
