//! What runs a processor: supervisor, hosts, tasks and lanes on actix, the service actors that they talk to, the
//! transports, the command line and the test kit.

pub mod dead_letters;
pub mod dedup;
pub mod health;
pub mod http;
pub mod mailbox;
pub mod metrics;
mod plan;
mod program;
mod publisher;
mod runtime;
mod services;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod transport;

pub use plan::PlanError;
pub use program::Program;
pub use publisher::Publisher;
pub use runtime::{
    ArbiterNews, LifecycleState, OnProcessorFailure, ProcessorState, Runtime, RuntimeConfig, StartError,
    StateError, decode_state,
};
pub use services::{Services, ServicesConfig};
