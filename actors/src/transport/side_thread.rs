//! A thread beside the arbiters that drives the connections of a store, so that any executor may wait for its answers.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::ports::StoreError;
use tokio::{runtime, sync::oneshot};

/// A running thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct SideThread {
    store: &'static str,
    runtime: runtime::Handle,
    _running: oneshot::Sender<()>,
}

impl SideThread {
    /// Starts it; `store` names it and stands in errors.
    pub(super) fn start(store: &'static str) -> io::Result<Self> {
        let (running, ended) = oneshot::channel::<()>();
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name(format!("pandaflow-{store}")).spawn(move || {
            // Nothing is ever sent: it waits for the sender's end.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { store, runtime: handle, _running: running })
    }

    /// For what must be made within a runtime.
    pub(super) fn enter(&self) -> runtime::EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Runs `work` on the thread, from now on. It goes on if nobody waits for it any longer; `unheard` gets what it
    /// came to then.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        unheard: impl FnOnce(T) + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        self.runtime.spawn(async move {
            if let Err((Ok(lost), unheard)) = answer.send((work.await, unheard)) {
                unheard(lost);
            }
        });
        Answer { store: self.store, answered }.boxed()
    }
}

/// Waits for what work came to.
struct Answer<T, F: FnOnce(T)> {
    store: &'static str,
    answered: oneshot::Receiver<(Result<T, StoreError>, F)>,
}

impl<T, F: FnOnce(T)> Future for Answer<T, F> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let closed = StoreError { store: self.store, message: "it was closed".into() };
        self.answered.poll_unpin(cx).map(|answer| answer.map_or(Err(closed), |(outcome, _)| outcome))
    }
}

impl<T, F: FnOnce(T)> Drop for Answer<T, F> {
    /// What came meanwhile is not heard either.
    fn drop(&mut self) {
        self.answered.close();
        if let Ok((Ok(lost), unheard)) = self.answered.try_recv() {
            unheard(lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_nobody_waits_for_is_unheard_whether_it_was_there_already_or_came_later() {
        let thread = SideThread::start("test").expect("a thread can be started");
        for there_already in [true, false] {
            let (unheard, told) = channel();
            let (go_on, may_go_on) = oneshot::channel::<()>();
            let work = async move { Ok(may_go_on.await) };
            let answer = thread.run(work, move |_| unheard.send(()).expect("the test waits"));
            if there_already {
                go_on.send(()).expect("the work waits");
                let (behind, is_behind) = channel();
                drop(thread.run(async { Ok(()) }, move |()| behind.send(()).expect("the test waits")));
                is_behind.recv().expect("work comes to its end");
                drop(answer);
            } else {
                drop(answer);
                go_on.send(()).expect("the work waits");
            }
            told.recv().expect("it is unheard");
        }
    }

    #[test]
    fn what_was_heard_is_not_unheard() {
        let thread = SideThread::start("test").expect("a thread can be started");
        let answer = thread.run(async { Ok(7) }, |_| unreachable!("it was heard"));
        assert_eq!(thread.runtime.block_on(answer).expect("work comes to its end"), 7);
    }
}
