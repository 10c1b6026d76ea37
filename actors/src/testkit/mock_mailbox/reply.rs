//! What a mock does with a message: answers it, now or later, or lets it down.

use actix::{
    Actor, Message,
    dev::{MessageResponse, OneshotSender},
};

use super::Gate;

/// How a message is answered.
pub(super) type Answer<M> = Box<dyn FnOnce(&M) -> <M as Message>::Result + Send>;

/// What happens with one message.
pub(super) struct Reply<M: Message> {
    pub(super) message: M,
    pub(super) behind: Option<Gate>,
    /// `None`: the sender is told that there is no answer.
    pub(super) answer: Option<Answer<M>>,
}

impl<M> Reply<M>
where
    M: Message,
{
    fn send(self, sender: Option<OneshotSender<M::Result>>) {
        if let (Some(answer), Some(sender)) = (self.answer, sender) {
            // Whoever asked may have gone meanwhile.
            let _ = sender.send(answer(&self.message));
        }
    }
}

impl<A, M> MessageResponse<A, M> for Reply<M>
where
    A: Actor,
    M: Message + 'static,
    M::Result: 'static,
{
    fn handle(mut self, _ctx: &mut A::Context, sender: Option<OneshotSender<M::Result>>) {
        match self.behind.take() {
            None => self.send(sender),
            Some(gate) => {
                actix_rt::spawn(async move {
                    gate.passed().await;
                    self.send(sender);
                });
            }
        }
    }
}
