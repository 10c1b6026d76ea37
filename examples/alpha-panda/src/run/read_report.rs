//! `report`: how things stand, read by a process that takes no part.

use std::process::ExitCode;

use pandaflow_actors::cli;

use super::{
    report::{Fed, Report},
    setup::{Setup, check},
};
use crate::arguments::ReportOptions;

/// Prints the report, and gives the exit code: 0 if it could be read and its ledgers balance; 1 if not; 2 if there is
/// something for the user to mend.
pub async fn report(options: ReportOptions) -> ExitCode {
    match go(&options).await {
        Ok(code) => code,
        Err(message) => cli::refuse(message),
    }
}

async fn go(options: &ReportOptions) -> Result<ExitCode, String> {
    let mut setup = Setup::new(&options.place)?;
    // Whoever looks changes nothing, least of all where a prefix is misspelt.
    setup.settings.kafka.create_topics = false;
    let mut files = check(options.files.paths()).await?;
    let opened = setup.open().await?;
    let mut published = opened.published(&files).await?;
    if options.files.feeds.is_empty() {
        let mut there = published.iter().map(|count| *count > 0);
        files.retain(|_| there.next().unwrap_or(false));
        published.retain(|count| *count > 0);
    }
    let fed = Fed { files: &files, events: published.iter().sum(), now: None };
    let report = Report::read(&opened, &fed).await.map_err(|error| error.to_string());
    opened.transport.close().await;
    let report = report?;
    let faults = report.imbalances();
    for fault in &faults {
        cli::warn(format_args!("error: {fault}"));
    }
    let printed = cli::print(&report.text(options.json).map_err(|error| error.to_string())?);
    Ok(if faults.is_empty() { printed } else { ExitCode::FAILURE })
}
