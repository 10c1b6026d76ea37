//! The settings that an app knows by what it is made of.

use std::convert::Infallible;

use pandaflow::{Context, Event, Handle, StreamProcessor};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Serialize, Deserialize, Event)]
#[event(type = "name_given", key = "{0}")]
struct NameGiven(String);

#[derive(StreamProcessor)]
#[processor(name = "kind-greeter", input(topic = "names.given", event = NameGiven))]
struct KindGreeter;

impl Handle<NameGiven> for KindGreeter {
    type Error = Infallible;

    async fn handle(&mut self, _: Event<NameGiven>, _: &mut Context<Self>) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn retries_are_set_for_the_processors_that_it_has_and_for_no_others() {
    let app = App::new("greeter").processor(|_| KindGreeter);
    let load = |name| app.loader.load([(name, "3")], "").map(|_| ()).map_err(|errors| errors.to_string());
    assert_eq!(load("RETRY__KIND_GREETER__TRANSIENT__ATTEMPTS"), Ok(()));
    assert_eq!(
        load("RETRY__RISK_MANAGER__TRANSIENT__ATTEMPTS"),
        Err("RETRY__RISK_MANAGER__TRANSIENT__ATTEMPTS: no such processor; the program has KIND_GREETER"
            .into())
    );
}
