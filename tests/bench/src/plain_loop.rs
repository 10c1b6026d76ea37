//! The bound of the `memory` workload: one thread that decodes the same bytes into the same type with the same codec
//! and calls the same function, in a loop.

use std::sync::Arc;

use pandaflow::{
    Event, Record,
    codec::{Decode, EnvelopeFormat},
};

use crate::{
    BenchError,
    payments::PaymentMade,
    till::{Taken, Takings, Till},
    usage::{Spent, Stopwatch},
};

/// Runs it over all records.
#[inline(never)]
pub(crate) fn run(records: &[Record]) -> Result<(Spent, Taken), BenchError> {
    let takings = Arc::new(Takings::default());
    let stopwatch = Stopwatch::start();
    let mut till = Till::new(takings.clone());
    for record in records {
        let value = record.value.as_deref().unwrap_or_default();
        let payment: Event<PaymentMade> = EnvelopeFormat::decode(record, value)?;
        till.book(&payment);
    }
    let spent = stopwatch.spent();
    drop(till);
    Ok((spent, takings.taken()))
}
