//! What operators want otherwise than processors declare it.

use std::collections::BTreeMap;

use super::RetryPolicy;
use crate::RetryRule;

/// Retry rules that win over what processors declare: some for all processors, some for one, and those for one win over
/// those for all. The settings of RETRY are read into it.
///
/// ```
/// use pandaflow::policy::retry::{RetryOverrides, RetryPolicy};
/// use pandaflow::{ErrorClass, RetryRule};
/// let rule = |attempts| RetryRule {
///     class: Some(ErrorClass::Transient), attempts: Some(attempts), ..RetryRule::UNCHANGED
/// };
/// let overrides = RetryOverrides::default().for_all(rule(2)).for_processor("risk-manager", rule(9));
/// let attempts = |processor| overrides.apply(processor, RetryPolicy::default()).class(ErrorClass::Transient).attempts;
/// assert_eq!((attempts("risk-manager"), attempts("portfolio")), (9, 2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryOverrides {
    all: Vec<RetryRule>,
    /// By the name of the processor.
    one: BTreeMap<String, Vec<RetryRule>>,
}

impl RetryOverrides {
    /// With a rule for all processors.
    #[must_use]
    pub fn for_all(mut self, rule: RetryRule) -> Self {
        self.all.push(rule);
        self
    }

    /// With a rule for one processor, by its declared name.
    #[must_use]
    pub fn for_processor(mut self, processor: &str, rule: RetryRule) -> Self {
        self.one.entry(processor.to_owned()).or_default().push(rule);
        self
    }

    /// The policy of a processor: what it declares, with what is wanted otherwise.
    #[must_use]
    pub fn apply(&self, processor: &str, declared: RetryPolicy) -> RetryPolicy {
        let one = self.one.get(processor).map_or(&[][..], Vec::as_slice);
        declared.with(&self.all).with(one)
    }
}
