//! Retries and a dead letter: what may pass is tried again in order, what can't be mended is put aside.
//! See what was given up on by `cargo run -p flaky -- dead-letters list`.

use std::{process::ExitCode, time::Duration};

use pandaflow::{Classify, Context, Event, Handle, StreamProcessor};
use pandaflow_actors::App;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Event)]
#[event(type = "parcel_sent", version = 1, key = address)]
struct ParcelSent {
    address: String,
    /// How often the door stays shut before somebody opens.
    rings: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "parcel_delivered", version = 1, key = address)]
struct ParcelDelivered {
    address: String,
}

/// What goes wrong at a door. The class says what to do about it.
#[derive(Debug, thiserror::Error, Classify)]
enum DoorError {
    #[error("nobody opens")]
    #[class(transient)]
    NobodyOpens,
    #[error("there is no house at {0:?}")]
    #[class(poison)]
    NoSuchHouse(String),
}

#[derive(StreamProcessor)]
#[processor(
    name = "delivery",
    input(topic = "parcels.sent", event = ParcelSent),
    output(topic = "parcels.delivered", event = ParcelDelivered),
    retry(attempts = 4, backoff = "50ms..1s")
)]
struct Delivery;

impl Handle<ParcelSent> for Delivery {
    type Error = DoorError;

    async fn handle(&mut self, parcel: Event<ParcelSent>, ctx: &mut Context<Self>) -> Result<(), DoorError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if parcel.address == "nowhere" {
            return Err(DoorError::NoSuchHouse(parcel.address.clone()));
        }
        if ctx.attempt() <= parcel.rings {
            return Err(DoorError::NobodyOpens);
        }
        println!("delivered to {} at attempt {}", parcel.address, ctx.attempt());
        ctx.emit(ParcelDelivered { address: parcel.address.clone() });
        Ok(())
    }
}

#[actix::main]
async fn main() -> ExitCode {
    let parcels = [("elm street", 0), ("oak street", 2), ("nowhere", 0), ("ash street", 99)]
        .map(|(address, rings)| ParcelSent { address: address.into(), rings });
    App::new("flaky").processor(|_| Delivery).publish("parcels.sent", parcels).main().await
}

#[cfg(test)]
mod tests {
    use pandaflow::ErrorClass;
    use pandaflow_actors::{Program, testkit::TestKit};

    use super::*;

    #[actix::test]
    async fn what_passes_is_tried_again_and_what_does_not_becomes_a_dead_letter() {
        let mut kit = TestKit::start(Program::new().processor(|| Delivery)).await;
        for (address, rings) in [("oak street", 2), ("nowhere", 0), ("ash street", 99)] {
            kit.send("parcels.sent", ParcelSent { address: address.into(), rings });
        }
        kit.run_until_idle().await;

        let delivered = kit.events::<ParcelDelivered>("parcels.delivered");
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].address, "oak street");
        let mut letters: Vec<_> = kit
            .dead_letters()
            .into_iter()
            .map(|letter| (letter.class, letter.attempts, letter.message))
            .collect();
        letters.sort();
        assert_eq!(
            letters,
            [
                (ErrorClass::Transient, 4, "nobody opens".to_owned()),
                (ErrorClass::Poison, 1, "there is no house at \"nowhere\"".to_owned()),
            ]
        );
    }
}
