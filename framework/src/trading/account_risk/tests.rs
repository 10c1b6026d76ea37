//! Each rule at its edge, and the law that fills decide nothing.

use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;

use super::*;
use crate::trading::{
    execution_mode::ExecutionMode, instrument_token::InstrumentToken, order_id::OrderId, quantity::Quantity,
    signal_type::SignalType, strategy_id::StrategyId,
};

fn open() -> DateTime<Utc> {
    "2013-10-07T13:30:00Z".parse().unwrap()
}

fn signal(signal_type: SignalType, units: u32, price: &str) -> TradingSignal {
    TradingSignal {
        strategy_id: StrategyId::new("rsi").unwrap(),
        instrument_token: InstrumentToken::us("SPY"),
        signal_type,
        quantity: Quantity::new(units).unwrap(),
        price: Some(Price::new(price.parse().unwrap()).unwrap()),
        timestamp: open(),
        confidence: None,
        metadata: None,
    }
}

fn buy(units: u32, price: &str) -> TradingSignal {
    signal(SignalType::Buy, units, price)
}

fn sell(units: u32, price: &str) -> TradingSignal {
    signal(SignalType::Sell, units, price)
}

fn fill_of(signal: &TradingSignal, limits: &RiskLimits) -> OrderFilled {
    let side = signal.signal_type.side().unwrap();
    let fill = limits.paper_trading.fill(side, signal.quantity, signal.price.unwrap());
    OrderFilled {
        order_id: OrderId::new("o").unwrap(),
        strategy_id: signal.strategy_id.clone(),
        instrument_token: signal.instrument_token,
        side,
        quantity: signal.quantity,
        fill_price: fill.price,
        fees: fill.fees,
        execution_mode: ExecutionMode::Paper,
        timestamp: signal.timestamp,
    }
}

fn failure_of(signal: &TradingSignal) -> OrderFailed {
    OrderFailed {
        order_id: OrderId::new("o").unwrap(),
        strategy_id: signal.strategy_id.clone(),
        instrument_token: signal.instrument_token,
        signal_type: signal.signal_type,
        quantity: signal.quantity,
        price: signal.price,
        execution_mode: ExecutionMode::Paper,
        error_message: Text::of("no"),
        timestamp: signal.timestamp,
    }
}

/// The rule that failed, and the reason, if the signal was rejected.
fn failed_rule(verdict: &Verdict) -> Option<(String, String)> {
    match verdict {
        Verdict::Validated(validated) => {
            assert!(validated.risk_checks.all_passed());
            None
        }
        Verdict::Rejected(rejected) => {
            let failed: Vec<_> =
                rejected.risk_checks.iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
            Some((failed.join(","), rejected.rejection_reason.to_string()))
        }
    }
}

#[track_caller]
fn assert_fails(verdict: &Verdict, rule: RiskRule, reason: &str) {
    let (failed, said) = failed_rule(verdict).expect("rejected");
    assert_eq!(failed, rule.name());
    assert!(said.contains(reason), "{said}");
}

#[test]
fn the_position_may_reach_its_limit_on_both_sides_and_not_pass_it() {
    let (limits, mut account) = (RiskLimits::default(), AccountRisk::default());
    assert_eq!(failed_rule(&account.decide(&limits, &buy(1_000, "100"))), None);
    assert_fails(&account.decide(&limits, &buy(1, "100")), RiskRule::MaxPosition, "would be 1001");
    assert_eq!(failed_rule(&account.decide(&limits, &sell(2_000, "100"))), None);
    assert_fails(&account.decide(&limits, &sell(1, "100")), RiskRule::MaxPosition, "would be -1001");
}

