//! `derive(StreamProcessor)`: generic processors.

use std::{convert::Infallible, marker::PhantomData};

use pandaflow::{Context, Event, Handle, StreamProcessor};
use serde::{Deserialize, Serialize};

use crate::{
    events::{Ping, Pong, ping},
    run::{attempt, enveloped},
};

trait Clock: 'static {
    const NAME: &'static str;
}

struct Fixed;

impl Clock for Fixed {
    const NAME: &'static str = "fixed";
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "of", key = "{key}")]
struct Of<T: 'static> {
    key: String,
    #[serde(skip)]
    of: PhantomData<T>,
}

#[derive(StreamProcessor)]
#[processor(
    name = "generic",
    input(topic = "of", event = Of<C>),
    input(topic = "pings", event = Ping),
    input(topic = "of", event = Ping),
    output(topic = "pongs", event = Pong),
    state = [u8; 2],
)]
struct Generic<C, const N: usize>
where
    C: Clock + 'static,
{
    clock: PhantomData<C>,
}

impl<C: Clock, const N: usize> Handle<Of<C>> for Generic<C, N> {
    type Error = Infallible;
    async fn handle(&mut self, of: Event<Of<C>>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        let _: (PhantomData<C>, PhantomData<C>) = (self.clock, of.of);
        ctx.emit(Pong { key: format!("{}{N}", C::NAME) });
        Ok(())
    }
}

impl<C: Clock, const N: usize> Handle<Ping> for Generic<C, N> {
    type Error = Infallible;
    async fn handle(&mut self, _: Event<Ping>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.filter();
        Ok(())
    }
}

#[test]
fn a_generic_processor_takes_generic_events() {
    let mut generic = Generic::<Fixed, 3> { clock: PhantomData };
    let of = Of::<Fixed> { key: "a".into(), of: PhantomData };
    let effects = attempt(&mut generic, 0, &enveloped(&of)).unwrap();
    assert_eq!(effects.outputs[0].key.as_deref(), Some(&b"fixed3"[..]));
    assert!(attempt(&mut generic, 0, &enveloped(&ping())).unwrap().filtered);
}
