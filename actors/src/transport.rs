//! Transports: where events lie, and where effects become real.

#[cfg(any(feature = "postgres", feature = "redis"))]
mod deferred_marks;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "kafka", feature = "postgres"))]
pub mod settlement_database;

#[cfg(any(feature = "embedded", feature = "kafka"))]
mod checksum;
#[cfg(any(feature = "embedded", feature = "postgres"))]
mod dead_letter_columns;
#[cfg(any(feature = "embedded", feature = "kafka", feature = "postgres"))]
mod dead_letter_form;
#[cfg(any(feature = "embedded", feature = "kafka", feature = "postgres"))]
mod headers_codec;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod held;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod side_thread;
#[cfg(any(feature = "embedded", feature = "kafka"))]
mod sqlite_file;

#[cfg(any(feature = "postgres", feature = "redis"))]
pub use deferred_marks::DeferredMarks;
