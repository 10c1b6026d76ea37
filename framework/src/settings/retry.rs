//! RETRY: how events that failed are tried again, where that is to be otherwise than the processors declare it.
//!
//! `RETRY__CLASS__FIELD` holds for all processors, `RETRY__PROCESSOR__CLASS__FIELD` for one and wins over that. PROCESSOR is
//! the declared name in upper case, dashes written as underscores: `RETRY__RISK_MANAGER__RATE_LIMIT__CAP=10m`. Which
//! processors there are the [`Loader`](super::Loader) is told by the program.
//!
//! ```
//! use pandaflow::settings::Settings;
//! use pandaflow::{ErrorClass, policy::retry::RetryPolicy};
//!
//! let settings = Settings::load([("RETRY__TRANSIENT__ATTEMPTS", "9")], "").unwrap();
//! let policy = settings.retry.apply("risk-manager", RetryPolicy::default());
//! assert_eq!(policy.class(ErrorClass::Transient).attempts, 9);
//! ```

use std::time::Duration;

use super::{
    choice::one_of,
    names::Names,
    reading::Reading,
    section::{Checks, Section, variable},
    value::{Ranged, Value},
};
use crate::{
    ErrorClass, RetryRule,
    policy::retry::{Jitter, Multiplier, RetryOverrides},
};

/// What stands before everything here.
pub(super) const NAME: &str = Retry::NAME;

/// A limit that can be lifted, where a processor declares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit<T> {
    /// There is none. Written `never`.
    Never,
    /// This.
    At(T),
}

impl<T: Value> Value for Limit<T> {
    fn expected() -> String {
        format!("{}, or never", T::expected())
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "never" {
            return Ok(Self::Never);
        }
        T::parse(text).map(Self::At)
    }

    fn show(&self) -> String {
        match self {
            Self::Never => "never".into(),
            Self::At(limit) => limit.show(),
        }
    }
}

impl<T: Ranged> Ranged for Limit<T> {
    fn within(&self, min: &Self, max: &Self) -> bool {
        match (self, min, max) {
            (Self::At(limit), Self::At(min), Self::At(max)) => limit.within(min, max),
            _ => true,
        }
    }
}

crate::section! {
    /// Retries after errors of one class. What is empty stays as it is declared.
    pub(super) struct Retry("RETRY", check = base_below_cap) {
        /// How many attempts in all, the first included; 1 is no retry.
        attempts: Option<u32> = "" in "1"..="1000000",
        /// The longest first wait.
        base: Option<Duration> = "" in "1ms"..="7d",
        /// The longest wait.
        cap: Option<Duration> = "" in "1ms"..="30d",
        /// By how much the longest wait grows from one attempt to the next.
        multiplier: Option<Multiplier> = "" in "1"..="100",
        /// How a wait is drawn from its range: full is from zero to the longest, none is the longest.
        jitter: Option<Jitter> = "",
        /// The longest wait that is spent in the lane; a longer one parks the key.
        in_place: Option<Duration> = "" in "0s"..="1d",
        /// After how many failed attempts every further wait is parked.
        park_after: Option<Limit<u32>> = "" in "1"..="1000000",
        /// How long after the first failed attempt the event is given up on, whatever attempts are left.
        give_up_after: Option<Limit<Duration>> = "" in "1s"..="365d",
    }
}

fn base_below_cap(retry: &Retry, checks: &mut Checks) {
    if let (Some(base), Some(cap)) = (retry.base, retry.cap)
        && base > cap
    {
        checks.refuse("base", format!("must not be longer than the CAP beside it, which is {}", cap.show()));
    }
}

impl Retry {
    fn rule(&self, class: ErrorClass) -> RetryRule {
        RetryRule {
            class: Some(class),
            attempts: self.attempts,
            base: self.base,
            cap: self.cap,
            multiplier: self.multiplier,
            jitter: self.jitter,
            in_place: self.in_place,
            park_after: self.park_after.map(|limit| match limit {
                Limit::Never => u32::MAX,
                Limit::At(attempts) => attempts,
            }),
            give_up_after: self.give_up_after.map(|limit| match limit {
                Limit::Never => Duration::MAX,
                Limit::At(time) => time,
            }),
        }
    }
}

