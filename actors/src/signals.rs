//! Signals: the first SIGTERM or SIGINT asks the process to drain, a second one ends it at once.

use std::{io, process};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// The exit code after a second signal, as a shell reports a process that SIGINT ended.
const STOPPED_AT_ONCE: i32 = 130;

/// Listens for signals from its making on.
pub struct Signals {
    first: watch::Receiver<bool>,
}

impl Signals {
    /// Takes the signals over. Must be called where a tokio runtime runs.
    ///
    /// # Errors
    /// The system refuses the handler.
    pub fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let (came, first) = watch::channel(false);
        actix_rt::spawn(wait(terminate, interrupt, came));
        Ok(Self { first })
    }

    /// Resolves when the first signal has come, also if it came before this was called.
    pub async fn first(&self) {
        let mut first = self.first.clone();
        if first.wait_for(|came| *came).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the first signal has come.
    #[must_use]
    pub fn came(&self) -> bool {
        *self.first.borrow()
    }
}

async fn wait(mut terminate: Signal, mut interrupt: Signal, came: watch::Sender<bool>) {
    either(&mut terminate, &mut interrupt).await;
    came.send_replace(true);
    either(&mut terminate, &mut interrupt).await;
    crate::cli::warn("a second signal: stopping at once; what was under way comes again in the next run");
    process::exit(STOPPED_AT_ONCE);
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
