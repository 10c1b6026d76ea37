//! How a service actor is reached: a mailbox for one kind of message, shared by all that hold the handle.
//!
//! A handle holds one `Mailbox` per message, made from the real actor or from a mock. Raw addresses stay inside.

use std::{fmt, future::Future, sync::Arc};

use actix::{Message, Recipient, dev::SendError};
use tokio::sync::Semaphore;

/// The way to one actor for messages of one type. Cheap to clone; all clones share one bound.
///
/// - [`Mailbox::ask`]: at most as many asks as the bound says are under way at once, their answers awaited; later
///   ones wait in turn. So the sender is held up, never the memory.
/// - [`Mailbox::tell`]: at most the actor's mailbox and one message more per `Mailbox` lie there; when it is
///   full, the message comes back.
/// - [`Mailbox::tell_past_bound`]: for what must arrive and whose number is bounded by something else, such
///   as one message per task.
pub struct Mailbox<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    // Behind an Arc, since each clone of a recipient would have a slot of its own in the actor's mailbox.
    way: Arc<Way<M>>,
}

struct Way<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    service: &'static str,
    recipient: Recipient<M>,
    asks: Arc<Semaphore>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// The actor has ended, or what it did for this message panicked.
    #[error("the {service} actor gave no answer: it has ended, or failed while it worked on the message")]
    Closed {
        /// Which actor.
        service: &'static str,
    },
}

/// A message that was not taken, given back.
pub struct Undelivered<M> {
    /// The message.
    pub message: M,
    /// Why.
    pub reason: Refusal,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The mailbox is full: the same may be sent later.
    Full,
    /// The actor has ended.
    Closed,
}

impl<M> Mailbox<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// A way to `recipient`, the actor named `service`, for at most `asks` asks at once.
    #[must_use]
    pub fn new(service: &'static str, recipient: Recipient<M>, asks: usize) -> Self {
        let asks = Arc::new(Semaphore::new(asks.clamp(1, Semaphore::MAX_PERMITS)));
        Self { way: Arc::new(Way { service, recipient, asks }) }
    }

    /// Sends a message and waits for its answer.
    ///
    /// Below the bound the message is in the mailbox when this returns, so that messages of one sender arrive
    /// in the order of the calls; at the bound it goes when its turn has come, once the future is polled. A future
    /// that is dropped takes a message back that the actor has not begun with.
    ///
    /// # Errors
    /// The actor has ended, or the handling of this message panicked.
    pub fn ask(
        &self,
        message: M,
    ) -> impl Future<Output = Result<M::Result, MailboxError>> + Send + 'static + use<M> {
        let way = Arc::clone(&self.way);
        let begun = match Arc::clone(&way.asks).try_acquire_owned() {
            Ok(permit) => Ok((permit, way.recipient.send(message))),
            Err(_) => Err(message),
        };
        async move {
            let closed = MailboxError::Closed { service: way.service };
            let (permit, request) = match begun {
                Ok(begun) => begun,
                Err(message) => {
                    let turn = Arc::clone(&way.asks).acquire_owned().await;
                    (turn.map_err(|_| closed)?, way.recipient.send(message))
                }
            };
            let answer = request.await;
            drop(permit);
            answer.map_err(|_| closed)
        }
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    /// The mailbox is full or closed; the message comes back.
    pub fn tell(&self, message: M) -> Result<(), Undelivered<M>> {
        self.way.recipient.try_send(message).map_err(|error| match error {
            SendError::Full(message) => Undelivered { message, reason: Refusal::Full },
            SendError::Closed(message) => Undelivered { message, reason: Refusal::Closed },
        })
    }

    /// Sends a message also when the mailbox is full. It is lost only if the actor has ended.
    pub fn tell_past_bound(&self, message: M) {
        self.way.recipient.do_send(message);
    }

    /// Whether the actor is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.way.recipient.connected()
    }
}

impl<M> Clone for Mailbox<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn clone(&self) -> Self {
        Self { way: Arc::clone(&self.way) }
    }
}

impl<M> fmt::Debug for Mailbox<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("service", &self.way.service).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Undelivered<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undelivered").field("reason", &self.reason).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
