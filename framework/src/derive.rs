//! The derives, with examples that run; their options stand in `pandaflow-macros`.

/// ```
/// use pandaflow::{Classify, Context, Event, Handle, Order, StreamProcessor};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(type = "trading_signal", key = "{account}")]
/// struct TradingSignal { account: String, quantity: u32 }
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(type = "market_tick", key = "{symbol}")]
/// struct MarketTick { symbol: String, cents: u64 }
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(type = "validated_signal", key = "{account}")]
/// struct ValidatedSignal { account: String, cents: u64 }
///
/// #[derive(Default, Clone, Serialize, Deserialize)]
/// struct Account { reserved: u32 }
///
/// #[derive(Debug, thiserror::Error, Classify)]
/// enum RiskError {
///     #[error("no price yet")]
///     #[class(transient)]
///     NoPrice,
///     #[error(transparent)]
///     #[class(poison)]
///     Price(#[from] pandaflow::codec::DecodeError),
/// }
///
/// #[derive(StreamProcessor)]
/// #[processor(
///     name = "risk-manager",
///     input(topic = "signals.raw", event = TradingSignal),
///     table(topic = "market.ticks", event = MarketTick, format = "json"),
///     output(topic = "signals.validated", event = ValidatedSignal),
///     state = Account,
///     state_version = 2,
///     order = "key",
///     concurrency = 10,
///     timeout = "5s",
///     retry(attempts = 5, backoff = "100ms..10s"),
///     retry(class = "rate_limit", attempts = 8, backoff = "5s..5m"),
///     dedup(ttl = "24h"),
/// )]
/// struct RiskManager { symbol: String }
///
/// impl Handle<TradingSignal> for RiskManager {
///     type Error = RiskError;
///
///     async fn handle(&mut self, signal: Event<TradingSignal>, ctx: &mut Context<Self>) -> Result<(), RiskError> {
///         let tick = ctx.look_up::<MarketTick>(&self.symbol)?.ok_or(RiskError::NoPrice)?;
///         ctx.state_mut().reserved += signal.quantity;
///         ctx.emit(ValidatedSignal { account: signal.data.account, cents: tick.cents });
///         Ok(())
///     }
/// }
/// assert_eq!(RiskManager::DECLARATION.name, "risk-manager");
/// assert_eq!(RiskManager::DECLARATION.order, Order::Key);
/// ```
///
/// An event that isn't declared as an output doesn't compile:
///
/// ```compile_fail,E0277
/// # use pandaflow::{Context, Event, Handle, StreamProcessor};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, Event)]
/// # #[event(type = "ping", key = "{0}")]
/// # struct Ping(String);
/// #[derive(StreamProcessor)]
/// #[processor(name = "echo", input(topic = "pings", event = Ping))]
/// struct Echo;
///
/// impl Handle<Ping> for Echo {
///     type Error = std::convert::Infallible;
///
///     async fn handle(&mut self, ping: Event<Ping>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
///         ctx.emit(ping.data);
///         Ok(())
///     }
/// }
/// ```
pub use pandaflow_macros::StreamProcessor;

/// ```
/// use pandaflow::{Event, Payload};
///
/// #[derive(Event)]
/// #[event(type = "trading_signal", version = 2, key = "{strategy}:{token}")]
/// struct TradingSignal { strategy: String, token: u32 }
///
/// #[derive(Event)]
/// #[event(type = "account_opened", key = account)]
/// struct AccountOpened { account: std::sync::Arc<str> }
///
/// #[derive(Event)]
/// #[event(type = "order_changed", key_with = Self::account)]
/// enum OrderChanged { Placed { account: String }, Filled { account: String } }
///
/// impl OrderChanged {
///     fn account(&self) -> &str {
///         match self {
///             Self::Placed { account } | Self::Filled { account } => account,
///         }
///     }
/// }
/// assert_eq!(TradingSignal { strategy: "momentum".into(), token: 7 }.key(), "momentum:7");
/// assert_eq!(AccountOpened { account: "a".into() }.key(), "a");
/// assert_eq!(OrderChanged::Filled { account: "b".into() }.key(), "b");
/// ```
pub use pandaflow_macros::Event;

/// ```
/// use pandaflow::{Classify, ErrorClass};
/// use std::time::Duration;
///
/// #[derive(Debug, thiserror::Error, Classify)]
/// enum BrokerError {
///     #[error("asked too often")]
///     #[class(rate_limit, retry_after = wait)]
///     Busy { wait: Duration },
///     #[error("the order is malformed")]
///     #[class(poison)]
///     Malformed,
/// }
///
/// #[derive(Debug, thiserror::Error, Classify)]
/// #[class(infrastructure)]
/// enum ExecutionError {
///     #[error("no connection")]
///     Offline,
///     #[error(transparent)]
///     #[class(source)]
///     Broker(#[from] BrokerError),
/// }
/// let busy = ExecutionError::Broker(BrokerError::Busy { wait: Duration::from_secs(2) });
/// assert_eq!((busy.class(), busy.retry_after()), (ErrorClass::RateLimit, Some(Duration::from_secs(2))));
/// assert_eq!(ExecutionError::Offline.class(), ErrorClass::Infrastructure);
/// ```
pub use pandaflow_macros::Classify;
