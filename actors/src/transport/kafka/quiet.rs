//! The context of clients that ask and read: their errors come with their answers, so they are not told at large.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{
    ClientContext,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

/// Remembers the last thing that went wrong: an answer that doesn't come says only that it doesn't.
#[derive(Clone, Default)]
pub(super) struct Quiet(Arc<Mutex<Option<String>>>);

impl Quiet {
    /// The last thing that went wrong since the last look.
    pub(super) fn last_error(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("kafka: {error}: {reason}");
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all are down follows from why each is.
        if last.is_none() || error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *last = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Quiet {}
