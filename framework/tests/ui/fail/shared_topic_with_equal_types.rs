#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};
use serde::{Deserialize, Serialize};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
    input(topic = "signals.raw", event = TradingSignal),
    input(topic = "signals.raw", event = Same),
)]
struct Risk;

impl Handle<TradingSignal> for Risk {
    type Error = Refused;
    async fn handle(&mut self, _: Event<TradingSignal>, _: &mut Context<Self>) -> Result<(), Refused> {
        Ok(())
    }
}

impl Handle<Same> for Risk {
    type Error = Refused;
    async fn handle(&mut self, _: Event<Same>, _: &mut Context<Self>) -> Result<(), Refused> {
        Ok(())
    }
}

#[derive(Serialize, Deserialize, pandaflow::Event)]
#[event(type = "trading_signal", key = "{account}")]
struct Same {
    account: String,
}

fn main() {}
