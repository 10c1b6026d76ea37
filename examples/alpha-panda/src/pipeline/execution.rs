//! Execution: a validated signal becomes an order, and the order a fill.

use std::convert::Infallible;

use pandaflow::{
    Context, Event, Handle, StreamProcessor,
    trading::{OrderFailed, OrderFilled, OrderId, OrderPlaced, OrderStatus, Text, ValidatedSignal},
};
use serde::{Deserialize, Serialize};

use super::{Rules, rules::mode};

/// Fills market orders on paper, at the price that the signal carried and with slippage. Nothing goes to a broker.
#[derive(StreamProcessor)]
#[processor(
    name = "execution",
    input(topic = "signals.validated", event = ValidatedSignal),
    output(topic = "orders.submitted", event = OrderPlaced),
    output(topic = "orders.filled", event = OrderFilled),
    output(topic = "orders.failed", event = OrderFailed),
    state = OrderCounts,
    dedup(ttl = "24h"),
)]
pub struct Execution {
    rules: Rules,
}

/// How many orders an account has had, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCounts {
    /// Orders submitted.
    pub submitted: u64,
    /// Orders filled.
    pub filled: u64,
    /// Orders that failed.
    pub failed: u64,
}

impl Execution {
    /// Goes by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }
}

impl Handle<ValidatedSignal> for Execution {
    type Error = Infallible;

    async fn handle(
        &mut self,
        signal: Event<ValidatedSignal>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Infallible> {
        let order = order_of(&signal, ctx);
        let terms = self.rules.limits(ctx.namespace()).paper_trading;
        ctx.state_mut().submitted += 1;
        ctx.emit(order.clone());
        match (order.signal_type.side(), order.price) {
            (Some(side), Some(price)) => {
                let fill = terms.fill(side, order.quantity, price);
                ctx.state_mut().filled += 1;
                ctx.emit(OrderFilled {
                    order_id: order.order_id,
                    strategy_id: order.strategy_id,
                    instrument_token: order.instrument_token,
                    side,
                    quantity: fill.quantity,
                    fill_price: fill.price,
                    fees: fill.fees,
                    execution_mode: order.execution_mode,
                    timestamp: order.timestamp,
                });
            }
            (side, _) => {
                let lacks =
                    if side.is_none() { "it neither buys nor sells" } else { "its signal has no price" };
                ctx.state_mut().failed += 1;
                ctx.emit(failed(order, lacks));
            }
        }
        Ok(())
    }
}

/// The order that a signal asks for. Its name is the signal's event id, so that another try makes the same order.
fn order_of(signal: &Event<ValidatedSignal>, ctx: &Context<Execution>) -> OrderPlaced {
    let original = &signal.original_signal;
    OrderPlaced {
        order_id: OrderId::new(ctx.event_id().to_string()).expect("an event id is not empty"),
        strategy_id: original.strategy_id.clone(),
        instrument_token: original.instrument_token,
        signal_type: original.signal_type,
        quantity: signal.validated_quantity,
        price: signal.validated_price,
        status: OrderStatus::Placed,
        execution_mode: mode(ctx.namespace()),
        timestamp: signal.timestamp,
    }
}

fn failed(order: OrderPlaced, why: &'static str) -> OrderFailed {
    OrderFailed {
        order_id: order.order_id,
        strategy_id: order.strategy_id,
        instrument_token: order.instrument_token,
        signal_type: order.signal_type,
        quantity: order.quantity,
        price: order.price,
        execution_mode: order.execution_mode,
        error_message: Text::of(why),
        timestamp: order.timestamp,
    }
}
