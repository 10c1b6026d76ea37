//! Hears what a client has to say while it tries to reach a broker: the reason stands only there.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

/// Most reasons that are kept: of the latest attempts to connect.
const KEPT: usize = 32;

/// What was heard, the latest last.
#[derive(Debug, Default)]
pub(super) struct Listener {
    heard: Mutex<VecDeque<(Option<RDKafkaErrorCode>, String)>>,
}

impl Listener {
    /// What was heard so far, the latest last.
    pub(super) fn heard(&self) -> Vec<(Option<RDKafkaErrorCode>, String)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Whether an error of this code was heard.
    pub(super) fn has_heard(&self, code: RDKafkaErrorCode) -> bool {
        self.heard().iter().any(|(heard, _)| *heard == Some(code))
    }

    /// Forgets it.
    pub(super) fn forget(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn hear(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() == KEPT {
            heard.pop_front();
        }
        heard.push_back((code, reason.to_owned()));
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!(target: "librdkafka", "{facility} {message}");
        if matches!(
            level,
            RDKafkaLogLevel::Emerg
                | RDKafkaLogLevel::Alert
                | RDKafkaLogLevel::Critical
                | RDKafkaLogLevel::Error
                | RDKafkaLogLevel::Warning
        ) {
            self.hear(None, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!(target: "librdkafka", "{error}: {reason}");
        // Said over and over while nothing is reached; the reasons would be lost among it, so it is kept once.
        let code = error.rdkafka_error_code();
        if code != Some(RDKafkaErrorCode::AllBrokersDown) || !self.has_heard(RDKafkaErrorCode::AllBrokersDown)
        {
            self.hear(code, reason);
        }
    }
}

impl ConsumerContext for Listener {}

/// Lets a client tell what it has to say. A poll that served a log line looks as if there were nothing, so it is asked as
/// often as there can be something to keep.
pub(super) fn serve(consumer: &BaseConsumer<Listener>) {
    for _ in 0..KEPT {
        // An error is heard by the listener, too.
        let _ = consumer.poll(Duration::ZERO);
    }
}
