#![deny(warnings)]

use pandaflow::{Classify, Context, Event, Handle, StreamProcessor};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "trading_signal", version = 1, key = "{account}")]
struct TradingSignal {
    account: String,
    quantity: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "order_filled", version = 1, key = "{account}")]
struct OrderFilled {
    account: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "market_tick", version = 1, key = "{instrument}")]
struct MarketTick {
    instrument: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "validated_signal", version = 1, key = "{account}")]
struct ValidatedSignal {
    account: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "rejected_signal", version = 1, key = "{account}")]
struct RejectedSignal {
    account: String,
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Account {
    reserved: u32,
}

#[derive(Debug, thiserror::Error, Classify)]
enum RiskError {
    #[error("over the limit")]
    #[class(business)]
    OverLimit,
    #[error(transparent)]
    #[class(poison)]
    Table(#[from] pandaflow::codec::DecodeError),
}

struct Limits {
    most: u32,
}

/// Checks raw signals against the account's limits.
#[derive(StreamProcessor)]
#[processor(
    name = "risk-manager",
    input(topic = "signals.raw", event = TradingSignal),
    input(topic = "orders.filled", event = OrderFilled),
    table(topic = "market.ticks", event = MarketTick),
    output(topic = "signals.validated", event = ValidatedSignal),
    output(topic = "signals.rejected", event = RejectedSignal),
    state = Account,
    order = "key",
    concurrency = 100,
    retry(attempts = 5, backoff = "100ms..10s"),
    dedup(ttl = "24h"),
)]
struct RiskManager {
    limits: Limits,
}

impl Handle<TradingSignal> for RiskManager {
    type Error = RiskError;

    async fn handle(&mut self, signal: Event<TradingSignal>, ctx: &mut Context<Self>) -> Result<(), RiskError> {
        if ctx.look_up::<MarketTick>("1")?.is_none() {
            ctx.emit(RejectedSignal { account: signal.account.clone() });
            return Ok(());
        }
        let account = ctx.state_mut();
        account.reserved += signal.quantity;
        if account.reserved > self.limits.most {
            return Err(RiskError::OverLimit);
        }
        ctx.emit(ValidatedSignal { account: signal.account.clone() });
        Ok(())
    }
}

impl Handle<OrderFilled> for RiskManager {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, _: Event<OrderFilled>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        ctx.state_mut().reserved = 0;
        Ok(())
    }
}

fn main() {
    let _ = RiskManager { limits: Limits { most: 10 } };
}
