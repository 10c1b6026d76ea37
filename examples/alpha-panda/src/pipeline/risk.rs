//! Risk: each signal against its account's limits; fills and failures of orders come back here.

use std::convert::Infallible;

use pandaflow::{
    Context, Event, Handle, StreamProcessor,
    trading::{
        AccountRisk, OrderFailed, OrderFilled, RejectedSignal, TradingSignal, ValidatedSignal, Verdict,
    },
};

use super::Rules;

/// Checks signals. What it decides depends on the sequence of an account's signals alone, see [`AccountRisk`].
#[derive(StreamProcessor)]
#[processor(
    name = "risk-manager",
    input(topic = "signals.raw", event = TradingSignal),
    input(topic = "orders.filled", event = OrderFilled),
    input(topic = "orders.failed", event = OrderFailed),
    output(topic = "signals.validated", event = ValidatedSignal),
    output(topic = "signals.rejected", event = RejectedSignal),
    state = AccountRisk,
    dedup(ttl = "24h"),
)]
pub struct RiskManager {
    rules: Rules,
}

impl RiskManager {
    /// Goes by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }
}

impl Handle<TradingSignal> for RiskManager {
    type Error = Infallible;

    async fn handle(
        &mut self,
        signal: Event<TradingSignal>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Infallible> {
        let limits = self.rules.limits(ctx.namespace());
        match ctx.state_mut().decide(limits, &signal) {
            Verdict::Validated(validated) => ctx.emit(validated),
            Verdict::Rejected(rejected) => ctx.emit(rejected),
        }
        Ok(())
    }
}

impl Handle<OrderFilled> for RiskManager {
    type Error = Infallible;

    async fn handle(&mut self, order: Event<OrderFilled>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.state_mut().filled(&order);
        Ok(())
    }
}

impl Handle<OrderFailed> for RiskManager {
    type Error = Infallible;

    async fn handle(&mut self, order: Event<OrderFailed>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        let limits = self.rules.limits(ctx.namespace());
        ctx.state_mut().failed(limits, &order);
        Ok(())
    }
}
