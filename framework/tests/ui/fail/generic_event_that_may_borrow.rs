use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal", key = "{account}")]
struct Signal<T> {
    account: String,
    more: T,
}

fn main() {}
