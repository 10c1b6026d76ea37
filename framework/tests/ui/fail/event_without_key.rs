use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal")]
struct Signal {
    account: String,
    symbol: String,
}

fn main() {}
