//! The other policies, each against what it promises: ledger, retries, restart budget, partitioner.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pandaflow::{
    ErrorClass, Failure, FailureKind, Partition, RetryRule, partition_of,
    policy::{
        ledger::{Ledger, Outcome},
        restart_budget::{Restart, RestartBudget, RestartLimits},
        retry::{RetryPolicy, Verdict},
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

fn class() -> impl Strategy<Value = ErrorClass> {
    select(ErrorClass::ALL.to_vec())
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        (0..600_000_u64).prop_map(Duration::from_millis),
        Just(Duration::MAX),
        any::<u64>().prop_map(Duration::from_nanos)
    ]
}

fn rule() -> impl Strategy<Value = RetryRule> {
    (option::of(class()), option::of(0..20_u32), option::of((duration(), duration())))
        .prop_map(|(class, attempts, backoff)| RetryRule { class, attempts, backoff })
}

fn failure(class: ErrorClass, retry_after: Option<Duration>) -> Failure {
    Failure { retry_after, ..Failure::new(FailureKind::Error, class, "E", "no".into()) }
}

proptest! {
    #[test]
    fn attempts_end_at_the_limit_and_waits_stay_within_bounds(
        rules in vec(rule(), 0..5),
        class in class(),
        attempt in prop_oneof![1..30_u32, Just(u32::MAX)],
        retry_after in option::of(duration()),
        random in prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)],
    ) {
        let policy = RetryPolicy::declared(&rules);
        let backoff = policy.class(class);
        match policy.after(attempt, &failure(class, retry_after), random) {
            Verdict::GiveUp => prop_assert!(attempt >= backoff.attempts),
            Verdict::Retry { wait } => {
                prop_assert!(attempt < backoff.attempts);
                let least = retry_after.unwrap_or_default();
                let doubled = backoff.base.saturating_mul(1 << (attempt - 1).min(31));
                prop_assert!(wait >= least);
                prop_assert!(wait <= doubled.min(backoff.cap).max(least));
            }
        }
    }

    #[test]
    fn the_longest_wait_never_shrinks_and_a_larger_draw_never_waits_less(
        class in class(), attempt in 1..20_u32, one in any::<u64>(), other in any::<u64>(),
    ) {
        let policy = RetryPolicy::default();
        let wait = |attempt, random| match policy.after(attempt, &failure(class, None), random) {
            Verdict::Retry { wait } => Some(wait),
            Verdict::GiveUp => None,
        };
        if let (Some(early), Some(late)) = (wait(attempt, u64::MAX), wait(attempt + 1, u64::MAX)) {
            prop_assert!(early <= late);
        }
        prop_assert!(wait(attempt, one.min(other)) <= wait(attempt, one.max(other)));
        prop_assert!(wait(attempt, 0).is_none_or(|wait| wait.is_zero()));
    }

    #[test]
    fn a_declared_rule_changes_its_class_and_no_other(rules in vec(rule(), 0..5), class in class()) {
        let (default, declared) = (RetryPolicy::default().class(class), RetryPolicy::declared(&rules).class(class));
        let named: Vec<_> = rules.iter().filter(|rule| rule.class == Some(class)).collect();
        let general = rules.iter().any(|rule| rule.class.is_none());
        match named.iter().rev().find_map(|rule| rule.attempts) {
            Some(attempts) => prop_assert_eq!(declared.attempts, attempts),
            None if !general || default.attempts <= 1 => prop_assert_eq!(declared.attempts, default.attempts),
            None => {}
        }
        match named.iter().rev().find_map(|rule| rule.backoff) {
            Some(backoff) => prop_assert_eq!((declared.base, declared.cap), backoff),
            None if !general || default.attempts <= 1 => {
                prop_assert_eq!((declared.base, declared.cap), (default.base, default.cap));
            }
            None => {}
        }
    }

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
