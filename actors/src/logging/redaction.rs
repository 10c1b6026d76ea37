//! What must not be logged: the values of certain keys, at any depth.

use std::collections::HashSet;

use serde_json::Value;

/// What stands in place of a hidden value.
const HIDDEN: &str = "***";

/// Hides the values of certain keys. Case, `-` and `_` make no difference: `api_key` hides `apiKey` and `API-KEY`; it
/// does not hide `api_key_id`, as `token` must not hide an instrument's.
#[derive(Debug)]
pub(super) struct Redactor {
    keys: HashSet<String>,
}

impl Redactor {
    pub(super) fn new(keys: &[String]) -> Self {
        Self { keys: keys.iter().map(|key| normal(key)).collect() }
    }

    /// The value as it may be logged under `key`.
    pub(super) fn redact(&self, key: &str, value: Value) -> Value {
        if self.keys.contains(&normal(key)) {
            return HIDDEN.into();
        }
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.redact("", item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, value)| {
                    let value = self.redact(&key, value);
                    (key, value)
                })
                .collect(),
            plain => plain,
        }
    }
}

fn normal(key: &str) -> String {
    let letters = key.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_hidden_at_any_depth_and_in_any_spelling() {
        let redactor = Redactor::new(&["api_key".into(), "token".into()]);
        let value = json!({"apiKey": 1, "list": [{"API-KEY": {"a": 1}, "instrument_token": 7}], "deep": {"Token": "t"}});
        assert_eq!(
            redactor.redact("payload", value),
            json!({"apiKey": "***", "list": [{"API-KEY": "***", "instrument_token": 7}], "deep": {"Token": "***"}})
        );
        assert_eq!(redactor.redact("TOKEN", json!([1])), json!("***"));
    }
}
