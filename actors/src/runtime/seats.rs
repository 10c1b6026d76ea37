//! Seats: places on the heap for the futures of events. Most handlers end when they are first polled, and leave their
//! seat to the next event; so there is an allocation only for those that wait.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::future::{LocalBoxFuture, OptionFuture};

/// What became of an event that was begun.
pub(crate) enum Begun<T> {
    /// It has ended.
    Ended(T),
    /// It waits for something, and keeps its seat. Its future gives `Some`.
    Waits(LocalBoxFuture<'static, Option<T>>),
}

/// Begins work of one kind.
pub(crate) trait Seats<W, T> {
    /// Seats the future of `work` and polls it once.
    fn begin(&mut self, work: W) -> Begun<T>;
}

/// Seats for the futures that `make` makes.
pub(crate) fn seats<W, F: Future + 'static>(make: impl Fn(W) -> F + 'static) -> Box<dyn Seats<W, F::Output>> {
    Box::new(OfOneKind { make, free: None })
}

struct OfOneKind<M, F> {
    make: M,
    /// The seat that was left last.
    free: Option<Pin<Box<OptionFuture<F>>>>,
}

impl<W, F: Future + 'static, M: Fn(W) -> F> Seats<W, F::Output> for OfOneKind<M, F> {
    fn begin(&mut self, work: W) -> Begun<F::Output> {
        let mut seat = self.free.take().unwrap_or_else(|| Box::pin(OptionFuture::from(None)));
        seat.set(OptionFuture::from(Some((self.make)(work))));
        match seat.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(ended)) => {
                // What has ended holds nothing any more; the next event takes its place.
                self.free = Some(seat);
                Begun::Ended(ended)
            }
            _ => Begun::Waits(seat),
        }
    }
}
