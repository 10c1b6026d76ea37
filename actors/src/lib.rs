//! What runs a processor: supervisor, hosts, tasks and lanes on actix, the service actors that they talk to, the
//! transports, the command line and the test kit.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod app;
#[cfg(feature = "kafka")]
pub mod broker;
pub mod cli;
pub mod dead_letters;
pub mod dedup;
mod environment;
pub mod health;
pub mod http;
pub mod logging;
pub mod mailbox;
pub mod metrics;
mod mode;
mod plan;
mod process;
mod program;
mod publisher;
mod runtime;
mod services;
mod signals;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod transport;
mod wanted_topics;

pub use app::App;
pub use environment::{EnvironmentError, FolderError, data_folder, read_settings};
pub use mode::{Mode, ModeError};
pub use plan::PlanError;
pub use process::{Process, ProcessError};
pub use program::Program;
pub use publisher::{NotPublished, Publisher};
pub use runtime::{
    ArbiterNews, HandlerTimes, LifecycleState, OnProcessorFailure, ProcessorState, Runtime, RuntimeConfig,
    StartError, StateError, decode_state,
};
pub use services::{Services, ServicesConfig};
pub use signals::Signals;
pub use wanted_topics::changelog_of;
