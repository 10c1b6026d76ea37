//! Checkpoints of changelogs and tables on a real broker: a process that starts again reads only what came since, and finds what
//! one without a checkpoint finds, whatever has become of the file or of the log.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/admin.rs"]
mod admin;
#[path = "kafka_checkpoints/files.rs"]
mod files;
#[path = "kafka_checkpoints/logs.rs"]
mod logs;
#[path = "kafka_checkpoints/machine.rs"]
mod machine;
#[path = "kafka_support/raw_log.rs"]
mod raw_log;
#[path = "kafka_checkpoints/restarts.rs"]
mod restarts;
#[path = "kafka_support/mod.rs"]
mod support;
#[path = "kafka_checkpoints/tables.rs"]
mod tables;
