use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(typ = "signal", key = "{account}")]
struct Signal {
    account: String,
    symbol: String,
}

fn main() {}
