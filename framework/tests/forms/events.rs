//! The events that the processors take and emit.

use pandaflow::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "ping", key = "{key}")]
pub(crate) struct Ping {
    pub(crate) key: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "pong", key = "{key}")]
pub(crate) struct Pong {
    pub(crate) key: String,
}

pub(crate) fn ping() -> Ping {
    Ping { key: "a".into() }
}

pub(crate) fn pong() -> Pong {
    Pong { key: "a".into() }
}
