//! The threads of a transport, so that closing it can wait for them.

use std::{
    cell::Cell,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

thread_local! {
    /// Whether this thread belongs to an embedded transport.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Something that runs on a thread of its own until it is told to stop.
pub(super) trait Stop: Send + Sync {
    /// Asks it to stop soon.
    fn stop(&self);
}

/// The reading threads of a transport.
#[derive(Default)]
pub(super) struct Threads(Mutex<Vec<Running>>);

struct Running {
    stop: Arc<dyn Stop>,
    handle: JoinHandle<()>,
}

impl Threads {
    /// Runs `work` on a thread, until `stop` is told so.
    pub(super) fn run(
        &self,
        name: &str,
        stop: Arc<dyn Stop>,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let handle = spawn(name, work)?;
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|running| !running.handle.is_finished());
        threads.push(Running { stop, handle });
        Ok(())
    }

    /// Stops all and waits for them.
    pub(super) fn stop(&self) {
        let threads = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        threads.iter().for_each(|running| running.stop.stop());
        for Running { handle, .. } in threads {
            join(handle);
        }
    }
}

/// Spawns a thread of the transport.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        OURS.set(true);
        work();
    })
}

/// Waits for a thread to end. One of ours does not wait: it could be waiting for itself.
pub(super) fn join_from_outside(handle: JoinHandle<()>) {
    if !OURS.get() {
        join(handle);
    }
}

fn join(handle: JoinHandle<()>) {
    if handle.join().is_err() {
        log::error!("a thread of the embedded log panicked");
    }
}
