//! The strategies: each tick of the regular session goes to all three; what they wish for becomes a signal.

use std::convert::Infallible;

use pandaflow::{
    Context, Event, Handle, StreamProcessor,
    trading::{MarketHours, MarketTick, Quantity, Strategies, TradingSignal},
};

/// Runs momentum, RSI and mean reversion, one price history per instrument and namespace.
#[derive(StreamProcessor)]
#[processor(
    name = "strategies",
    input(topic = "market.ticks", event = MarketTick),
    output(topic = "signals.raw", event = TradingSignal),
    state = Strategies,
)]
pub struct StrategyRunner {
    quantity: Quantity,
}

impl Default for StrategyRunner {
    /// Signals ask for [`Strategies::DEFAULT_QUANTITY`] units.
    fn default() -> Self {
        let quantity = Quantity::new(Strategies::DEFAULT_QUANTITY).expect("the default quantity is not 0");
        Self { quantity }
    }
}

impl Handle<MarketTick> for StrategyRunner {
    type Error = Infallible;

    async fn handle(&mut self, tick: Event<MarketTick>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        if !MarketHours::of(tick.instrument_token.market()).is_regular(tick.timestamp) {
            ctx.filter();
            return Ok(());
        }
        for signal in ctx.state_mut().on_tick(&tick, self.quantity) {
            ctx.emit(signal);
        }
        Ok(())
    }
}
