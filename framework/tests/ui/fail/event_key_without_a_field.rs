use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal", key = "all")]
struct Signal {
    account: String,
    symbol: String,
}

fn main() {}
