//! The dead-letter budget against a model that keeps all that ever ended.

use pandaflow::{
    DeadLetterRule,
    policy::dead_letter_budget::{DeadLetterBudget, DeadLetterLimits, Exhausted, WINDOW},
};
use proptest::prelude::*;

/// Whether one letter more would be too many after all of these; `true` is a letter.
fn is_too_many(ended: &[bool], limits: DeadLetterLimits) -> bool {
    let in_a_row = ended.iter().rev().take_while(|letter| **letter).count() as u64;
    let last = ended.iter().rev().take(WINDOW as usize - 1);
    let letters = 1 + last.filter(|letter| **letter).count() as u64;
    let is_full = ended.len() as u64 + 1 >= WINDOW;
    in_a_row >= limits.in_a_row || (is_full && letters * 100 > limits.percent * WINDOW)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_is_exhausted_exactly_where_one_more_would_break_a_limit(
        in_a_row in 1_u64..60,
        percent in 1_u64..=100,
        // Stretches of one kind, so that long rows and shifting shares come about.
        stretches in prop::collection::vec((any::<bool>(), 1_usize..40), 1..60),
    ) {
        let limits = DeadLetterLimits { in_a_row, percent };
        let (mut budget, mut ended, mut refused) = (DeadLetterBudget::new(limits), Vec::new(), false);
        for (letter, times) in stretches {
            for _ in 0..times {
                if letter {
                    refused = refused || is_too_many(&ended, limits);
                    let made = budget.letter();
                    prop_assert_eq!(made.is_err(), refused);
                    if made.is_ok() {
                        ended.push(true);
                    }
                } else {
                    budget.succeeded();
                    ended.push(false);
                }
            }
        }
    }
}

#[test]
fn without_limits_everything_may_be_a_dead_letter() {
    let mut budget = DeadLetterBudget::new(DeadLetterLimits::NONE);
    assert!((0..10 * WINDOW).all(|_| budget.letter().is_ok()));
}

#[test]
fn what_a_processor_declares_wins_over_what_holds_for_all() {
    let general = DeadLetterLimits { in_a_row: 7, percent: 8 };
    assert_eq!(general.declared(DeadLetterRule::UNCHANGED), general);
    let declared = DeadLetterRule { in_a_row: None, percent: Some(90) };
    assert_eq!(general.declared(declared), DeadLetterLimits { in_a_row: 7, percent: 90 });
}

#[test]
fn it_says_which_limit_it_was() {
    let mut budget = DeadLetterBudget::new(DeadLetterLimits { in_a_row: 100, percent: 10 });
    (0..WINDOW).for_each(|_| budget.succeeded());
    for _ in 0..20 {
        budget.letter().expect("a tenth may be");
        budget.succeeded();
    }
    let why = budget.letter().expect_err("more than a tenth");
    assert_eq!(why, Exhausted::OfTheLast { letters: 20, events: 199 });
    assert_eq!(why.to_string(), "20 of the last 199 events were given up on");
    budget.succeeded();
    assert_eq!(budget.letter(), Err(why), "it stays exhausted");
}
