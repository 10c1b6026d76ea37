#[path = "../events.rs"]
mod events;

use events::*;
use pandaflow::{Context, Event, Handle, StreamProcessor};

#[derive(StreamProcessor)]
#[processor(
    name = "risk",
)]
struct Risk;

fn main() {}
