//! Portfolio: the book of each account, kept from its fills.

use std::convert::Infallible;

use pandaflow::{
    Context, Event, Handle, StreamProcessor,
    trading::{Account, Fill, MarketTick, OrderFilled, PnlSnapshot},
};
use serde::{Deserialize, Serialize};

use super::Rules;

/// Keeps cash, position and profit per account, and tells them after each fill, valued at the fill's price. The
/// table of ticks is for reports, which value positions at the latest price.
#[derive(StreamProcessor)]
#[processor(
    name = "portfolio",
    input(topic = "orders.filled", event = OrderFilled),
    table(topic = "market.ticks", event = MarketTick),
    output(topic = "pnl.snapshots", event = PnlSnapshot),
    state = Book,
    dedup(ttl = "24h"),
)]
pub struct Portfolio {
    rules: Rules,
}

/// An account's book; none before its first fill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The account.
    pub account: Option<Account>,
}

impl Portfolio {
    /// Goes by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }
}

impl Handle<OrderFilled> for Portfolio {
    type Error = Infallible;

    async fn handle(&mut self, order: Event<OrderFilled>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        let starting_cash = self.rules.limits(ctx.namespace()).starting_cash;
        let account = ctx.state_mut().account.get_or_insert_with(|| Account::new(starting_cash));
        account.apply(&Fill {
            side: order.side,
            quantity: order.quantity,
            price: order.fill_price,
            fees: order.fees,
        });
        let account = *account;
        ctx.emit(PnlSnapshot {
            strategy_id: order.strategy_id.clone(),
            instrument_token: Some(order.instrument_token),
            realized_pnl: account.realized_pnl,
            unrealized_pnl: account.unrealized_pnl(),
            total_pnl: account.total_pnl(),
            timestamp: order.timestamp,
        });
        Ok(())
    }
}
