#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
    input(topic = "signals.raw", event = Plain),
)]
struct Risk;

impl Handle<Plain> for Risk {
    type Error = Refused;
    async fn handle(&mut self, _: Event<Plain>, _: &mut Context<Self>) -> Result<(), Refused> {
        Ok(())
    }
}

#[derive(pandaflow::Event)]
#[event(type = "plain", key = "{account}")]
struct Plain {
    account: String,
}

fn main() {}
