//! `topics`: what topics a program has, made from its processors' declarations; with `plan`, `apply` and `check` those
//! that the broker has beside them.

#[cfg(feature = "kafka")]
mod on_broker;

use std::{fmt::Write, process::ExitCode};

use clap::Subcommand;
use pandaflow::settings::Settings;

use crate::{PlanError, Program};

/// What to do with the broker's topics. Without one, the declared topics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum TopicsCommand {
    /// Show what has to change on the broker. Exit code 0: nothing; 1: something; 2: something can't be changed safely
    Plan,
    /// Make the changes that `plan` shows; none at all if one can't be made safely
    Apply,
    /// List everything that is wrong with the broker's topics. Exit code 0: nothing; 1 and 2 as with `plan`
    Check,
}

impl TopicsCommand {
    /// Does it on the broker that the settings name, and prints what it did. Exit code 0: all is as declared; 1: it isn't,
    /// and `apply` can mend it, or a broker did not do it; 2: something for the user to mend.
    #[cfg(feature = "kafka")]
    pub async fn run(self, program: &Program, settings: &Settings) -> ExitCode {
        on_broker::run(self, program, settings).await
    }

    /// Refuses, as this program was built without Kafka.
    #[cfg(not(feature = "kafka"))]
    pub async fn run(self, _program: &Program, _settings: &Settings) -> ExitCode {
        super::refuse(NO_KAFKA)
    }
}

/// What a program without Kafka says when it is asked for it.
pub const NO_KAFKA: &str = "this program was built without Kafka; build it with --features kafka";

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