#[test]
fn a_market_day_has_fifty_trades_and_the_next_begins_anew() {
    let (limits, mut account) = (RiskLimits::default(), AccountRisk::default());
    for trade in 0..50 {
        let signal = if trade % 2 == 0 { buy(1, "100") } else { sell(1, "100") };
        assert_eq!(failed_rule(&account.decide(&limits, &signal)), None);
    }
    assert_fails(&account.decide(&limits, &buy(1, "100")), RiskRule::DailyTrades, "50 trades are used up");
    let mut late = buy(1, "100");
    late.timestamp = open() + Duration::hours(14);
    assert_fails(&account.decide(&limits, &late), RiskRule::DailyTrades, "used up");
    late.timestamp = open() + Duration::hours(15);
    assert_eq!(failed_rule(&account.decide(&limits, &late)), None, "midnight in New York is at 04:00 UTC");
    assert_eq!(account.trades_today(), 1);
}

#[test]
fn a_price_is_compared_with_that_of_the_signal_before_also_a_rejected_one() {
    let (limits, mut account) = (RiskLimits::default(), AccountRisk::default());
    assert_eq!(failed_rule(&account.decide(&limits, &buy(1, "100"))), None);
    assert_eq!(failed_rule(&account.decide(&limits, &buy(1, "110"))), None);
    assert_fails(&account.decide(&limits, &buy(1, "121.01")), RiskRule::PriceBand, "more than 10 % from 110");
    assert_eq!(failed_rule(&account.decide(&limits, &buy(1, "121.01"))), None);
}

#[test]
fn a_purchase_needs_the_cash_for_price_slippage_and_commission() {
    let limits = RiskLimits { starting_cash: "10015.0049".parse().unwrap(), ..RiskLimits::default() };
    let mut account = AccountRisk::default();
    assert_fails(
        &account.decide(&limits, &buy(100, "100")),
        RiskRule::Cash,
        "costs 10015.0050, the cash is 10015.0049",
    );
}

#[test]
fn limits_of_one_order_hold() {
    let one = |units| Quantity::new(units);
    let limits = RiskLimits {
        min_quantity: one(5),
        max_quantity: one(10),
        min_price: Price::new(Decimal::TEN).ok(),
        max_price: Price::new(Decimal::ONE_HUNDRED).ok(),
        max_position_notional: Some(Decimal::from(900)),
        ..RiskLimits::default()
    };
    let decide = |signal: &TradingSignal| AccountRisk::default().decide(&limits, signal);
    assert_fails(&decide(&buy(4, "50")), RiskRule::QuantityRange, "a quantity of 4");
    assert_fails(&decide(&buy(11, "50")), RiskRule::QuantityRange, "a quantity of 11");
    assert_fails(&decide(&buy(5, "9.99")), RiskRule::PriceRange, "a price of 9.99");
    assert_fails(&decide(&buy(5, "100.01")), RiskRule::PriceRange, "a price of 100.01");
    assert_fails(&decide(&sell(10, "90.01")), RiskRule::PositionNotional, "would be worth 900.10");
    assert_eq!(failed_rule(&decide(&sell(10, "90"))), None);
}

#[test]
fn only_allowed_instruments_are_traded() {
    let allowed = Some([InstrumentToken::YESBANK].into());
    let limits = RiskLimits { allowed_instruments: allowed, ..RiskLimits::default() };
    let verdict = AccountRisk::default().decide(&limits, &buy(1, "100"));
    assert_fails(&verdict, RiskRule::InstrumentAllowed, "may not be traded");
}

#[test]
fn a_signal_to_hold_or_without_a_price_is_rejected() {
    let limits = RiskLimits::default();
    let hold = signal(SignalType::Hold, 1, "100");
    assert_fails(&AccountRisk::default().decide(&limits, &hold), RiskRule::Actionable, "to hold");
    let mut blind = buy(1, "100");
    blind.price = None;
    assert_fails(&AccountRisk::default().decide(&limits, &blind), RiskRule::PriceKnown, "no price");
}

