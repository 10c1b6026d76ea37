//! Ids are claimed under a lease, then done; a crash between the two leads to another try.

use std::time::Duration;

use pandaflow::{
    EventId, Timestamp,
    ports::{Claim, Mark, Owner, Settlement, Standing, Verdict},
};

use super::stage::{Stage, effects, within};

const LEASE: Duration = Duration::from_millis(100);

fn id(number: u128) -> EventId {
    EventId(uuid::Uuid::from_u128(number))
}

async fn owner(stage: &Stage, group: &str, partition: u32) -> Owner {
    stage.acquire(group, partition, &[]).await.owner
}

async fn claim(stage: &Stage, owner: &Owner, ids: &[u128], now: i64) -> Vec<Verdict> {
    let ids = ids.iter().copied().map(id).collect();
    let claim = Claim { owner: owner.clone(), ids, now: Timestamp(now), lease: LEASE };
    within(stage.transport().dedup().claim(claim)).await.expect("ids can be claimed")
}

async fn release(stage: &Stage, owner: &Owner, number: u128) {
    let released = stage.transport().dedup().release(owner.clone(), vec![id(number)]);
    within(released).await.expect("a claim can be given up");
}

async fn mark(stage: &Stage, owner: &Owner, number: u128, expires: i64) {
    let marks = vec![Mark { id: id(number), expires: Timestamp(expires) }];
    stage.settle(Settlement { marks, ..effects(owner) }).await;
}

async fn fence(stage: &Stage, owner: &Owner) -> Standing {
    within(stage.transport().dedup().fence(owner.group.clone(), owner.clone()))
        .await
        .expect("earlier owners can be fenced")
}

fn leased(until: i64) -> Verdict {
    Verdict::Leased { until: Timestamp(until) }
}

/// A second claim of the same owner finds its first one.
pub async fn an_id_is_fresh_once(stage: Stage) {
    let me = owner(&stage, "g", 0).await;
    assert_eq!(claim(&stage, &me, &[1, 2], 0).await, [Verdict::Fresh; 2]);
    assert!(matches!(claim(&stage, &me, &[2], 50).await[..], [Verdict::Leased { .. }]));
    assert_eq!(claim(&stage, &me, &[3], 50).await, [Verdict::Fresh]);
}

/// Verdicts are in the order of the ids.
pub async fn an_id_twice_in_one_claim_is_fresh_once(stage: Stage) {
    let me = owner(&stage, "g", 0).await;
    let verdicts = claim(&stage, &me, &[1, 2, 1], 0).await;
    assert_eq!(verdicts[..2], [Verdict::Fresh; 2]);
    assert!(matches!(verdicts[2], Verdict::Leased { .. }), "{verdicts:?}");
}

