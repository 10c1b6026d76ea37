//! The Kafka transport keeps the contract of a transport, on a real broker, with both group protocols.
#![cfg(feature = "kafka")]

#[path = "kafka_support/mod.rs"]
mod support;

use std::sync::Arc;

use pandaflow::{Offset, ports::Transport};
use pandaflow_actors::{
    testkit::contract::{Limits, Stage, Subject},
    transport::kafka::{GroupProtocol, KafkaConfig, KafkaTransport},
};

struct Kafka {
    config: KafkaConfig,
    transport: Arc<KafkaTransport>,
}

impl Kafka {
    fn new(broker: &str, protocol: GroupProtocol) -> Self {
        let config = KafkaConfig { protocol, ..support::config(broker) };
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

    /// Offsets are signed there, and the client reads names of headers as text.
    fn limits(&self) -> Limits {
        Limits { last_offset: Offset(i64::MAX as u64), any_header_names: false, ..Limits::default() }
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
        delivery {
            records_of_all_topics_come_with_their_input
            each_partition_comes_to_its_own_owner
            groups_read_independently
        }
        progress {
            delivery_goes_on_from_the_progress
        }
        fencing {
            epochs_rise
            a_restarted_partition_starts_over_from_what_was_settled
            a_restarted_partition_delivers_nothing_to_its_earlier_owner
        }
        closing {
            closing_gives_every_partition_back_and_waits
            a_draining_owner_may_settle_until_it_lets_go
            nothing_is_delivered_after_closing
            the_next_subscription_goes_on
        }
    }
}
