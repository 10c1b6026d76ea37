//! Checks retry rules.

use super::{super::ast, Retry};
use crate::{
    class::{self, Class},
    duration,
    mistakes::Mistakes,
    values,
};

/// The rules: at most one without a class, and one a class.
pub(super) fn rules(written: &[ast::Retry], mistakes: &mut Mistakes) -> Vec<Retry> {
    let mut rules: Vec<Retry> = Vec::new();
    for retry in written {
        let Some(rule) = rule(retry, mistakes) else { continue };
        if rules.iter().any(|known| known.class == rule.class) {
            match (&retry.class, rule.class) {
                (Some(token), Some(class)) => {
                    mistakes.add(token, format!("`{}` already has a retry: put both into one", class.name()));
                }
                _ => mistakes.add(
                    &retry.keyword,
                    "there is already a retry for every class: put both into one, or add `class = \"..\"`",
                ),
            }
        }
        rules.push(rule);
    }
    rules
}

fn rule(retry: &ast::Retry, mistakes: &mut Mistakes) -> Option<Retry> {
    if !retry.given.iter().any(|option| matches!(*option, "attempts" | "backoff")) {
        mistakes.add(
            &retry.keyword,
            "`retry` without `attempts` and `backoff` changes nothing: add one, as in `retry(attempts = 5)`",
        );
    }
    let class = match &retry.class {
        None => None,
        Some(name) => match Class::named(&name.value()) {
            Some(class) => Some(class),
            None => {
                mistakes.add(name, class::unknown(&name.value()));
                return None;
            }
        },
    };
    if class.is_none() && retry.given.contains(&"class") {
        return None;
    }
    let attempts = retry.attempts.as_ref().map(|attempts| values::within(attempts, "attempts", 1..=u32::MAX));
    let backoff = retry.backoff.as_ref().map(duration::range);
    Some(Retry {
        class,
        attempts: attempts.and_then(|attempts| mistakes.take(attempts)),
        backoff: backoff.and_then(|backoff| mistakes.take(backoff)),
    })
}
