//! Reaching a broker: asks for its topics until it has answered, it is clear that it won't, or time is over.

use std::{thread, time::Duration};

use rdkafka::{
    consumer::Consumer,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    metadata::Metadata,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{Broker, BrokerError, listener::serve};

/// How often the client's errors are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Broker {
    /// All topics that the program may see. A broker that is not there yet is waited for.
    pub(super) async fn metadata(&self) -> Result<Metadata, BrokerError> {
        let deadline = Instant::now() + self.timeout;
        let mut answer = self.ask(deadline)?;
        loop {
            // It serves the client's errors and log lines, without which there is no reason to tell.
            serve(&self.consumer);
            let heard = self.consumer.context().heard();
            if let Some(error) = BrokerError::hopeless(&self.servers, &heard) {
                return Err(error);
            }
            let late = Instant::now() >= deadline;
            match answer.try_recv() {
                Ok(Ok(metadata)) => {
                    self.consumer.context().forget();
                    return Ok(metadata);
                }
                Ok(Err(error)) if late => {
                    return Err(BrokerError::unreached(&self.servers, self.timeout, &heard, &error));
                }
                Err(_) if Instant::now() > deadline + LOOK_EVERY * 10 => {
                    let error = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
                    return Err(BrokerError::unreached(&self.servers, self.timeout, &heard, &error));
                }
                Ok(Err(_)) => {
                    sleep(LOOK_EVERY).await;
                    answer = self.ask(deadline)?;
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    fn ask(&self, deadline: Instant) -> Result<oneshot::Receiver<KafkaResult<Metadata>>, BrokerError> {
        let consumer = self.consumer.clone();
        off_thread(move || consumer.fetch_metadata(None, deadline.saturating_duration_since(Instant::now())))
    }
}

/// Runs what blocks on a thread of its own. Not on the runtime's: a program that ends would wait for those.
pub(super) fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> KafkaResult<T> + Send + 'static,
) -> Result<oneshot::Receiver<KafkaResult<T>>, BrokerError> {
    let (send, receive) = oneshot::channel();
    let run = move || {
        // Nobody waits any more once the deadline is over.
        let _ = send.send(work());
    };
    thread::Builder::new()
        .name("kafka-question".into())
        .spawn(run)
        .map_err(|error| BrokerError::Client(format!("a thread can't be started: {error}")))?;
    Ok(receive)
}
