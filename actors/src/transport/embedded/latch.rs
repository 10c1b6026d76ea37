//! Order after a failure: once a settlement of an owner has failed, its later ones fail too until that one has
//! been tried again. Their progress tells of its events as well, so they must not become real before it.

use pandaflow::ports::{SettleErrorKind, Settlement};

/// The settlement that failed, if one did.
#[derive(Debug, Default)]
pub(super) struct Latch(Option<Box<(Settlement, SettleErrorKind)>>);

impl Latch {
    /// Closes after a failure; a second one changes nothing.
    pub(super) fn close(&mut self, settlement: &Settlement, kind: SettleErrorKind) {
        self.0.get_or_insert_with(|| Box::new((settlement.clone(), kind)));
    }

    /// Whether it is the turn of `settlement`; opens if it is the one that failed.
    pub(super) fn lets_through(&mut self, settlement: &Settlement) -> bool {
        let Some(failed) = &self.0 else { return true };
        let again = is_retry(&failed.0, failed.1, settlement);
        if again {
            self.0 = None;
        }
        again
    }
}

/// Whether `settlement` is the one that failed, tried again. One that was refused comes again in another form, but
/// settles the same events.
fn is_retry(failed: &Settlement, kind: SettleErrorKind, settlement: &Settlement) -> bool {
    match kind {
        SettleErrorKind::Refused => {
            failed.ledger.ended() == settlement.ledger.ended() && failed.progress == settlement.progress
        }
        _ => failed == settlement,
    }
}
