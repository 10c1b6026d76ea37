//! The context of clients that ask and read: their errors come with their answers, so they are not told at large.

use rdkafka::{ClientContext, consumer::ConsumerContext, error::KafkaError};

pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Quiet {}
