#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
    input(topic = "signals.raw", event = TradingSignal),
    dead_letters(percent = 101),
)]
struct Risk;

impl Handle<TradingSignal> for Risk {
    type Error = Refused;
    async fn handle(&mut self, _: Event<TradingSignal>, _: &mut Context<Self>) -> Result<(), Refused> {
        Ok(())
    }
}

fn main() {}
