//! The dedup actor: takes the messages in order and lets the desk carry them out side by side.

use std::{rc::Rc, sync::Arc};

use actix::{Actor, ArbiterHandle, Context, Handler, ResponseFuture};
use pandaflow::ports::{DedupStore, Verdict};

use super::{
    ClaimEvents, DedupConfig, DedupError, DedupHandle, DedupMailboxes, EventsDone, FenceOwner, ReleaseEvents,
    desk::Desk,
};
use crate::{health::HealthHandle, mailbox::Mailbox, metrics::MetricsHandle};

/// Answers whether events were seen before. It ends when the last handle is gone.
pub struct DedupActor {
    desk: Rc<Desk>,
}

impl DedupActor {
    /// Starts it on `arbiter`, over `store`.
    #[must_use]
    pub fn start(
        arbiter: &ArbiterHandle,
        config: DedupConfig,
        store: Arc<dyn DedupStore>,
        health: HealthHandle,
        metrics: MetricsHandle,
    ) -> DedupHandle {
        let bound = config.mailbox;
        let address = Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(config.mailbox);
            Self { desk: Rc::new(Desk::new(config, store, health, metrics)) }
        });
        DedupHandle::new(DedupMailboxes {
            claim: Mailbox::new("dedup", address.clone().recipient(), bound),
            done: Mailbox::new("dedup", address.clone().recipient(), bound),
            release: Mailbox::new("dedup", address.clone().recipient(), bound),
            fence: Mailbox::new("dedup", address.recipient(), bound),
        })
    }
}

impl Actor for DedupActor {
    type Context = Context<Self>;
}

impl Handler<ClaimEvents> for DedupActor {
    type Result = ResponseFuture<Result<Vec<Verdict>, DedupError>>;

    fn handle(&mut self, ClaimEvents(claim): ClaimEvents, _ctx: &mut Self::Context) -> Self::Result {
        let turn = self.desk.route(&claim.owner);
        Box::pin(Rc::clone(&self.desk).claim(turn, claim))
    }
}

impl Handler<EventsDone> for DedupActor {
    type Result = ResponseFuture<Result<(), DedupError>>;

    fn handle(&mut self, EventsDone { owner, ids }: EventsDone, _ctx: &mut Self::Context) -> Self::Result {
        let turn = self.desk.route(&owner);
        Box::pin(Rc::clone(&self.desk).done(turn, owner, ids))
    }
}

impl Handler<ReleaseEvents> for DedupActor {
    type Result = ResponseFuture<Result<(), DedupError>>;

    fn handle(
        &mut self,
        ReleaseEvents { owner, ids }: ReleaseEvents,
        _ctx: &mut Self::Context,
    ) -> Self::Result {
        let turn = self.desk.route(&owner);
        Box::pin(Rc::clone(&self.desk).release(turn, owner, ids))
    }
}

impl Handler<FenceOwner> for DedupActor {
    type Result = ResponseFuture<Result<(), DedupError>>;

    fn handle(&mut self, FenceOwner { group, owner }: FenceOwner, _ctx: &mut Self::Context) -> Self::Result {
        let turn = self.desk.route(&owner);
        Box::pin(Rc::clone(&self.desk).fence(turn, group, owner))
    }
}
