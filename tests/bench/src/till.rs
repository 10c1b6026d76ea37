//! The processor under measurement, once for each order, and what its lanes took in together.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pandaflow::{Context, Event, Handle, StreamProcessor, ports::Transport};
use tokio::time::Instant;

use crate::{BenchError, framework, options::Ordering, payments::PaymentMade, stage::Shape, usage::Spent};

/// What tills took in. Written by each till once, when its lane ends; read when all have ended.
#[derive(Debug, Default)]
pub(crate) struct Takings(Mutex<Taken>);

/// A sum over tills.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Payments.
    pub(crate) payments: u64,
    /// Their sum.
    pub(crate) cents: i64,
    /// How long handlers waited in fact, by account.
    pub(crate) waited: HashMap<String, Duration>,
}

impl Takings {
    pub(crate) fn taken(&self) -> Taken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, taken: &Taken) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum.payments += taken.payments;
        sum.cents += taken.cents;
        for (account, waited) in &taken.waited {
            *sum.waited.entry(account.clone()).or_default() += *waited;
        }
    }
}

/// What a lane works with.
pub(crate) struct Till {
    taken: Taken,
    takings: Arc<Takings>,
}

impl Till {
    pub(crate) fn new(takings: Arc<Takings>) -> Self {
        Self { taken: Taken::default(), takings }
    }

    /// The function that the framework and the plain loop call alike.
    pub(crate) fn book(&mut self, payment: &Event<PaymentMade>) {
        self.taken.payments += 1;
        self.taken.cents += payment.cents;
    }

    /// Books a payment, and waits as long as it says.
    pub(crate) async fn handle(&mut self, payment: Event<PaymentMade>) {
        self.book(&payment);
        if payment.work_us > 0 {
            let began = Instant::now();
            tokio::time::sleep(payment.work()).await;
            *self.taken.waited.entry(payment.data.account).or_default() += began.elapsed();
        }
    }
}

impl Drop for Till {
    fn drop(&mut self) {
        self.takings.add(&self.taken);
    }
}

/// The same processor under another order.
macro_rules! till {
    ($name:ident, $order:tt) => {
        #[derive(StreamProcessor)]
        #[processor(name = "till", input(topic = "payments", event = PaymentMade), order = $order)]
        struct $name(Till);

        impl Handle<PaymentMade> for $name {
            type Error = Infallible;

            async fn handle(
                &mut self,
                payment: Event<PaymentMade>,
                _: &mut Context<Self>,
            ) -> Result<(), Infallible> {
                self.0.handle(payment).await;
                Ok(())
            }
        }
    };
}
till!(ByKey, "key");
till!(ByPartition, "partition");
till!(Unordered, "none");

/// Runs a program of one till in the order that is asked for.
pub(crate) async fn run(
    transport: Arc<dyn Transport>,
    shape: &Shape,
    round: usize,
) -> Result<(Spent, Taken), BenchError> {
    match shape.order {
        Ordering::Key => framework::run(transport, shape, round, ByKey).await,
        Ordering::Partition => framework::run(transport, shape, round, ByPartition).await,
        Ordering::None => framework::run(transport, shape, round, Unordered).await,
    }
}