/// What the settings want otherwise than these processors declare it.
pub(super) fn read(reading: &mut Reading, processors: &[&'static str]) -> RetryOverrides {
    let mut overrides = RetryOverrides::default();
    for (processor, class, prefix) in places(processors) {
        let retry = reading.section_at::<Retry>(&prefix);
        if retry == Retry::default() {
            continue;
        }
        overrides = match processor {
            None => overrides.for_all(retry.rule(class)),
            Some(processor) => overrides.for_processor(processor, retry.rule(class)),
        };
    }
    overrides
}

/// All variables that it reads where there are these processors.
pub(super) fn names(processors: &[&'static str]) -> Names {
    let fields = Retry::fields();
    let of = |(_, _, prefix): (_, _, String)| {
        fields.iter().map(|field| variable(&prefix, field.name)).collect::<Vec<_>>()
    };
    Names::of_variables(NAME, places(processors).flat_map(of).collect())
}

/// Where its fields stand: for all processors and for each, by class, with what stands before the field's name.
fn places<'a>(
    processors: &'a [&'static str],
) -> impl Iterator<Item = (Option<&'static str>, ErrorClass, String)> + 'a {
    let scopes = std::iter::once(None).chain(processors.iter().copied().map(Some));
    scopes.flat_map(|processor| {
        ErrorClass::ALL.map(|class| {
            let scope = processor.map_or_else(String::new, |name| format!("__{}", in_variables(name)));
            (processor, class, format!("{}{scope}__{}", NAME, in_variables(class.as_str())))
        })
    })
}

/// A processor's or a class's name as variables have it.
fn in_variables(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// What to say of `name`, which begins with RETRY__ and is none of the `known`.
pub(super) fn unknown(name: &str, known: &[&String]) -> String {
    const FORM: &str = "no such setting; write RETRY__CLASS__FIELD for all processors or \
        RETRY__PROCESSOR__CLASS__FIELD for one, such as RETRY__TRANSIENT__ATTEMPTS";
    let processors: Vec<_> = known.iter().filter_map(|known| processor_of(known)).collect();
    let classes = ErrorClass::ALL.map(|class| in_variables(class.as_str()));
    let classes: Vec<_> = classes.iter().map(String::as_str).collect();
    let fields: Vec<_> = Retry::fields().iter().map(|field| field.name.to_uppercase()).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();

    let Some((before, field)) = after_section(name).and_then(|rest| rest.rsplit_once("__")) else {
        return FORM.into();
    };
    let (processor, class) = match before.rsplit_once("__") {
        Some((processor, class)) => (Some(processor), class),
        None => (None, before),
    };
    let scope = match processor {
        None => String::new(),
        Some(processor) => match meant(processor, &processors) {
            Some(processor) => format!("__{processor}"),
            None if processors.is_empty() => {
                return "no such processor: the program's Loader is told of none by Loader::processor".into();
            }
            None => return format!("no such processor; the program has {}", processors.join(", ")),
        },
    };
    let Some(class) = meant(class, &classes) else {
        let what = if processor.is_none() && meant(class, &processors).is_some() {
            "no such setting; the error class is missing behind the processor"
        } else {
            "no such error class"
        };
        return format!("{what}: write {}", one_of(&classes));
    };
    match meant(field, &fields) {
        Some(field) => format!("no such setting; did you mean {}{scope}__{class}__{field}?", NAME),
        None => format!("no such setting; behind the error class stands {}", one_of(&fields)),
    }
}

fn after_section(name: &str) -> Option<&str> {
    name.strip_prefix(NAME)?.strip_prefix("__")
}

/// The processor in the first of its variables.
fn processor_of(variable: &str) -> Option<&str> {
    after_section(variable)?.strip_suffix("__TRANSIENT__ATTEMPTS")
}

/// The known word that is `word`, or that whoever wrote it probably meant: one slip in three letters.
fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_uppercase();
    let slips = known.iter().map(|known| (strsim::osa_distance(&word, known), *known));
    slips.filter(|(slips, known)| *slips <= known.len() / 3).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
