//! What the dedup actor is asked.

use actix::Message;
use pandaflow::{
    EventId, Group,
    ports::{Claim, Owner, Verdict},
};

use super::DedupError;

/// An owner is about to handle events: one verdict each, in order.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<Vec<Verdict>, DedupError>")]
pub struct ClaimEvents(pub Claim);

/// The events are settled: duplicates of them are to be found from now on.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<(), DedupError>")]
pub struct EventsDone {
    /// Who claimed them.
    pub owner: Owner,
    /// The events.
    pub ids: Vec<EventId>,
}

/// The events were not handled and may be claimed again.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<(), DedupError>")]
pub struct ReleaseEvents {
    /// Who claimed them.
    pub owner: Owner,
    /// The events.
    pub ids: Vec<EventId>,
}

/// A new owner has been assigned: the claims of the earlier owners of its partition end.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<(), DedupError>")]
pub struct FenceOwner {
    /// The group.
    pub group: Group,
    /// The new owner.
    pub owner: Owner,
}