/// The end of the lease is that of the claim that holds.
pub async fn others_are_told_until_when_a_claim_holds(stage: Stage) {
    let (one, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    claim(&stage, &one, &[1], 1000).await;
    assert_eq!(claim(&stage, &other, &[1, 2], 1099).await, [leased(1100), Verdict::Fresh]);
}

/// After the lease, the next one that asks may handle it.
pub async fn an_expired_claim_is_free(stage: Stage) {
    let (one, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    claim(&stage, &one, &[1], 1000).await;
    assert_eq!(claim(&stage, &other, &[1], 1101).await, [Verdict::Fresh]);
    assert_eq!(claim(&stage, &one, &[1], 1102).await, [leased(1201)]);
}

/// Given up, not handled.
pub async fn a_released_claim_is_free(stage: Stage) {
    let (one, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    claim(&stage, &one, &[1], 0).await;
    release(&stage, &one, 1).await;
    assert_eq!(claim(&stage, &other, &[1], 1).await, [Verdict::Fresh]);
}

/// For its owner as for others.
pub async fn a_settled_mark_makes_a_duplicate(stage: Stage) {
    let (one, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    claim(&stage, &one, &[1], 0).await;
    mark(&stage, &one, 1, 1000).await;
    assert_eq!(claim(&stage, &one, &[1], 1).await, [Verdict::Done]);
    assert_eq!(claim(&stage, &other, &[1, 2, 1], 500).await, [Verdict::Done, Verdict::Fresh, Verdict::Done]);
    release(&stage, &one, 1).await;
    assert_eq!(claim(&stage, &other, &[1], 501).await, [Verdict::Done]);
}

/// `done` ends claims, not marks.
pub async fn done_keeps_the_mark(stage: Stage) {
    let me = owner(&stage, "g", 0).await;
    claim(&stage, &me, &[1], 0).await;
    mark(&stage, &me, 1, 1000).await;
    within(stage.transport().dedup().done(me.clone(), vec![id(1)])).await.expect("claims can be ended");
    assert_eq!(claim(&stage, &me, &[1], 999).await, [Verdict::Done]);
}

/// After its time to live, an id is as good as new.
pub async fn a_mark_expires(stage: Stage) {
    let me = owner(&stage, "g", 0).await;
    claim(&stage, &me, &[1], 0).await;
    mark(&stage, &me, 1, 1000).await;
    within(stage.transport().dedup().done(me.clone(), vec![id(1)])).await.expect("claims can be ended");
    assert_eq!(claim(&stage, &me, &[1], 1001).await, [Verdict::Fresh]);
}

/// A time to live that is longer than time is for ever.
pub async fn a_mark_may_count_for_ever(stage: Stage) {
    let me = owner(&stage, "g", 0).await;
    mark(&stage, &me, 1, i64::MAX).await;
    mark(&stage, &me, 2, i64::MAX - 600).await;
    assert_eq!(claim(&stage, &me, &[1, 2], 1).await, [Verdict::Done; 2]);
}

/// An event that comes again elsewhere is a duplicate all the same.
pub async fn a_mark_counts_in_every_partition(stage: Stage) {
    let (one, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    mark(&stage, &one, 1, 1000).await;
    assert_eq!(claim(&stage, &other, &[1], 1).await, [Verdict::Done]);
}

/// Each group handles each event.
pub async fn ids_are_kept_per_group(stage: Stage) {
    let (one, other) = (owner(&stage, "g", 0).await, owner(&stage, "h", 0).await);
    mark(&stage, &one, 1, 1000).await;
    claim(&stage, &one, &[2], 1).await;
    assert_eq!(claim(&stage, &other, &[1, 2], 1).await, [Verdict::Fresh; 2]);
}

/// A new owner need not wait for the lease of the one before it, but for that of others.
pub async fn a_fence_ends_claims_of_earlier_owners_only(stage: Stage) {
    let (before, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    claim(&stage, &before, &[1, 4], 0).await;
    mark(&stage, &before, 4, 1000).await;
    claim(&stage, &other, &[2], 0).await;
    let me = owner(&stage, "g", 0).await;
    claim(&stage, &me, &[3], 0).await;
    assert_eq!(fence(&stage, &me).await, Standing::InForce);
    let verdicts = claim(&stage, &me, &[1, 2, 4], 1).await;
    assert_eq!(verdicts, [Verdict::Fresh, leased(100), Verdict::Done]);
    assert!(matches!(claim(&stage, &other, &[3], 1).await[..], [Verdict::Leased { .. }]));
}

/// What it has done may not be in the state of the later one, who has to do it then.
pub async fn a_fenced_owner_marks_nothing(stage: Stage) {
    let before = owner(&stage, "g", 0).await;
    let dedup = stage.transport().dedup();
    let late = |number, owner: &Owner| {
        let marks = vec![Mark { id: id(number), expires: Timestamp(1000) }];
        within(dedup.mark(owner.clone(), marks))
    };
    assert_eq!(late(1, &before).await, Ok(Standing::InForce));
    let (me, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    assert_eq!(fence(&stage, &me).await, Standing::InForce);
    let fenced = Standing::Fenced { by: me.epoch };
    assert_eq!(late(2, &before).await, Ok(fenced));
    assert_eq!(fence(&stage, &before).await, fenced, "it can't take the place back");
    assert_eq!(fence(&stage, &me).await, Standing::InForce, "again");
    assert_eq!(late(3, &me).await, Ok(Standing::InForce));
    assert_eq!(late(4, &other).await, Ok(Standing::InForce));
    let verdicts = claim(&stage, &me, &[1, 2, 3, 4], 1).await;
    assert_eq!(verdicts, [Verdict::Done, Verdict::Fresh, Verdict::Done, Verdict::Done]);
}

/// Late news of an owner that was replaced change nothing.
pub async fn an_earlier_owner_cannot_release_a_claim_of_a_later_one(stage: Stage) {
    let (before, other) = (owner(&stage, "g", 0).await, owner(&stage, "g", 1).await);
    let me = owner(&stage, "g", 0).await;
    claim(&stage, &me, &[1], 0).await;
    release(&stage, &before, 1).await;
    assert_eq!(claim(&stage, &other, &[1], 1).await, [leased(100)]);
}
