//! The smallest processor: reads names, prints a greeting for each, and emits it.
use pandaflow::{Context, Event, Handle, StreamProcessor};
use pandaflow_actors::App;
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, process::ExitCode};
#[cfg(test)]
mod tests;

#[derive(Serialize, Deserialize, Event)]
#[event(type = "name_given", key = "{0}")]
struct NameGiven(String);

#[derive(Serialize, Deserialize, Event)]
#[event(type = "greeted", key = "{0}")]
struct Greeted(String);

#[derive(StreamProcessor)]
#[processor(
    name = "greeter",
    input(topic = "names.given", event = NameGiven),
    output(topic = "greetings.sent", event = Greeted)
)]
struct Greeter;

impl Handle<NameGiven> for Greeter {
    type Error = Infallible;
    async fn handle(&mut self, name: Event<NameGiven>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        let greeting = format!("Hello, {}!", name.0);
        println!("{greeting}");
        ctx.emit(Greeted(greeting));
        Ok(())
    }
}

#[actix::main]
async fn main() -> ExitCode {
    let names = ["Ada", "Grace"].map(|name| NameGiven(name.into()));
    App::new("hello").processor(|_| Greeter).publish("names.given", names).main().await
}
