//! How the dedup service is called.

use std::future::Future;

use pandaflow::{
    EventId, Group,
    ports::{Claim, Owner, Verdict},
};

use super::{ClaimEvents, DedupError, EventsDone, FenceOwner, ReleaseEvents};
use crate::mailbox::Mailbox;

/// The mailboxes that a [`DedupHandle`] sends to: those of the actor, or of mocks.
#[derive(Debug, Clone)]
pub struct DedupMailboxes {
    /// Takes claims.
    pub claim: Mailbox<ClaimEvents>,
    /// Takes ids of settled events.
    pub done: Mailbox<EventsDone>,
    /// Takes claims back.
    pub release: Mailbox<ReleaseEvents>,
    /// Takes new owners.
    pub fence: Mailbox<FenceOwner>,
}

/// Calls the dedup service. Cheap to clone. The calls of one owner are carried out in their order; those of
/// different owners don't wait for each other.
#[derive(Debug, Clone)]
pub struct DedupHandle {
    to: DedupMailboxes,
}

impl DedupHandle {
    /// A handle that sends to these.
    #[must_use]
    pub fn new(to: DedupMailboxes) -> Self {
        Self { to }
    }

    /// Claims events: one verdict each, in order.
    ///
    /// # Errors
    /// The store is down or slow and the policy says to wait for it; nothing is claimed.
    pub fn claim(
        &self,
        claim: Claim,
    ) -> impl Future<Output = Result<Vec<Verdict>, DedupError>> + Send + 'static + use<> {
        let answer = self.to.claim.ask(ClaimEvents(claim));
        async { answer.await? }
    }

    /// Says that events are settled.
    ///
    /// # Errors
    /// As for [`DedupHandle::claim`]; saying it twice does no harm.
    pub fn done(
        &self,
        owner: Owner,
        ids: Vec<EventId>,
    ) -> impl Future<Output = Result<(), DedupError>> + Send + 'static + use<> {
        let answer = self.to.done.ask(EventsDone { owner, ids });
        async { answer.await? }
    }

    /// Gives claims up.
    ///
    /// # Errors
    /// As for [`DedupHandle::claim`]; the claims end with their lease.
    pub fn release(
        &self,
        owner: Owner,
        ids: Vec<EventId>,
    ) -> impl Future<Output = Result<(), DedupError>> + Send + 'static + use<> {
        let answer = self.to.release.ask(ReleaseEvents { owner, ids });
        async { answer.await? }
    }

    /// Ends the claims of the earlier owners of `owner`'s partition.
    ///
    /// # Errors
    /// As for [`DedupHandle::claim`]; their claims end with their lease.
    pub fn fence(
        &self,
        group: Group,
        owner: Owner,
    ) -> impl Future<Output = Result<(), DedupError>> + Send + 'static + use<> {
        let answer = self.to.fence.ask(FenceOwner { group, owner });
        async { answer.await? }
    }

    /// Whether the actor is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.to.claim.is_open()
    }
}
