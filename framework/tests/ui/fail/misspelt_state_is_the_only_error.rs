#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
    input(topic = "signals.raw", event = TradingSignal),
    sate = Account,
)]
struct Risk;

impl Handle<TradingSignal> for Risk {
    type Error = Refused;
    async fn handle(&mut self, _: Event<TradingSignal>, ctx: &mut Context<Self>) -> Result<(), Refused> {
        ctx.state_mut().reserved += 1;
        Ok(())
    }
}

fn main() {}
