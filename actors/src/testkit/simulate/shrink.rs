//! Cutting a failed plan down: steps are left out, in chunks that get smaller, as long as the run breaks the same
//! guarantee (delta debugging: Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002).

use super::plan::Plan;

/// Runs that are spent on it, at most.
const MOST_RUNS: usize = 600;

/// The smallest plan found for which `fails` still is true.
pub(super) fn shrink(plan: Plan, mut fails: impl FnMut(&Plan) -> bool) -> Plan {
    let mut plan = plan;
    let mut runs = 0;
    let mut chunk = plan.actions.len().div_ceil(2).max(1);
    loop {
        let before = plan.actions.len();
        let mut from = 0;
        while from < plan.actions.len() && runs < MOST_RUNS {
            let mut fewer = plan.clone();
            fewer.actions.drain(from..(from + chunk).min(fewer.actions.len()));
            runs += 1;
            if fails(&fewer) {
                plan = fewer;
            } else {
                from += chunk;
            }
        }
        let is_least = chunk == 1 && plan.actions.len() == before;
        if is_least || runs >= MOST_RUNS {
            return plan;
        }
        chunk = chunk.div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::simulate::{action::Action, plan::Limits};

    #[test]
    fn what_does_not_matter_is_left_out() {
        let limits =
            Limits { in_flight_events: 1, settle_events: 1, cached_keys: 1, restarts: 1, dead_letters: 1 };
        let plan = Plan { limits, actions: (0..100).map(Action::Send).collect() };
        let needed = [Action::Send(3), Action::Send(50), Action::Send(97)];
        let least = shrink(plan, |plan| needed.iter().all(|action| plan.actions.contains(action)));
        assert_eq!(least.actions, needed);
    }
}
