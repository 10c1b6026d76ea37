//! Guards one attempt: a panic in the handler and a handler that takes too long become values.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;

use super::pulse::Running;

/// How a guarded future ended otherwise than by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It panicked, with this message.
    Panicked(String),
    /// It took longer than its limit.
    TimedOut,
}

/// Polls a future inside a panic boundary and under a time-out. The timer is made when the future first
/// waits, since most handlers never do.
pub(crate) struct Guarded<'a, F> {
    future: Pin<&'a mut F>,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    running: &'a Running,
}

impl<'a, F: Future> Guarded<'a, F> {
    /// Guards `future`, which may take `limit`; `running` shows the watchdog who holds the arbiter.
    pub(crate) fn new(future: Pin<&'a mut F>, limit: Duration, running: &'a Running) -> Self {
        Self { future, limit, timer: None, running }
    }
}

impl<F: Future> Future for Guarded<'_, F> {
    type Output = Result<F::Output, Broken>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.running.enter();
        let polled = catch_unwind(AssertUnwindSafe(|| this.future.as_mut().poll(cx)));
        this.running.leave();
        match polled {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(Broken::Panicked(panic_message(&*panic)))),
            Ok(Poll::Pending) => {
                let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.limit)));
                timer.as_mut().poll(cx).map(|()| Err(Broken::TimedOut))
            }
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