#[test]
fn every_failed_rule_is_named_in_the_reason() {
    let limits = RiskLimits { max_trades_per_day: 0, ..RiskLimits::default() };
    let (rules, reason) =
        failed_rule(&AccountRisk::default().decide(&limits, &buy(2_000, "1000"))).expect("rejected");
    assert_eq!(rules, "cash,daily_trades,max_position");
    assert_eq!(reason.matches("; ").count(), 2, "{reason}");
}

#[test]
fn a_failed_order_leaves_the_account_as_if_it_had_never_been() {
    let (limits, mut account) = (RiskLimits::default(), AccountRisk::default());
    account.decide(&limits, &buy(100, "167.41"));
    let before = account;
    let signal = sell(300, "167.43");
    account.decide(&limits, &signal);
    account.failed(&limits, &failure_of(&signal));
    assert_eq!(account, AccountRisk { last_price: signal.price, ..before });
}

#[test]
fn the_stored_state_is_frozen() {
    let (limits, mut account) = (RiskLimits::default(), AccountRisk::default());
    account.decide(&limits, &buy(100, "167.41"));
    let json = r#"{"position":0,"reserved":100,"cash_change":"-16766.1194","market_day":"2013-10-07","trades_today":1,"last_price":"167.41"}"#;
    assert_eq!(serde_json::to_string(&account).unwrap(), json);
    assert_eq!(serde_json::from_str::<AccountRisk>(json).unwrap(), account);
}

fn signals() -> impl Strategy<Value = Vec<(TradingSignal, usize)>> {
    let one = (any::<bool>(), 1_u32..600, 9_000_i64..11_000, 0_i64..90_000, 0_usize..4);
    prop::collection::vec(one, 0..120).prop_map(|drawn| {
        let mut at = open();
        drawn
            .into_iter()
            .map(|(is_buy, units, cents, seconds, fills)| {
                at += Duration::seconds(seconds / 20);
                let mut signal = if is_buy { buy(units, "1") } else { sell(units, "1") };
                signal.price = Price::new(Decimal::new(cents, 2)).ok();
                signal.timestamp = at;
                (signal, fills)
            })
            .collect()
    })
}

proptest! {
    /// `fills` is how many of the open orders, oldest first, are filled after each signal.
    #[test]
    fn when_fills_come_back_changes_no_decision(drawn in signals()) {
        let limits = RiskLimits { starting_cash: Decimal::from(60_000), ..RiskLimits::default() };
        let (mut without, mut with) = (AccountRisk::default(), AccountRisk::default());
        let mut open_orders = std::collections::VecDeque::new();
        for (signal, fills) in &drawn {
            let verdict = without.decide(&limits, signal);
            prop_assert_eq!(&with.decide(&limits, signal), &verdict);
            if matches!(verdict, Verdict::Validated(_)) {
                open_orders.push_back(fill_of(signal, &limits));
            }
            for order in (0..*fills).map_while(|_| open_orders.pop_front()) {
                let exposure = with.exposure();
                with.filled(&order);
                prop_assert_eq!(with.exposure(), exposure);
            }
            prop_assert_eq!(with.exposure(), without.exposure());
            prop_assert_eq!(with.cash(&limits), without.cash(&limits));
        }
        for order in open_orders {
            with.filled(&order);
        }
        prop_assert_eq!(with.reserved(), 0);
        prop_assert_eq!(with.position(), without.exposure());
    }

    #[test]
    fn no_sequence_of_signals_breaks_a_limit(drawn in signals()) {
        let limits = RiskLimits { starting_cash: Decimal::from(60_000), ..RiskLimits::default() };
        let mut account = AccountRisk::default();
        let mut cash = account.cash(&limits);
        for (signal, _) in &drawn {
            account.decide(&limits, signal);
            prop_assert!(account.exposure().abs() <= 1_000);
            prop_assert!(account.trades_today() <= 50);
            prop_assert!(account.cash(&limits) >= Decimal::ZERO || account.cash(&limits) >= cash);
            cash = account.cash(&limits);
        }
    }
}
