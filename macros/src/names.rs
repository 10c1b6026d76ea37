//! The grammars of names, and the nearest name to a misspelt one.

/// Why `name` can't be a processor's name; nothing if it can.
pub(crate) fn processor_name_fault(name: &str) -> Option<&'static str> {
    let fits = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (!fits)
        .then_some("a processor's name begins with a letter and has lower-case letters, digits and `-` only")
}

/// Why `topic` can't be a topic's name; nothing if it can.
pub(crate) fn topic_fault(topic: &str) -> Option<&'static str> {
    let segment = |segment: &str| {
        !segment.is_empty()
            && segment.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
    };
    (!topic.split('.').all(segment))
        .then_some("a topic is segments of lower-case letters, digits, `-` and `_`, with `.` between them")
}

/// Why `name` can't be an event type; nothing if it can.
pub(crate) fn event_type_fault(name: &str) -> Option<&'static str> {
    let fits =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (!fits).then_some("an event type has lower-case letters, digits and `_` only")
}

/// `RiskManager` in the form of a processor's name (`-`) or an event type (`_`).
pub(crate) fn suggestion(type_name: &str, separator: char) -> String {
    let mut name = String::new();
    let mut before_is_lower = false;
    for c in type_name.chars().filter(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && before_is_lower {
            name.push(separator);
        }
        before_is_lower = !c.is_ascii_uppercase();
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// The known name that `found` was probably meant to be.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
    let found = plain(found);
    known
        .iter()
        .map(|&name| (strsim::damerau_levenshtein(&found, &plain(name)), name))
        .filter(|&(distance, name)| distance <= (name.len() / 3).max(1))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// `unknown ..`, the nearest known name if one is near, and all that are known.
pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let nearest = nearest(found, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    let end = if nearest.is_empty() { ";" } else { "" };
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("unknown {what} `{found}`{nearest}{end} known: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_grammar() {
        assert!(processor_name_fault("risk-manager2").is_none());
        for name in ["", "2risk", "-risk", "Risk", "risk_manager", "risk manager", "rïsk"] {
            assert!(processor_name_fault(name).is_some(), "{name}");
        }
    }

    #[test]
    fn topics_follow_their_grammar() {
        assert!(["ticks", "signals.raw", "a-b.c_d.2"].into_iter().all(|topic| topic_fault(topic).is_none()));
        for topic in ["", ".", "signals.", ".raw", "a..b", "Signals", "a b", "a/b"] {
            assert!(topic_fault(topic).is_some(), "{topic}");
        }
    }

    #[test]
    fn a_type_name_suggests_a_name() {
        assert_eq!(suggestion("RiskManager", '-'), "risk-manager");
        assert_eq!(suggestion("PnLV2", '_'), "pn_lv2");
    }

    #[test]
    fn a_typo_is_near_and_another_word_is_not() {
        let known = ["topic", "event", "format"];
        assert_eq!(nearest("topc", &known), Some("topic"));
        assert_eq!(nearest("Events", &known), Some("event"));
        assert_eq!(nearest("partition", &known), None);
        assert_eq!(nearest("RateLimit", &["transient", "rate_limit"]), Some("rate_limit"));
    }
}
