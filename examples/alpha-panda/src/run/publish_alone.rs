//! `feed`: publishes the feed alone, for pipelines that run in other processes or will run later.

use std::process::ExitCode;

use pandaflow_actors::{Signals, cli};

use super::{
    LOOK_EVERY,
    progress::Progress,
    publish::{FeedPublisher, Pace},
    setup::{Opened, Setup, check, unless_stopped, with_signals},
};
use crate::arguments::FeedOptions;

/// Publishes, and gives the exit code: 0 if all of the feed is on the log, or a signal came; 1 if not; 2 if there is
/// something for the user to mend.
pub async fn feed(options: FeedOptions) -> ExitCode {
    with_signals(async |signals| go(&options, signals).await).await
}

async fn go(options: &FeedOptions, signals: &Signals) -> Result<ExitCode, String> {
    let preparing = async {
        let setup = Setup::new(&options.place)?;
        let files = check(options.files.paths()).await?;
        Ok::<_, String>((setup.open().await?, files))
    };
    let (opened, files) = unless_stopped(signals, preparing).await?;
    let Opened { setup, transport } = &opened;
    setup.program.create_topics(&**transport).await.map_err(|error| error.to_string())?;
    let lines = files.iter().map(|file| file.lines).sum();
    let mut progress = Progress::new(lines);
    let publisher = FeedPublisher::start(&opened, &files, Pace::of(options.rate)).await?;
    let error = loop {
        tokio::select! {
            () = signals.first() => break None,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        progress.show(publisher.published(), &[]);
        if publisher.error().is_some() || publisher.is_done() {
            break publisher.error();
        }
    };
    publisher.stop().await;
    progress.finish();
    let published = publisher.published();
    transport.close().await;
    if let Some(error) = error.or_else(|| publisher.error()) {
        cli::warn(format_args!("error: {error}"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(cli::print(&format!("{published} of the feed's {lines} events are on the log\n")))
}
