use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "trading-signal", key = "{account}")]
struct Signal {
    account: String,
    symbol: String,
}

fn main() {}
