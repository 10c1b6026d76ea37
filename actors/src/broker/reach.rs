//! Reaching a broker: asks for its topics until it has answered, it is clear that it won't, or time is over.

use std::{thread, time::Duration};

use rdkafka::{consumer::Consumer, error::KafkaResult, metadata::Metadata};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{Broker, BrokerError};

/// How often the client's errors are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Broker {
    /// All topics that the program may see.
    pub(super) async fn metadata(&self) -> Result<Metadata, BrokerError> {
        let (consumer, timeout) = (self.consumer.clone(), self.timeout);
        let mut answer = off_thread(move || consumer.fetch_metadata(None, timeout))?;
        let deadline = Instant::now() + timeout;
        loop {
            // It serves the client's errors and log lines, without which there is no reason to tell.
            while self.consumer.poll(Duration::ZERO).is_some() {}
            let heard = self.consumer.context().heard();
            if let Some(error) = BrokerError::hopeless(&self.servers, &heard) {
                return Err(error);
            }
            match answer.try_recv() {
                Ok(Ok(metadata)) => {
                    self.consumer.context().forget();
                    return Ok(metadata);
                }
                Ok(Err(error)) => return Err(BrokerError::unreached(&self.servers, timeout, &heard, &error)),
                Err(_) if Instant::now() > deadline + LOOK_EVERY * 10 => {
                    let error = rdkafka::error::KafkaError::Canceled;
                    return Err(BrokerError::unreached(&self.servers, timeout, &heard, &error));
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
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
