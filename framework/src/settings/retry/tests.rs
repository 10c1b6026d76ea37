//! What the settings of RETRY promise, error by error.

use super::*;
use crate::{Context, Failure, Record, StreamProcessor, policy::retry::RetryPolicy, settings::Loader};

/// A processor that is nothing but its name.
macro_rules! processor {
    ($name:ident, $declared:literal) => {
        struct $name;

        impl StreamProcessor for $name {
            type State = ();

            const DECLARATION: crate::Declaration = crate::Declaration {
                name: $declared,
                inputs: &[],
                tables: &[],
                outputs: &[],
                state_version: 1,
                order: crate::Order::Key,
                concurrency: 1,
                timeout: Duration::from_secs(1),
                retries: &[RetryRule {
                    attempts: Some(4),
                    park_after: Some(2),
                    give_up_after: Some(Duration::from_secs(60)),
                    ..RetryRule::UNCHANGED
                }],
                dead_letters: crate::DeadLetterRule::UNCHANGED,
                dedup: None,
                guarantee: None,
                transaction: false,
            };

            async fn attempt(&mut self, _: usize, _: &Record, _: &mut Context<Self>) -> Result<(), Failure> {
                Ok(())
            }

            fn peek_id(_: usize, _: &Record) -> Option<crate::EventId> {
                None
            }
        }
    };
}
processor!(RiskManager, "risk-manager");
processor!(Portfolio, "portfolio");

fn loader() -> Loader {
    Loader::new().processor::<RiskManager>().processor::<Portfolio>().processor::<RiskManager>()
}

