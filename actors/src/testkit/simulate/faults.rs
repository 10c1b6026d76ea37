//! Which faults a simulation draws, and how often.

/// How often each kind of step is drawn, against the others: 0 is never. By default all are.
///
/// ```
/// use pandaflow_actors::testkit::simulate::Faults;
/// // Only crashes and failing handlers.
/// let faults = Faults { crashes: 4, handlers: 12, ..Faults::NONE };
/// # assert_ne!(faults, Faults::default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// The process is killed, and started again.
    pub crashes: u64,
    /// The process drains and starts again.
    pub restarts: u64,
    /// Partitions are revoked, lost, given again or started over.
    pub rebalances: u64,
    /// Settlements fail, wait, or are answered late.
    pub settlements: u64,
    /// The stores of dedup marks, of state and of dead letters fail or hang.
    pub stores: u64,
    /// Attempts fail, panic, hang or take their time.
    pub handlers: u64,
    /// Events are delivered again under the same id, to processors that dedup.
    pub repeats: u64,
}

impl Faults {
    /// No fault at all.
    pub const NONE: Self =
        Self { crashes: 0, restarts: 0, rebalances: 0, settlements: 0, stores: 0, handlers: 0, repeats: 0 };
}

impl Default for Faults {
    fn default() -> Self {
        Self { crashes: 4, restarts: 2, rebalances: 14, settlements: 8, stores: 7, handlers: 14, repeats: 5 }
    }
}
