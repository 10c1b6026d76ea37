//! What `.env` may say, and how it goes together with the environment.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::settings::{Arbiters, Settings, Source};

const NONE: [(&str, &str); 0] = [];

#[test]
fn the_environment_wins_over_dotenv() {
    let settings = Settings::load(
        [("RUNTIME__ARBITERS", "3")],
        "RUNTIME__ARBITERS=4\n\nexport HEALTH__TIMEOUT = '2s' # short\n",
    )
    .unwrap();
    assert_eq!(settings.runtime.arbiters, Arbiters::Count(3));
    assert_eq!(settings.health.timeout, Duration::from_secs(2));
    let sources = |name: &str| settings.in_force().iter().find(|one| one.variable == name).unwrap().source;
    assert_eq!(sources("RUNTIME__ARBITERS"), Source::Environment);
    assert_eq!(sources("HEALTH__TIMEOUT"), Source::DotEnv { line: 3 });
    assert_eq!(sources("API__BIND"), Source::Default);
}

#[test]
fn a_bad_line_of_dotenv_is_named_by_its_number_and_not_quoted() {
    let text = "# fine\nhunter2\nRUNTIME__ARBITERS=\"2\nX=${hunter2}\nA B=hunter2\nX='a' hunter2\nX=\"\\hunter2\"\n\
                RUNTIME__ARBITERS=2\nRUNTIME__ARBITERS=3\nHEALTH__TIMEOUT=soon\nHEALTH__TIMOUT=hunter2";
    let errors = Settings::load(NONE, text).unwrap_err().to_string();
    assert!(!errors.contains("hunter2"), "{errors}");
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 9, "{errors}");
    assert_eq!(lines[0], ".env (.env line 2): not a setting; write NAME=value, or # before a comment");
    assert_eq!(lines[1], ".env (.env line 3): the quote is not closed in this line");
    assert!(lines[6].starts_with("HEALTH__TIMEOUT = \"soon\" (.env line 10): not a duration"), "{errors}");
    assert_eq!(lines[7], "HEALTH__TIMOUT (.env line 11): no such setting; did you mean HEALTH__TIMEOUT?");
    assert_eq!(lines[8], "RUNTIME__ARBITERS (.env line 9): set twice, first in line 8; keep one");
}

#[test]
fn a_value_is_taken_as_dotenv_says_it() {
    for (line, value) in [
        ("LOGGING__DIR=a b # c", "a b"),
        ("LOGGING__DIR=a#b", "a#b"),
        ("LOGGING__DIR=pa$word", "pa$word"),
        ("LOGGING__DIR='${x} \"q\"'", "${x} \"q\""),
        ("LOGGING__DIR=\"a\\\"b \\$ 'c'\" # d", "a\"b $ 'c'"),
        ("\u{feff}LOGGING__DIR=x\r", "x"),
    ] {
        let settings = Settings::load(NONE, line).unwrap();
        assert_eq!(settings.logging.dir.to_str(), Some(value), "{line}");
    }
}

#[test]
fn what_is_printed_can_be_read_again() {
    let dotenv = "LOGGING__DIR='a # $b'\nRUNTIME__RESTARTS_WINDOW=90s\nAPI__BIND=[::1]:80\nLOGGING__CHANNELS=audit=trace";
    let settings = Settings::load(NONE, dotenv).unwrap();
    let again = Settings::load(NONE, &settings.print()).unwrap();
    let values = |s: &Settings| s.in_force().iter().map(|one| one.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&settings));
    assert_eq!(again.runtime, settings.runtime);
    assert_eq!(again.logging, settings.logging);
}

proptest! {
    #[test]
    fn a_quoted_value_is_read_back(value in "[^\\x00-\\x08\\x0b-\\x1f\\u{85}\\u{2028}\\u{2029}]*") {
        let mut problems = Vec::new();
        let read = parse(&format!("X={}  # c", quote(&value)), &mut problems);
        prop_assert!(problems.is_empty());
        prop_assert_eq!(&read[0].value, &value);
    }
}
