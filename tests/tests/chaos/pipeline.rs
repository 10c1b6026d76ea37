//! The pipeline's groups and topics, as they are called on the broker.

/// What stands before all names on the broker.
pub(crate) const PREFIX: &str = "chaos-";

/// A processor's group.
pub(crate) struct Group {
    pub(crate) processor: &'static str,
    inputs: &'static [&'static str],
}

/// In the order of an event's way.
pub(crate) const GROUPS: [Group; 4] = [
    Group { processor: "strategies", inputs: &["market.ticks"] },
    Group {
        processor: "risk-manager",
        inputs: &["paper.signals.raw", "paper.orders.filled", "paper.orders.failed"],
    },
    Group { processor: "execution", inputs: &["paper.signals.validated"] },
    Group { processor: "portfolio", inputs: &["paper.orders.filled"] },
];

/// What the processors emit to.
pub(crate) const OUTPUTS: [&str; 7] = [
    "paper.signals.raw",
    "paper.signals.validated",
    "paper.signals.rejected",
    "paper.orders.submitted",
    "paper.orders.filled",
    "paper.orders.failed",
    "paper.pnl.snapshots",
];

impl Group {
    /// As it is called on the broker.
    pub(crate) fn name(&self) -> String {
        format!("{PREFIX}pandaflow.paper.{}", self.processor)
    }

    /// The topics that it reads, as they are called on the broker.
    pub(crate) fn inputs(&self) -> Vec<String> {
        self.inputs.iter().map(|topic| format!("{PREFIX}{topic}")).collect()
    }

    /// Where its states lie.
    pub(crate) fn changelog(&self) -> String {
        format!("{}.changelog", self.name())
    }
}
