//! Retries: when, where and how long, for any policy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pandaflow::{
    ErrorClass, Failure, FailureKind, RetryRule,
    policy::retry::{Backoff, Jitter, Multiplier, RetryOverrides, RetryPolicy, Verdict},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

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

fn multiplier() -> impl Strategy<Value = Multiplier> {
    prop_oneof![Just(1_000), 1_000..10_000_u32, any::<u32>()].prop_map(Multiplier::of_thousandths)
}

fn rule() -> impl Strategy<Value = RetryRule> {
    let waits = (option::of(duration()), option::of(duration()), option::of(multiplier()));
    let jitter = option::of(select(Jitter::ALL));
    let parking = (option::of(duration()), option::of(0..20_u32), option::of(duration()));
    (option::of(class()), option::of(0..20_u32), waits, jitter, parking).prop_map(
        |(class, attempts, (base, cap, multiplier), jitter, (in_place, park_after, give_up_after))| {
            RetryRule { class, attempts, base, cap, multiplier, jitter, in_place, park_after, give_up_after }
        },
    )
}

fn failure(class: ErrorClass, retry_after: Option<Duration>) -> Failure {
    Failure { retry_after, ..Failure::new(FailureKind::Error, class, "E", "no".into()) }
}

fn random() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)]
}

/// How long is waited, wherever that is.
fn wait_of(verdict: Verdict) -> Option<Duration> {
    match verdict {
        Verdict::Retry { wait } | Verdict::Park { wait } => Some(wait),
        Verdict::GiveUp => None,
    }
}

