//! The outcome of each risk rule, by name.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::risk_rule::RiskRule;

/// Which rules a signal passed (true) and which it failed (false). On the wire `{"max_position": true, …}`,
/// sorted by name. Rules that this version does not know are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RiskChecks(BTreeMap<Cow<'static, str>, bool>);

impl RiskChecks {
    /// Notes the outcome of `rule`.
    pub fn record(&mut self, rule: RiskRule, passed: bool) {
        self.0.insert(Cow::Borrowed(rule.name()), passed);
    }

    /// The outcome of `rule`; none if it was not checked.
    #[must_use]
    pub fn outcome(&self, rule: RiskRule) -> Option<bool> {
        self.0.get(rule.name()).copied()
    }

    /// Whether no rule failed.
    #[must_use]
    pub fn all_passed(&self) -> bool {
        self.0.values().all(|passed| *passed)
    }

    /// All outcomes, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().map(|(name, passed)| (&**name, *passed))
    }
}
