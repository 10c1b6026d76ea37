//! Mock mailboxes: actors that take messages of one type, remember them and answer as a test tells them, in
//! place of the dedup, dead-letter, health and metrics actors.
//!
//! ```
//! use std::time::Duration;
//! use pandaflow::{Epoch, EventId, Partition, Timestamp, ports::{Claim, Owner, Verdict}};
//! use pandaflow_actors::testkit::mock_mailbox::{Gate, MockDedup};
//!
//! # actix::System::new().block_on(async {
//! let dedup = MockDedup::start();
//! dedup.claim.expect(|claim| claim.0.ids.len() == 1).answer(Ok(vec![Verdict::Done]));
//! dedup.claim.expect(|_| true).fail();
//!
//! let owner = Owner { group: "p.paper.risk".into(), partition: Partition(0), epoch: Epoch(1) };
//! let ids = vec![EventId(uuid::Uuid::nil())];
//! let claim = Claim { owner, ids, now: Timestamp(0), lease: Duration::from_secs(30) };
//! // What is tested gets the handle, which is of the same type as that of the real actor.
//! let handle = dedup.handle();
//! assert_eq!(handle.claim(claim.clone()).await, Ok(vec![Verdict::Done]));
//! assert!(handle.claim(claim.clone()).await.is_err(), "failed");
//! assert_eq!(handle.claim(claim).await, Ok(vec![Verdict::Fresh]), "the default answer");
//! assert_eq!(dedup.claim.received().len(), 3);
//! dedup.verify();
//! # });
//! ```

mod gate;
mod reply;
mod script;
mod services;

pub use gate::Gate;
pub use script::Expectation;
pub use services::{MockDeadLetters, MockDedup, MockHealth, MockMetrics};

use std::{
    fmt,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, Context, Handler, Message};
use tokio::sync::watch;

use self::{reply::Reply, script::Script};
use crate::mailbox::Mailbox;

/// An actor that takes messages of type `M` and answers as it is told.
///
/// Messages are compared with the expectations in their order. One that the next expectation doesn't want gets the
/// default answer; where there is none, it gets no answer, and [`MockMailbox::verify`] complains.
pub struct MockMailbox<M>
where
    M: Message + Clone + fmt::Debug + Send + 'static,
    M::Result: Send + 'static,
{
    name: &'static str,
    address: Addr<Mock<M>>,
    script: Arc<Mutex<Script<M>>>,
    arrived: watch::Receiver<usize>,
}

/// The actor behind a mock mailbox.
struct Mock<M>
where
    M: Message,
{
    script: Arc<Mutex<Script<M>>>,
    arrived: watch::Sender<usize>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Close;

impl<M> MockMailbox<M>
where
    M: Message + Clone + fmt::Debug + Send + 'static,
    M::Result: Send + 'static,
{
    /// Messages that wait in a mock's mailbox before it is full.
    pub const BOUND: usize = 1_024;

    /// How long [`MockMailbox::received_at_least`] waits.
    pub const PATIENCE: Duration = Duration::from_secs(60);

    /// Starts one on the current arbiter, without a default answer. The name stands in its complaints.
    #[must_use]
    pub fn start(name: &'static str) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let (counts, arrived) = watch::channel(0);
        let of = Arc::clone(&script);
        let address = Mock::create(|ctx| {
            ctx.set_mailbox_capacity(Self::BOUND);
            Mock { script: of, arrived: counts }
        });
        Self { name, address, script, arrived }
    }

    /// Starts one whose default answer this makes.
    #[must_use]
    pub fn answering(name: &'static str, answer: impl Fn(&M) -> M::Result + Send + 'static) -> Self {
        let mock = Self::start(name);
        mock.answer_by_default(answer);
        mock
    }

    /// The mailbox that what is tested sends to.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox<M> {
        Mailbox::new(self.name, self.address.clone().recipient(), Self::BOUND)
    }

    /// Expects a message that `wanted` says yes to, after those expected before. Say next what it gets.
    #[track_caller]
    pub fn expect(&self, wanted: impl Fn(&M) -> bool + Send + 'static) -> Expectation<'_, M> {
        Expectation::new(&self.script, Box::new(wanted), Location::caller())
    }

    /// Answers messages that are not expected.
    pub fn answer_by_default(&self, answer: impl Fn(&M) -> M::Result + Send + 'static) {
        self.script().answer_by_default(Some(Box::new(answer)));
    }

    /// Takes the default answer away: a message that is not expected gets no answer.
    pub fn be_strict(&self) {
        self.script().answer_by_default(None);
    }

    /// All messages so far.
    #[must_use]
    pub fn received(&self) -> Vec<M> {
        self.script().received()
    }

    /// Waits until as many messages have come in all.
    ///
    /// # Panics
    /// If they have not come within [`MockMailbox::PATIENCE`], which passes at once where the clock is paused.
    pub async fn received_at_least(&self, messages: usize) {
        let mut arrived = self.arrived.clone();
        let wait = arrived.wait_for(|so_far| *so_far >= messages);
        let came = tokio::time::timeout(Self::PATIENCE, wait).await.is_ok_and(|wait| wait.is_ok());
        assert!(
            came,
            "the mock mailbox {:?} waits for {messages} messages; it got {:#?}",
            self.name,
            self.received()
        );
    }

    /// Ends the actor: whoever sends from now on finds the mailbox closed.
    pub async fn close(&self) {
        let _ = self.address.send(Close).await;
        while self.address.connected() {
            tokio::task::yield_now().await;
        }
    }

    /// Checks that all that was expected has come, and nothing else where there is no default answer.
    ///
    /// # Panics
    /// If not, with what was expected and what came, line by line.
    #[track_caller]
    pub fn verify(&self) {
        if let Err(complaint) = self.script().verdict(self.name) {
            panic!("{complaint}");
        }
    }

    fn script(&self) -> MutexGuard<'_, Script<M>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Actor for Mock<M>
where
    M: Message + Clone + fmt::Debug + Send + 'static,
    M::Result: Send + 'static,
{
    type Context = Context<Self>;
}

impl<M> Handler<M> for Mock<M>
where
    M: Message + Clone + fmt::Debug + Send + 'static,
    M::Result: Send + 'static,
{
    type Result = Reply<M>;

    fn handle(&mut self, message: M, _ctx: &mut Self::Context) -> Reply<M> {
        let reply = self.script.lock().unwrap_or_else(PoisonError::into_inner).take(message);
        self.arrived.send_modify(|so_far| *so_far += 1);
        reply
    }
}

impl<M> Handler<Close> for Mock<M>
where
    M: Message + Clone + fmt::Debug + Send + 'static,
    M::Result: Send + 'static,
{
    type Result = ();

    fn handle(&mut self, Close: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests;