fn errors_of(variables: &[(&str, &str)]) -> String {
    loader().load(variables.iter().copied(), "").map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn what_is_set_for_a_processor_wins_over_what_is_set_for_all_and_that_over_what_is_declared() {
    let set = [
        ("RETRY__TRANSIENT__ATTEMPTS", "7"),
        ("RETRY__TRANSIENT__CAP", "20s"),
        ("RETRY__RISK_MANAGER__TRANSIENT__ATTEMPTS", "9"),
        ("RETRY__RISK_MANAGER__TRANSIENT__BASE", "250ms"),
        ("RETRY__RISK_MANAGER__TRANSIENT__MULTIPLIER", "1.5"),
        ("RETRY__RISK_MANAGER__TRANSIENT__JITTER", "none"),
        ("RETRY__RISK_MANAGER__TRANSIENT__IN_PLACE", "0s"),
        ("RETRY__RISK_MANAGER__TRANSIENT__PARK_AFTER", "3"),
        ("RETRY__RISK_MANAGER__TRANSIENT__GIVE_UP_AFTER", "1h"),
    ];
    let overrides = loader().load(set, "").unwrap().retry;
    let declared = RetryPolicy::declared(RiskManager::DECLARATION.retries);
    let of = |processor, class| overrides.apply(processor, declared).class(class);
    let seconds = Duration::from_secs;
    let before = declared.class(ErrorClass::Transient);
    let portfolio = of("portfolio", ErrorClass::Transient);
    assert_eq!((portfolio.attempts, portfolio.cap), (7, seconds(20)));
    assert_eq!((portfolio.base, portfolio.park_after), (before.base, before.park_after));
    let risk = of("risk-manager", ErrorClass::Transient);
    assert_eq!((risk.attempts, risk.base, risk.cap), (9, Duration::from_millis(250), seconds(20)));
    assert_eq!((risk.multiplier, risk.jitter), (Multiplier::of_thousandths(1_500), Jitter::None));
    assert_eq!(
        (risk.in_place, risk.park_after, risk.give_up_after),
        (seconds(0), Some(3), Some(seconds(3600)))
    );
    let other = of("risk-manager", ErrorClass::Business);
    assert_eq!(other, declared.class(ErrorClass::Business));
}

#[test]
fn a_limit_that_is_declared_can_be_lifted() {
    let set = [("RETRY__BUSINESS__PARK_AFTER", "never"), ("RETRY__BUSINESS__GIVE_UP_AFTER", "never")];
    let declared = RetryPolicy::declared(RiskManager::DECLARATION.retries);
    let policy = loader().load(set, "").unwrap().retry.apply("portfolio", declared);
    let failure = Failure::new(crate::FailureKind::Error, ErrorClass::Business, "E", "no".into());
    let after = |policy: RetryPolicy| policy.after(3, Duration::from_secs(86_400), &failure, 0);
    assert_eq!(after(declared), crate::policy::retry::Verdict::GiveUp);
    assert_eq!(after(policy), crate::policy::retry::Verdict::Retry { wait: Duration::ZERO });
}

#[test]
fn what_is_set_is_printed_and_nothing_else_of_it() {
    assert!(!loader().load([("PATH", "x")], "").unwrap().print().contains("RETRY__"));
    let dotenv = "RETRY__RATE_LIMIT__CAP=90s\nRETRY__PORTFOLIO__POISON__GIVE_UP_AFTER=never";
    let printed = loader().load([("PATH", "x")], dotenv).unwrap().print();
    let printed: Vec<_> = printed.lines().filter(|line| line.starts_with("RETRY__")).collect();
    assert_eq!(
        printed,
        [
            "RETRY__RATE_LIMIT__CAP=1m30s                     # .env line 1",
            "RETRY__PORTFOLIO__POISON__GIVE_UP_AFTER=never    # .env line 2",
        ]
    );
    assert_eq!(loader().load([("RETRY__RATE_LIMIT__CAP", "")], "").unwrap().retry, RetryOverrides::default());
}

#[test]
fn a_bad_value_is_told_with_what_would_be_right() {
    for (name, value, told) in [
        (
            "TRANSIENT__ATTEMPTS",
            "many",
            "not a whole number; write a whole number, or nothing (from 1 to 1000000)",
        ),
        ("TRANSIENT__ATTEMPTS", "0", "must be from 1 to 1000000"),
        ("PORTFOLIO__TRANSIENT__CAP", "0s", "must be from 1ms to 30d"),
        (
            "TRANSIENT__MULTIPLIER",
            "0.5",
            "less than 1; write a number with three decimals at most, such as 2 or 1.5, or nothing (from 1 to 100)",
        ),
        ("TRANSIENT__MULTIPLIER", "101", "must be from 1 to 100"),
        ("TRANSIENT__JITTER", "some", "none of the words; write full or none, or nothing"),
        (
            "TRANSIENT__IN_PLACE",
            "1",
            "a number without a unit; write a duration such as 100ms, 30s, 2m, 24h or 7d, or nothing (from 0s to 1d)",
        ),
        (
            "TRANSIENT__PARK_AFTER",
            "no",
            "not a whole number; write a whole number, or never, or nothing (from 1 to 1000000)",
        ),
        ("RISK_MANAGER__TRANSIENT__GIVE_UP_AFTER", "1ms", "must be from 1s to 365d"),
    ] {
        let name = format!("RETRY__{name}");
        assert_eq!(errors_of(&[(&name, value)]), format!("{name} = {value:?}: {told}"));
    }
    let errors = errors_of(&[("RETRY__BUSINESS__BASE", "2m"), ("RETRY__BUSINESS__CAP", "1m")]);
    let told = "RETRY__BUSINESS__BASE = \"2m\": must not be longer than the CAP beside it, which is 1m";
    assert_eq!(errors, told);
}

#[test]
fn a_misspelt_part_of_a_name_is_told() {
    const CLASSES: &str = "TRANSIENT, INFRASTRUCTURE, RATE_LIMIT, BUSINESS, AUTHENTICATION or POISON";
    const FORM: &str = "no such setting; write RETRY__CLASS__FIELD for all processors or \
        RETRY__PROCESSOR__CLASS__FIELD for one, such as RETRY__TRANSIENT__ATTEMPTS";
    for (name, told) in [
        ("TRANSIENT__ATEMPTS", "no such setting; did you mean RETRY__TRANSIENT__ATTEMPTS?".to_owned()),
        ("transient__attempts", "no such setting; did you mean RETRY__TRANSIENT__ATTEMPTS?".to_owned()),
        ("TRANSENT__CAP", "no such setting; did you mean RETRY__TRANSIENT__CAP?".to_owned()),
        (
            "RISKMANAGER__RATELIMIT__BAES",
            "no such setting; did you mean RETRY__RISK_MANAGER__RATE_LIMIT__BASE?".to_owned(),
        ),
        ("RISK-MANAGER__POISON__BASE", "no such setting; did you mean RETRY__RISK_MANAGER__POISON__BASE?".to_owned()),
        ("EXECUTION__POISON__BASE", "no such processor; the program has RISK_MANAGER, PORTFOLIO".to_owned()),
        ("TIMEOUT__CAP", format!("no such error class: write {CLASSES}")),
        ("PORTFOLIO__CAP", format!("no such setting; the error class is missing behind the processor: write {CLASSES}")),
        (
            "PORTFOLIO__POISON__DELAY",
            "no such setting; behind the error class stands ATTEMPTS, BASE, CAP, MULTIPLIER, JITTER, IN_PLACE, \
             PARK_AFTER or GIVE_UP_AFTER"
                .to_owned(),
        ),
        ("ATTEMPTS", FORM.to_owned()),
        ("", FORM.to_owned()),
    ] {
        let name = format!("RETRY__{name}");
        assert_eq!(errors_of(&[(&name, "1")]), format!("{name}: {told}"));
    }
    let errors =
        Loader::new().load([("RETRY__RISK_MANAGER__POISON__BASE", "1s")], "").unwrap_err().to_string();
    assert!(errors.ends_with("the program's Loader is told of none by Loader::processor"), "{errors}");
    assert_eq!(
        errors_of(&[("RETYR__TRANSIENT__CAP", "1s")]),
        "RETYR__TRANSIENT__CAP: no such section; did you mean RETRY__TRANSIENT__CAP?"
    );
}