proptest! {
    #[test]
    fn attempts_end_at_the_limit_and_waits_stay_within_bounds_and_where_they_belong(
        rules in vec(rule(), 0..5),
        class in class(),
        attempt in prop_oneof![1..30_u32, Just(u32::MAX)],
        since_first in duration(),
        retry_after in option::of(duration()),
        random in random(),
    ) {
        let policy = RetryPolicy::declared(&rules);
        let backoff = policy.class(class);
        let verdict = policy.after(attempt, since_first, &failure(class, retry_after), random);
        let least = retry_after.unwrap_or_default();
        let out_of_time = |wait: Duration| {
            backoff.give_up_after.is_some_and(|limit| since_first.saturating_add(wait) >= limit)
        };
        match wait_of(verdict) {
            None => {
                let longest = backoff.longest(attempt).max(least);
                prop_assert!(attempt >= backoff.attempts || out_of_time(longest));
            }
            Some(wait) => {
                prop_assert!(attempt < backoff.attempts);
                prop_assert!(!out_of_time(wait));
                prop_assert!(wait >= least);
                prop_assert!(wait <= backoff.cap.max(least));
                prop_assert!(wait <= backoff.longest(attempt).max(least));
                if backoff.jitter == Jitter::None {
                    prop_assert_eq!(wait, backoff.longest(attempt).max(least));
                }
                let parks = wait > backoff.in_place || backoff.park_after.is_some_and(|limit| attempt >= limit);
                prop_assert_eq!(verdict, if parks { Verdict::Park { wait } } else { Verdict::Retry { wait } });
            }
        }
    }

    #[test]
    fn waits_grow_by_the_multiplier_to_the_cap(
        base in duration(), cap in duration(), multiplier in multiplier(), attempt in prop_oneof![1..100_u32, Just(u32::MAX - 1)],
    ) {
        let backoff = Backoff { multiplier, ..Backoff::new(u32::MAX, base, cap) };
        let (now, next) = (backoff.longest(attempt), backoff.longest(attempt + 1));
        prop_assert_eq!(backoff.longest(1), base.min(cap));
        prop_assert!(now <= next && next <= cap);
        let exact = (now.as_nanos() * u128::from(multiplier.thousandths())).div_ceil(1000).min(cap.as_nanos());
        prop_assert_eq!(next.as_nanos(), exact);
        if multiplier == Multiplier::TWO && attempt <= 31 {
            prop_assert_eq!(now, base.saturating_mul(1 << (attempt - 1)).min(cap));
        }
    }

    #[test]
    fn full_jitter_spreads_over_the_whole_range(
        class in class(), attempt in 1..20_u32, one in any::<u64>(), other in any::<u64>(),
    ) {
        let policy = RetryPolicy::default();
        let wait =
            |attempt, random| wait_of(policy.after(attempt, Duration::ZERO, &failure(class, None), random));
        if let Some(longest) = wait(attempt, u64::MAX) {
            prop_assert_eq!(longest, policy.class(class).longest(attempt));
            prop_assert_eq!(wait(attempt, 0), Some(Duration::ZERO));
            let half = wait(attempt, u64::MAX / 2).unwrap();
            prop_assert!(longest / 2 - half <= Duration::from_nanos(1));
        }
        prop_assert!(wait(attempt, one.min(other)) <= wait(attempt, one.max(other)));
    }

    #[test]
    fn a_retry_after_is_the_least_wait_and_a_long_one_parks(
        class in class(), asked in duration(), random in random(),
    ) {
        let policy = RetryPolicy::default();
        if let Some(wait) = wait_of(policy.after(1, Duration::ZERO, &failure(class, None), random)) {
            let verdict = policy.after(1, Duration::ZERO, &failure(class, Some(asked)), random);
            let wait = wait.max(asked);
            let parks = wait > Backoff::DEFAULT_IN_PLACE;
            prop_assert_eq!(verdict, if parks { Verdict::Park { wait } } else { Verdict::Retry { wait } });
        }
    }

    #[test]
    fn nothing_is_tried_again_once_its_time_is_over(
        class in class(), since_first in duration(), limit in duration(), retry_after in option::of(duration()), random in random(),
    ) {
        let rule = RetryRule {
            class: Some(class), attempts: Some(9), give_up_after: Some(limit), ..RetryRule::UNCHANGED
        };
        let verdict =
            RetryPolicy::declared(&[rule]).after(1, since_first, &failure(class, retry_after), random);
        match wait_of(verdict) {
            Some(wait) => prop_assert!(since_first + wait < limit),
            None => {
                let longest = RetryPolicy::declared(&[rule]).class(class).longest(1);
                let longest = longest.max(retry_after.unwrap_or_default());
                prop_assert!(since_first.saturating_add(longest) >= limit);
            }
        }
    }

    #[test]
    fn a_declared_rule_changes_its_class_and_no_other(rules in vec(rule(), 0..5), class in class()) {
        let (default, declared) = (RetryPolicy::default().class(class), RetryPolicy::declared(&rules).class(class));
        let named: Vec<_> = rules.iter().filter(|rule| rule.class == Some(class)).collect();
        let general = rules.iter().any(|rule| rule.class.is_none()) && default.attempts > 1;
        macro_rules! holds {
            ($field:ident, $written:expr, $default:expr) => {
                match named.iter().rev().find_map(|rule| rule.$field) {
                    Some(_) => prop_assert_eq!(Some(declared.$field), named.iter().rev().find_map($written)),
                    None if !general => prop_assert_eq!(declared.$field, $default),
                    None => {}
                }
            };
        }
        holds!(attempts, |rule| rule.attempts, default.attempts);
        holds!(base, |rule| rule.base, default.base);
        holds!(cap, |rule| rule.cap, default.cap);
        holds!(multiplier, |rule| rule.multiplier, Multiplier::TWO);
        holds!(jitter, |rule| rule.jitter, Jitter::Full);
        holds!(in_place, |rule| rule.in_place, Duration::from_secs(1));
        holds!(park_after, |rule| rule.park_after.map(Some), None);
        holds!(give_up_after, |rule| rule.give_up_after.map(Some), None);
    }

    #[test]
    fn overrides_win_over_what_is_declared_and_those_of_a_processor_over_those_of_all(
        declared in vec(rule(), 0..3), all in rule(), one in rule(), class in class(),
    ) {
        let of = |rule| RetryRule { class: Some(class), ..rule };
        let overrides = RetryOverrides::default().for_all(of(all)).for_processor("risk", of(one));
        let policy = RetryPolicy::declared(&declared);
        prop_assert_eq!(overrides.apply("execution", policy), policy.with(&[of(all)]));
        prop_assert_eq!(overrides.apply("risk", policy), policy.with(&[of(all), of(one)]));
        prop_assert_eq!(RetryOverrides::default().apply("risk", policy), policy);
        let attempts = overrides.apply("risk", policy).class(class).attempts;
        prop_assert_eq!(attempts, one.attempts.or(all.attempts).unwrap_or(policy.class(class).attempts));
        for other in ErrorClass::ALL.into_iter().filter(|other| *other != class) {
            prop_assert_eq!(overrides.apply("risk", policy).class(other), policy.class(other));
        }
    }
}
