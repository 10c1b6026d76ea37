use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal", version = 0, key = "{account}")]
struct Signal {
    account: String,
    symbol: String,
}

fn main() {}
