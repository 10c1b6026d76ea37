use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal", key = "{2}")]
struct Signal(String, String);

fn main() {}
