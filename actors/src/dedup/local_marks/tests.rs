//! The memory that stands in for the dedup store.

use std::time::Duration;

use pandaflow::{Epoch, Partition};
use uuid::Uuid;

use super::*;

fn id(n: u128) -> EventId {
    EventId(Uuid::from_u128(n))
}

fn owner(group: &str, epoch: u64) -> Owner {
    Owner { group: group.into(), partition: Partition(0), epoch: Epoch(epoch) }
}

fn claim(owner: Owner, ids: &[u128], now: i64) -> Claim {
    Claim {
        owner,
        ids: ids.iter().copied().map(id).collect(),
        now: Timestamp(now),
        lease: Duration::from_millis(100),
    }
}

#[test]
fn an_id_is_fresh_once_then_leased_then_done_in_its_group_only() {
    let mut marks = LocalMarks::new(10);
    let leased = Verdict::Leased { until: Timestamp(100) };
    assert_eq!(marks.claim(&claim(owner("g", 1), &[1, 1], 0)), Ok(vec![Verdict::Fresh, leased]));
    assert_eq!(marks.claim(&claim(owner("h", 1), &[1], 0)), Ok(vec![Verdict::Fresh]));
    marks.done(&owner("g", 1), &[id(1)]);
    assert_eq!(marks.claim(&claim(owner("g", 2), &[1, 2], 0)), Ok(vec![Verdict::Done, Verdict::Fresh]));
}

#[test]
fn a_claim_ends_with_its_lease_a_release_or_a_newer_owner() {
    let mut marks = LocalMarks::new(10);
    let fresh = Ok(vec![Verdict::Fresh]);
    assert_eq!(marks.claim(&claim(owner("g", 1), &[1], 0)), fresh);
    assert_eq!(marks.claim(&claim(owner("g", 2), &[1], 100)), fresh, "the lease ended");
    marks.release(&owner("g", 1), &[id(1)]);
    assert_ne!(marks.claim(&claim(owner("g", 1), &[1], 100)), fresh, "released by another");
    marks.release(&owner("g", 2), &[id(1)]);
    assert_eq!(marks.claim(&claim(owner("g", 1), &[1], 100)), fresh, "released");
    marks.fence(&"g".into(), &owner("g", 3));
    assert_eq!(marks.claim(&claim(owner("g", 3), &[1], 100)), fresh, "fenced");
}

#[test]
fn the_oldest_done_ids_make_room_and_claims_never_do() {
    let mut marks = LocalMarks::new(3);
    marks.done(&owner("g", 1), &[id(1), id(2), id(3)]);
    marks.claim(&claim(owner("g", 1), &[4, 5], 0)).unwrap();
    let verdicts = marks.claim(&claim(owner("g", 1), &[3], 0)).unwrap();
    assert_eq!(verdicts, [Verdict::Done], "the newest done id is still known");
    assert_eq!(marks.claim(&claim(owner("g", 1), &[6, 7], 0)), Err(Full));
    assert_eq!(marks.claim(&claim(owner("g", 1), &[6, 7], 100)).unwrap().len(), 2, "leases ended");
}

#[test]
fn what_was_learnt_corrects_a_store_that_is_back() {
    let mut marks = LocalMarks::new(10);
    marks.claim(&claim(owner("g", 1), &[1, 2], 0)).unwrap();
    marks.done(&owner("g", 1), &[id(1)]);
    let asked = claim(owner("g", 1), &[1, 2, 3, 4], 50);
    let corrected =
        marks.correct(&asked, vec![Verdict::Fresh, Verdict::Fresh, Verdict::Fresh, Verdict::Done]);
    let leased = Verdict::Leased { until: Timestamp(100) };
    assert_eq!(corrected, [Verdict::Done, leased, Verdict::Fresh, Verdict::Done]);
    assert_eq!(marks.learnt(), HashMap::from([(owner("g", 1), vec![id(1)])]));
}
