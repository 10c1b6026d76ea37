//! `topics plan`, `apply` and `check`, on the broker.

use std::{fmt::Write, process::ExitCode};

use pandaflow::{policy::topic_plan::TopicPlan, settings::Settings};

use super::TopicsCommand;
use crate::{
    Program,
    broker::{Broker, PrepareError},
    cli,
};

pub(super) async fn run(command: TopicsCommand, program: &Program, settings: &Settings) -> ExitCode {
    let done = match command {
        TopicsCommand::Plan => plan(program, settings).await,
        TopicsCommand::Apply => apply(program, settings).await,
        TopicsCommand::Check => check(program, settings).await,
    };
    done.unwrap_or_else(cli::refuse)
}

async fn plan(program: &Program, settings: &Settings) -> Result<ExitCode, PrepareError> {
    let broker = Broker::connect(settings).await?;
    let plan = broker.plan(&broker.wanted(program)?).await?;
    Ok(told(&table(&plan), code(&plan)))
}

async fn apply(program: &Program, settings: &Settings) -> Result<ExitCode, PrepareError> {
    let broker = Broker::connect(settings).await?;
    let wanted = broker.wanted(program)?;
    let plan = broker.plan(&wanted).await?;
    if !plan.refusals.is_empty() {
        let text =
            table(&plan) + "nothing was changed: what can't be changed safely has to be mended first\n";
        return Ok(told(&text, code(&plan)));
    }
    let mut faults = broker.apply(&plan.changes).await?;
    if faults.is_empty() {
        let left = broker.left(&wanted).await?;
        faults.extend(left.changes.iter().map(|change| format!("{}: still to {change}", change.topic())));
    }
    for fault in &faults {
        cli::warn(format_args!("error: {fault}"));
    }
    let done = if plan.changes.is_empty() { "nothing had to be changed\n" } else { "done\n" };
    let text = table(&plan) + if faults.is_empty() { done } else { "not all of it could be done\n" };
    Ok(told(&text, if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

async fn check(program: &Program, settings: &Settings) -> Result<ExitCode, PrepareError> {
    let check = Broker::connect(settings).await?.check(program).await?;
    if check.problems.is_empty() {
        let topics = check.plan.settled.len();
        return Ok(cli::print(&format!("all {topics} topics are as declared\n")));
    }
    let text: String = check.problems.iter().map(|problem| format!("{problem}\n")).collect();
    let code = if check.plan.refusals.is_empty() { ExitCode::FAILURE } else { ExitCode::from(cli::USAGE) };
    Ok(told(&text, code))
}

/// Prints, with this exit code unless it can't be printed.
fn told(text: &str, code: ExitCode) -> ExitCode {
    match cli::print(text) {
        ExitCode::SUCCESS => code,
        failure => failure,
    }
}

fn code(plan: &TopicPlan) -> ExitCode {
    if !plan.refusals.is_empty() {
        ExitCode::from(cli::USAGE)
    } else if plan.changes.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A line for each topic and change, then the sum.
fn table(plan: &TopicPlan) -> String {
    let changed = plan.changes.iter().map(|change| (change.topic(), "change", change.to_string()));
    let refused = plan.refusals.iter().map(|refusal| (&refusal.topic, "refused", refusal.reason.to_string()));
    let settled = plan.settled.iter().map(|topic| (topic, "as declared", String::new()));
    let mut rows: Vec<_> = changed.chain(refused).chain(settled).collect();
    rows.sort_by_key(|(topic, ..)| *topic);
    let width = rows.iter().map(|(topic, ..)| topic.len()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}  {:11}  what\n", "topic", "");
    for (topic, kind, what) in rows {
        let line = format!("{:width$}  {kind:11}  {what}", topic.as_str());
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let (changes, refusals, settled) = (plan.changes.len(), plan.refusals.len(), plan.settled.len());
    let _ = writeln!(text, "\n{changes} to change, {refusals} refused, {settled} as declared");
    text
}
