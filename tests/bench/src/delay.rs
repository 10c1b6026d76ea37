//! The `delay` workload: handlers that wait, against what no scheduler could do better.

use std::{sync::Arc, time::Duration};

use crate::{
    BenchError,
    options::{Options, Ordering},
    report::{Report, median},
    stage::{MemoryStage, Shape},
    till::{self, Taken},
};

/// Measures, round by round; tells the round whose ratio is the median.
///
/// # Errors
/// [`BenchError`]
pub async fn run(options: &Options) -> Result<Report, BenchError> {
    let shape = Shape::delay(options);
    let stage = MemoryStage::set(&shape).await?;
    let mut reports = Vec::new();
    for round in 0..shape.rounds {
        let (spent, taken) = till::run(Arc::new(stage.transport.clone()), &shape, round).await?;
        if taken.payments != shape.n {
            return Err(BenchError::Differs(format!("{} handled of {}", taken.payments, shape.n)));
        }
        let bound = bound(&shape, &taken).as_secs_f64();
        reports.push(Report {
            bound_seconds: bound,
            ratio: spent.wall.as_secs_f64() / bound,
            target: "our time ÷ the bound, to be at most 1.2",
            ..Report::new("delay", &shape, spent)
        });
    }
    let ratio = median(reports.iter().map(|report| report.ratio).collect());
    let found = reports.into_iter().find(|report| report.ratio == ratio);
    found.ok_or_else(|| BenchError::Differs("nothing was measured".into()))
}

/// The longest time that events which wait for each other took, or all of them evenly over what may run at once, from
/// the times that the handlers in fact took.
pub(crate) fn bound(shape: &Shape, taken: &Taken) -> Duration {
    let total: Duration = taken.waited.values().sum();
    let spread = total / u32::try_from(shape.concurrency.max(1)).unwrap_or(u32::MAX);
    let longest = match shape.order {
        Ordering::Key => taken.waited.values().max().copied().unwrap_or_default(),
        Ordering::Partition => total / shape.partitions.max(1),
        Ordering::None => Duration::ZERO,
    };
    spread.max(longest)
}
