use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal", key = "{account}:{sides}")]
struct Signal {
    account: String,
    sides: Vec<u8>,
}

fn main() {}
