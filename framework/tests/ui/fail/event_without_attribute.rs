use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
struct Signal {
    account: String,
    symbol: String,
}

fn main() {}
