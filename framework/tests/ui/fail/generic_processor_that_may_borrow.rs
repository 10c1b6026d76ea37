#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
    input(topic = "signals.raw", event = TradingSignal),
)]
struct Risk<T>(T);

impl<T: 'static> Handle<TradingSignal> for Risk<T> {
    type Error = Refused;
    async fn handle(&mut self, _: Event<TradingSignal>, _: &mut Context<Self>) -> Result<(), Refused> {
        Ok(())
    }
}

fn main() {}
