use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "signal", key = "{account}", key_with = Self::key_of)]
struct Signal {
    account: String,
}

impl Signal {
    fn key_of(&self) -> &str {
        &self.account
    }
}

fn main() {}
