//! The bounds of mailboxes, and what happens at them.

use actix::{Actor, Context, Handler};
use tokio::sync::watch;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "u32")]
struct Add(u32);

/// Adds; answers asks once the gate is open.
struct Adder {
    sum: watch::Sender<u32>,
    gate: watch::Receiver<bool>,
}

impl Actor for Adder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4);
    }
}

impl Handler<Add> for Adder {
    type Result = actix::ResponseFuture<u32>;

    fn handle(&mut self, Add(more): Add, _ctx: &mut Self::Context) -> Self::Result {
        assert_ne!(more, 13, "a handler that panics");
        self.sum.send_modify(|sum| *sum += more);
        let (sum, mut gate) = (*self.sum.borrow(), self.gate.clone());
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            sum
        })
    }
}

/// An adder for as many asks at once, the gate, and its sum.
async fn adder(asks: usize) -> (Mailbox<Add>, watch::Sender<bool>, watch::Receiver<u32>) {
    let (open, gate) = watch::channel(false);
    let (sums, sum) = watch::channel(0);
    let address = Adder { sum: sums, gate }.start();
    let mailbox = Mailbox::new("adder", address.recipient(), asks);
    // Until the actor has run once, its mailbox has actix's own bound.
    tokio::task::yield_now().await;
    (mailbox, open, sum)
}

#[actix::test]
async fn a_full_mailbox_gives_the_message_back_whatever_the_number_of_clones() {
    let (mailbox, _open, _) = adder(1).await;
    let taken = (0..100).take_while(|n| mailbox.clone().tell(Add(*n)).is_ok()).count();
    assert!((4..=5).contains(&taken), "the mailbox and one more, not one more a clone: {taken}");
    let undelivered = mailbox.tell(Add(7)).unwrap_err();
    assert_eq!((undelivered.message, undelivered.reason), (Add(7), Refusal::Full));
    mailbox.tell_past_bound(Add(7));
}

#[actix::test]
async fn asks_beyond_the_bound_wait_for_answers_of_earlier_ones() {
    let (mailbox, open, sum) = adder(2).await;
    let asks: Vec<_> = (0..5).map(|_| actix_rt::spawn(mailbox.clone().ask(Add(1)))).collect();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*sum.borrow(), 2, "two are with the actor");
    let sixth = mailbox.ask(Add(100));
    open.send_replace(true);
    let mut sums = Vec::new();
    for ask in asks {
        sums.push(ask.await.unwrap().unwrap());
    }
    assert_eq!(sums, [1, 2, 3, 4, 5], "in the order of the calls");
    assert_eq!(sixth.await, Ok(105));
}

#[actix::test]
async fn an_ask_below_the_bound_is_sent_before_it_is_polled() {
    let (mailbox, open, _) = adder(2).await;
    open.send_replace(true);
    let first = mailbox.ask(Add(1));
    let second = mailbox.ask(Add(2));
    assert_eq!(second.await, Ok(3));
    assert_eq!(first.await, Ok(1));
}

#[actix::test]
async fn an_actor_that_has_ended_is_told_from_a_full_one() {
    let (mailbox, _open, _) = adder(2).await;
    let closed = Err(MailboxError::Closed { service: "adder" });
    assert_eq!(mailbox.ask(Add(13)).await, closed, "its handler panicked");
    assert!(!mailbox.is_open());
    assert_eq!(mailbox.ask(Add(1)).await, closed);
    assert_eq!(mailbox.tell(Add(1)).unwrap_err().reason, Refusal::Closed);
}
