#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
    input(topic = "signals.raw", event = Account),
)]
struct Risk;

impl Handle<Account> for Risk {
    type Error = Refused;
    async fn handle(&mut self, _: Event<Account>, _: &mut Context<Self>) -> Result<(), Refused> {
        Ok(())
    }
}

fn main() {}
