//! `topics`: what topics a program has, made from its processors' declarations.

use std::fmt::Write;

use crate::{PlanError, Program};

/// A table of the program's topics: name, partitions, retention.
///
/// # Errors
/// The declarations don't fit together.
pub fn topics(program: &Program) -> Result<String, PlanError> {
    let plan = program.plan()?;
    let width = plan.topics.iter().map(|topic| topic.topic.len()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}  partitions  retention\n", "topic");
    for topic in &plan.topics {
        let hours = topic.retention.as_secs() / 3600;
        // Writing to a string can't fail.
        let _ = writeln!(text, "{:width$}  {:>10}  {hours:>7} h", topic.topic.as_str(), topic.partitions);
    }
    Ok(text)
}
