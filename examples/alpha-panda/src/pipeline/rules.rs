//! The rules of each namespace, made from the settings: limits, fills, starting cash.

use std::sync::Arc;

use pandaflow::{
    Namespace,
    settings::{self, Settings, UndeclaredSection},
    trading::{
        ExecutionMode, InstrumentToken, PaperTrading, PaperTradingError, Price, PriceError, Quantity,
        RiskLimits,
    },
};

/// What risk, execution and portfolio go by. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rules {
    paper: Arc<RiskLimits>,
    zerodha: Arc<RiskLimits>,
}

/// Settings that no rules can be made from. The settings' own checks come first, so this is rare.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The program's loader was not told of the section.
    #[error(transparent)]
    Section(#[from] UndeclaredSection),
    /// The terms of paper trading are out of range.
    #[error("PAPER_TRADING: {0}")]
    Terms(#[from] PaperTradingError),
    /// A limit of prices is out of range.
    #[error("PAPER_TRADING: {0}")]
    Price(#[from] PriceError),
    /// A quantity or an instrument is not one.
    #[error("PAPER_TRADING__{field}: {value} is out of range; write a whole number from 1 to {}", u32::MAX)]
    Number {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

impl Rules {
    /// The rules by the settings.
    ///
    /// # Errors
    /// A value is out of the range of its type.
    pub fn new(settings: &Settings) -> Result<Self, RulesError> {
        let paper = limits(settings.section::<settings::PaperTrading>()?)?;
        let starting_cash = settings.section::<settings::Zerodha>()?.starting_cash;
        let zerodha = RiskLimits { starting_cash, ..paper.clone() };
        Ok(Self { paper: Arc::new(paper), zerodha: Arc::new(zerodha) })
    }

    /// The limits of a namespace's accounts.
    #[must_use]
    pub fn limits(&self, namespace: &Namespace) -> &RiskLimits {
        match mode(namespace) {
            ExecutionMode::Paper => &self.paper,
            ExecutionMode::Zerodha => &self.zerodha,
        }
    }
}

/// Who executes the orders of a namespace. On a recorded feed fills are simulated in each: nothing goes to a broker.
#[must_use]
pub(super) fn mode(namespace: &Namespace) -> ExecutionMode {
    if namespace.as_str() == "zerodha" { ExecutionMode::Zerodha } else { ExecutionMode::Paper }
}

fn limits(paper: &settings::PaperTrading) -> Result<RiskLimits, RulesError> {
    let quantity = |field, value: u64| {
        u32::try_from(value).ok().and_then(Quantity::new).map(Some).ok_or(RulesError::Number { field, value })
    };
    let token = |value: &u64| {
        u32::try_from(*value)
            .ok()
            .and_then(InstrumentToken::new)
            .ok_or(RulesError::Number { field: "ALLOWED_INSTRUMENTS", value: *value })
    };
    let allowed = paper.allowed_instruments.iter().map(token).collect::<Result<_, _>>()?;
    Ok(RiskLimits {
        starting_cash: paper.starting_cash,
        paper_trading: PaperTrading::new(paper.slippage_percent, paper.commission_percent)?,
        min_quantity: quantity("MIN_QUANTITY", paper.min_quantity)?,
        max_quantity: quantity("MAX_QUANTITY", paper.max_quantity)?,
        // Every price is above 0, so a limit of 0 is none.
        min_price: (!paper.min_price.is_zero()).then(|| Price::new(paper.min_price)).transpose()?,
        max_price: Some(Price::new(paper.max_price)?),
        allowed_instruments: (!paper.allowed_instruments.is_empty()).then_some(allowed),
        max_position_notional: paper.max_position_notional,
        ..RiskLimits::default()
    })
}
