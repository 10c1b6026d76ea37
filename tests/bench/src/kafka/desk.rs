//! The processors under measurement, once for each order and each way to dedup, and what their lanes did together.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use pandaflow::{Context, Event, Handle, StreamProcessor};
use serde::{Deserialize, Serialize};

use super::deposits::DepositMade;
use crate::till::Taken;

/// What the desks of a run share. Each tells what it did once, when its lane ends.
#[derive(Debug)]
pub(crate) struct Ledger {
    taken: Mutex<Taken>,
    /// When the first event came.
    first: OnceLock<Instant>,
    /// Against which the time of an event is counted, where latency is measured.
    begin: Instant,
    latencies: Mutex<Vec<u64>>,
}

impl Ledger {
    pub(crate) fn new(begin: Instant) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), first: OnceLock::new(), begin, latencies: Mutex::default() })
    }

    pub(crate) fn taken(&self) -> Taken {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.first.get().copied()
    }

    /// In microseconds.
    pub(crate) fn latencies(&self) -> Vec<u64> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a lane, or a loop, works with.
pub(crate) struct Desk {
    payments: u64,
    cents: i64,
    waited: HashMap<String, Duration>,
    latencies: Vec<u64>,
    measures_latency: bool,
    ledger: Arc<Ledger>,
}

impl Desk {
    pub(crate) fn new(ledger: Arc<Ledger>, measures_latency: bool) -> Self {
        let (waited, latencies) = (HashMap::new(), Vec::new());
        Self { payments: 0, cents: 0, waited, latencies, measures_latency, ledger }
    }

    /// The function that the framework and the loop call alike.
    pub(crate) fn book(&mut self, deposit: &DepositMade) {
        if self.payments == 0 {
            self.ledger.first.get_or_init(Instant::now);
        }
        self.payments += 1;
        self.cents += deposit.cents;
        if self.measures_latency {
            let now = u64::try_from(self.ledger.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.latencies.push(now.saturating_sub(deposit.micros));
        }
    }

    async fn handle(&mut self, deposit: DepositMade) {
        self.book(&deposit);
        if !self.measures_latency && deposit.micros > 0 {
            let began = Instant::now();
            tokio::time::sleep(Duration::from_micros(deposit.micros)).await;
            *self.waited.entry(deposit.account).or_default() += began.elapsed();
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let mut taken = self.ledger.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.payments += self.payments;
        taken.cents += self.cents;
        for (account, waited) in self.waited.drain() {
            *taken.waited.entry(account).or_default() += waited;
        }
        drop(taken);
        self.ledger.latencies.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.latencies);
    }
}

/// The same processor with other options.
macro_rules! desk {
    ($name:ident, $($option:tt)*) => {
        #[derive(StreamProcessor)]
        #[processor(name = "desk", input(topic = "deposits", event = DepositMade), $($option)*)]
        pub(crate) struct $name(pub(crate) Desk);

        impl Handle<DepositMade> for $name {
            type Error = Infallible;

            async fn handle(
                &mut self,
                deposit: Event<DepositMade>,
                _: &mut Context<Self>,
            ) -> Result<(), Infallible> {
                self.0.handle(deposit.data).await;
                Ok(())
            }
        }
    };
}
desk!(ByKey, order = "key");
desk!(ByPartition, order = "partition");
desk!(Unordered, order = "none");
desk!(ByKeyOnce, order = "key", dedup(ttl = "1h"));
desk!(ByPartitionOnce, order = "partition", dedup(ttl = "1h"));
desk!(UnorderedOnce, order = "none", dedup(ttl = "1h"));

/// A deposit was booked: the output of `transform`.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "deposit_booked", version = 1, key = "{account}")]
pub(crate) struct DepositBooked {
    /// Whose account.
    pub(crate) account: String,
    /// How much.
    pub(crate) cents: i64,
    /// What for.
    pub(crate) memo: String,
}

impl From<DepositMade> for DepositBooked {
    fn from(DepositMade { account, cents, memo, .. }: DepositMade) -> Self {
        Self { account, cents, memo }
    }
}

/// The same with an output.
macro_rules! booking_desk {
    ($name:ident, $($option:tt)*) => {
        #[derive(StreamProcessor)]
        #[processor(
            name = "booking-desk",
            input(topic = "deposits", event = DepositMade),
            output(topic = "bookings", event = DepositBooked),
            $($option)*
        )]
        pub(crate) struct $name(pub(crate) Desk);

        impl Handle<DepositMade> for $name {
            type Error = Infallible;

            async fn handle(
                &mut self,
                deposit: Event<DepositMade>,
                ctx: &mut Context<Self>,
            ) -> Result<(), Infallible> {
                self.0.book(&deposit.data);
                ctx.emit(DepositBooked::from(deposit.data));
                Ok(())
            }
        }
    };
}
booking_desk!(Booking, order = "key");
booking_desk!(BookingOnce, order = "key", dedup(ttl = "1h"));
