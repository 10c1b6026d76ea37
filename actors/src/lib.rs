//! What runs a stream processor: actors, transports, stores, the command line and the test kit.

pub mod dead_letters;
pub mod dedup;
pub mod health;
pub mod mailbox;
pub mod metrics;
