//! The other policies, each against what it promises: ledger, restart budget, partitioner.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pandaflow::{
    Partition, partition_of,
    policy::{
        ledger::{Ledger, Outcome},
        restart_budget::{Restart, RestartBudget, RestartLimits},
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};

const OUTCOMES: [Outcome; 5] =
    [Outcome::Succeeded, Outcome::Filtered, Outcome::Duplicate, Outcome::DeadLettered, Outcome::Parked];

fn ledger() -> impl Strategy<Value = Ledger> {
    (0..1000_u64, vec(select(OUTCOMES.to_vec()), 0..50)).prop_map(|(in_flight, ended)| {
        let mut ledger = Ledger::default();
        ledger.consumed(in_flight + ended.len() as u64);
        for outcome in ended {
            ledger.settled(outcome);
        }
        ledger
    })
}

proptest! {
    #[test]
    fn a_ledger_balances_at_every_moment(steps in vec(option::of(select(OUTCOMES.to_vec())), 0..200)) {
        let mut ledger = Ledger::default();
        let mut in_flight = 0;
        for step in steps {
            match step {
                None => {
                    ledger.consumed(3);
                    in_flight += 3;
                }
                Some(outcome) if in_flight > 0 => {
                    ledger.settled(outcome);
                    in_flight -= 1;
                }
                Some(_) => {}
            }
            prop_assert_eq!(ledger.in_flight(), Some(in_flight));
            prop_assert_eq!(ledger.is_settled(), in_flight == 0);
            prop_assert_eq!(ledger.consumed, ledger.ended() + in_flight);
            prop_assert!(ledger.without_in_flight().is_settled());
            prop_assert_eq!(ledger.without_in_flight().ended(), ledger.ended());
        }
    }

    #[test]
    fn a_ledger_in_which_more_ended_than_came_in_does_not_balance(ledger in ledger(), outcome in select(OUTCOMES.to_vec())) {
        let mut ledger = ledger.without_in_flight();
        ledger.settled(outcome);
        prop_assert_eq!((ledger.in_flight(), ledger.is_settled()), (None, false));
    }

    #[test]
    fn ledgers_add_up_in_any_order(a in ledger(), b in ledger(), c in ledger()) {
        prop_assert_eq!(a.plus(&b).plus(&c), c.plus(&a.plus(&b)));
        prop_assert_eq!(a.plus(&b).in_flight(), Some(a.in_flight().unwrap() + b.in_flight().unwrap()));
        prop_assert_eq!(a.plus(&Ledger::default()), a);
        let json = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), a);
    }
}

proptest! {
    #[test]
    fn the_restart_budget_counts_what_lies_in_its_window(
        limits in (0..6_usize, 0..5000_u64, 0..500_u64, 0..5000_u64),
        gaps in vec(0..2000_u64, 1..60),
    ) {
        let (restarts, window, base, cap) = limits;
        let ms = Duration::from_millis;
        let mut budget =
            RestartBudget::new(RestartLimits { restarts, window: ms(window), base: ms(base), cap: ms(cap) });
        let mut times: Vec<u64> = Vec::new();
        for gap in gaps {
            let now = times.last().unwrap_or(&0) + gap;
            times.push(now);
            let recent = times.iter().filter(|then| now - **then <= window).count();
            let expected = if recent > restarts {
                Restart::Escalate
            } else {
                Restart::After(ms((base << (recent - 1)).min(cap)))
            };
            prop_assert_eq!(budget.failed(ms(now)), expected);
            prop_assert_eq!(budget.recent(), recent);
        }
    }

    #[test]
    fn a_key_has_one_partition_and_it_exists(key in vec(any::<u8>(), 0..64), partitions in prop_oneof![1..100_u32, Just(u32::MAX)]) {
        let partition = partition_of(Some(&key), partitions);
        prop_assert!(partition.0 < partitions);
        prop_assert_eq!(partition, partition_of(Some(&key), partitions));
        prop_assert_eq!(partition, Partition((java(&key) & 0x7fff_ffff) % partitions));
        prop_assert_eq!(partition_of(None, partitions), Partition(0));
    }
}

#[test]
fn no_partitions_at_all_is_taken_for_one() {
    assert_eq!(partition_of(Some(b"foobar"), 0), Partition(0));
}

/// `org.apache.kafka.common.utils.Utils.murmur2`, line by line.
fn java(data: &[u8]) -> u32 {
    let length = data.len();
    let (m, r) = (0x5bd1_e995_u32, 24);
    let mut h = 0x9747_b28c_u32 ^ length as u32;
    for i in 0..length / 4 {
        let i4 = i * 4;
        let mut k = u32::from(data[i4])
            .wrapping_add(u32::from(data[i4 + 1]) << 8)
            .wrapping_add(u32::from(data[i4 + 2]) << 16)
            .wrapping_add(u32::from(data[i4 + 3]) << 24);
        k = k.wrapping_mul(m);
        k ^= k >> r;
        k = k.wrapping_mul(m);
        h = h.wrapping_mul(m);
        h ^= k;
    }
    let rest = length & !3;
    if length % 4 == 3 {
        h ^= u32::from(data[rest + 2]) << 16;
    }
    if length % 4 >= 2 {
        h ^= u32::from(data[rest + 1]) << 8;
    }
    if length % 4 >= 1 {
        h ^= u32::from(data[rest]);
        h = h.wrapping_mul(m);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(m);
    h ^ (h >> 15)
}
