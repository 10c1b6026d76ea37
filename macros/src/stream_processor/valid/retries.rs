//! Checks retry rules.

use syn::{Error, Lit, LitStr, Result};

use super::{super::ast, Retry};
use crate::{
    class::{self, Class},
    duration,
    mistakes::Mistakes,
    names, values,
};

/// The least and the largest multiplier, in thousandths.
const MULTIPLIER: std::ops::RangeInclusive<u32> = 1_000..=100_000;

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
    if !retry.given.iter().any(|option| *option != "class") {
        mistakes.add(
            &retry.keyword,
            "`retry` without `attempts`, `backoff` or another option changes nothing: add one, as in `retry(attempts = 5)`",
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
    Some(Retry {
        class,
        attempts: mistakes
            .take_some(&retry.attempts, |given| values::within(given, "attempts", 1..=u32::MAX)),
        backoff: mistakes.take_some(&retry.backoff, duration::range),
        multiplier: mistakes.take_some(&retry.multiplier, multiplier),
        jitter: mistakes.take_some(&retry.jitter, jitter),
        in_place: mistakes.take_some(&retry.in_place, duration::one),
        park_after: mistakes
            .take_some(&retry.park_after, |given| values::within(given, "park_after", 1..=u32::MAX)),
        give_up_after: mistakes.take_some(&retry.give_up_after, duration::one),
    })
}

fn jitter(written: &LitStr) -> Result<&'static str> {
    match written.value().as_str() {
        "full" => Ok("Full"),
        "none" => Ok("None"),
        other => Err(Error::new(written.span(), names::unknown("jitter", other, &["full", "none"]))),
    }
}

fn multiplier(written: &Lit) -> Result<u32> {
    let digits = match written {
        Lit::Int(number) if number.suffix().is_empty() => number.base10_digits(),
        Lit::Float(number) if number.suffix().is_empty() => number.base10_digits(),
        _ => {
            let fault = "`multiplier` takes a number, as in `multiplier = 2` or `multiplier = 1.5`";
            return Err(Error::new(written.span(), fault));
        }
    };
    let thousandths = thousandths(digits).filter(|thousandths| MULTIPLIER.contains(thousandths));
    thousandths.ok_or_else(|| {
        let fault = format!("`multiplier` is 1 to 100, with three decimals at most, not {digits}");
        Error::new(written.span(), fault)
    })
}

fn thousandths(digits: &str) -> Option<u32> {
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    (decimals.len() <= 3).then(|| format!("{whole}{decimals:0<3}").parse().ok()).flatten()
}
