use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal", key = "{account}")]
enum Signal {
    Buy { account: String },
}

fn main() {}
