//! The `memory` workload: decode, handle and settle without any work, against a plain loop over the same bytes.

use std::sync::Arc;

use crate::{
    BenchError,
    options::{Only, Options},
    plain_loop,
    report::{Report, median},
    stage::{MemoryStage, Shape},
    till,
    usage::Spent,
};

/// Measures both sides in turn, round by round, and tells the medians.
///
/// # Errors
/// [`BenchError`]
pub async fn run(options: &Options) -> Result<Option<Report>, BenchError> {
    let shape = Shape::memory(options);
    let stage = MemoryStage::set(&shape).await?;
    if let Some(only) = options.only {
        // It is not put away again: that costs as much for each event as much else.
        run_one_side(only, Box::leak(Box::new(stage)), &shape).await?;
        return Ok(None);
    }
    let records = stage.records();
    let (mut loops, mut frameworks, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..shape.rounds {
        let (plain, expected) = plain_loop::run(&records)?;
        let (ours, taken) = till::run(Arc::new(stage.transport.clone()), &shape, round).await?;
        if (taken.payments, taken.cents) != (expected.payments, expected.cents) {
            return Err(BenchError::Differs(format!("{taken:?} instead of {expected:?}")));
        }
        ratios.push(plain.wall.as_secs_f64() / ours.wall.as_secs_f64());
        loops.push(plain);
        frameworks.push(ours);
    }
    let bound = Spent::median(&loops);
    Ok(Some(Report {
        bound_seconds: bound.wall.as_secs_f64(),
        bound_events_per_s: Some(shape.n as f64 / bound.wall.as_secs_f64()),
        bound_cpu_s: Some(bound.cpu.as_secs_f64()),
        ratio: median(ratios),
        target: "our rate ÷ the loop's, to be at least 1.0",
        ..Report::new("memory", &shape, Spent::median(&frameworks))
    }))
}

/// One side once, with nothing of the other, for a profiler.
async fn run_one_side(only: Only, stage: &MemoryStage, shape: &Shape) -> Result<(), BenchError> {
    match only {
        Only::Setup => drop(stage.records()),
        Only::Loop => drop(plain_loop::run(&stage.records())?),
        Only::Framework => {
            drop(stage.records());
            drop(till::run(Arc::new(stage.transport.clone()), shape, 0).await?);
        }
    }
    Ok(())
}
