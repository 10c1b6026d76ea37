//! Durations as they are written in options: `"100ms"`, `"30s"`, and ranges of them.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, LitStr, Result};

/// A duration of more than nothing.
pub(crate) fn one(text: &LitStr) -> Result<Duration> {
    parse(&text.value()).map_err(|fault| Error::new(text.span(), fault))
}

/// The first wait and the longest: `"100ms..10s"`.
pub(crate) fn range(text: &LitStr) -> Result<(Duration, Duration)> {
    let fault = |fault: String| Error::new(text.span(), fault);
    let value = text.value();
    let Some((base, cap)) = value.split_once("..") else {
        return Err(fault("expected the first wait and the longest, as in \"100ms..10s\"".into()));
    };
    let (first, longest) = (parse(base).map_err(fault)?, parse(cap).map_err(fault)?);
    if first > longest {
        let (base, cap) = (base.trim(), cap.trim());
        return Err(fault(format!("the first wait is longer than the longest: write \"{cap}..{base}\"")));
    }
    Ok((first, longest))
}

fn parse(text: &str) -> std::result::Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis_of_one: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if !number.is_empty() => {
            return Err(format!("`{number}` has no unit: write \"{number}s\" (units: ms, s, m, h, d)"));
        }
        _ => {
            return Err(format!(
                "`{text}` is no duration: write an integer and one of ms, s, m, h, d, as in \"30s\""
            ));
        }
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis_of_one));
    match millis {
        Some(0) => Err("a duration of zero: write \"1ms\" or more".into()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None if number.is_empty() => {
            Err(format!("`{text}` has no number: write an integer before the unit, as in \"30{unit}\""))
        }
        None => Err(format!("`{text}` is longer than can be counted in milliseconds")),
    }
}

/// The duration as an expression.
pub(crate) fn expression(duration: Duration) -> TokenStream {
    if duration.subsec_millis() == 0 {
        let seconds = proc_macro2::Literal::u64_unsuffixed(duration.as_secs());
        quote!(::std::time::Duration::from_secs(#seconds))
    } else {
        let millis = proc_macro2::Literal::u128_unsuffixed(duration.as_millis());
        quote!(::std::time::Duration::from_millis(#millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, seconds) in [("5s", 5), ("2m", 120), ("3h", 10_800), ("1d", 86_400), (" 7s ", 7)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "30", "s", "1.5s", "-1s", "30 s", "30sec", "0ms", "99999999999999999999s", "1µs"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
