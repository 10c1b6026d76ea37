//! A processor that says that its handlers take part in a transaction.
#![deny(warnings)]

#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(name = "book", input(topic = "signals.raw", event = TradingSignal), transaction)]
struct Book;

impl Handle<TradingSignal> for Book {
    type Error = Refused;
    async fn handle(&mut self, _: Event<TradingSignal>, _: &mut Context<Self>) -> Result<(), Refused> {
        Ok(())
    }
}

fn main() {
    assert!(Book::DECLARATION.transaction);
}
