//! How fresh events and those that come back from parking share a task.

/// Whose turn it is where both have events: of a hundred, seventy are fresh and thirty come back from parking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turns {
    fresh: u64,
    released: u64,
}

impl Turns {
    /// Of a hundred events, how many come back from parking while fresh ones wait.
    pub const RELEASED_SHARE: u64 = 30;

    /// Whether it is the turn of those that come back, while fresh ones wait as well.
    #[must_use]
    pub fn is_released_turn(self) -> bool {
        self.released * (100 - Self::RELEASED_SHARE) <= self.fresh * Self::RELEASED_SHARE
    }

    /// So many fresh events had their turn.
    pub fn fresh(&mut self, events: usize) {
        self.fresh += events as u64;
    }

    /// So many events that came back had theirs.
    pub fn released(&mut self, events: usize) {
        self.released += events as u64;
    }

    /// One side has none: nothing is owed to the other.
    pub fn alone(&mut self) {
        *self = Self::default();
    }
}
