#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
    input(topic = "signals.raw", event = TradingSignal),
)]
struct Risk;

impl Handle<TradingSignal> for Risk {
    type Error = std::fmt::Error;
    async fn handle(&mut self, _: Event<TradingSignal>, _: &mut Context<Self>) -> Result<(), std::fmt::Error> {
        Ok(())
    }
}

fn main() {}
