//! The payloads on the wire: frozen bytes, and what is refused.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::*;
use crate::Payload;

fn tick() -> Value {
    json!({
        "instrument_token": 3_050_241, "last_price": "92.15", "timestamp": "2019-07-09T03:45:59.999Z",
        "symbol": "YESBANK", "volume_traded": 1_730_100, "last_traded_quantity": 5,
        "average_traded_price": "92.1", "total_buy_quantity": 0, "total_sell_quantity": 7, "change": "-1.5",
        "ohlc": { "open": "95", "high": "95", "low": "93.9", "close": "94.85" },
        "oi": 0, "oi_day_high": 0, "oi_day_low": 0,
        "last_trade_time": "2019-07-09T03:45:59Z", "exchange_timestamp": "2019-07-09T03:46:00Z",
        "depth": { "buy": [{ "price": "92.1", "quantity": 10, "orders": 2 }],
                   "sell": [{ "price": "0", "quantity": 0, "orders": 0 }] },
        "mode": "full", "tradable": true,
    })
}

fn signal() -> Value {
    json!({
        "strategy_id": "momentum", "instrument_token": 3_050_241, "signal_type": "BUY", "quantity": 100,
        "price": "92.15", "timestamp": "2019-07-09T03:45:59.999Z", "confidence": "0.75",
        "metadata": { "why": "up" },
    })
}

fn order() -> Value {
    json!({
        "order_id": "o-1", "strategy_id": "momentum", "instrument_token": 3_050_241, "signal_type": "SELL",
        "quantity": 100, "price": "92.15", "status": "PLACED", "execution_mode": "paper",
        "timestamp": "2019-07-09T03:45:59.999Z",
    })
}

fn filled() -> Value {
    json!({
        "order_id": "o-1", "strategy_id": "momentum", "instrument_token": 3_050_241, "side": "SELL",
        "quantity": 100, "fill_price": "92.1039", "fees": "9.2104", "execution_mode": "zerodha",
        "timestamp": "2019-07-09T03:45:59.999Z",
    })
}

/// Version 1 of the payload is read and written back as it was.
#[track_caller]
fn is_kept<T: DeserializeOwned + Serialize>(value: &Value) {
    let payload: T = serde_json::from_str(&value.to_string()).unwrap();
    assert_eq!(&serde_json::to_value(&payload).unwrap(), value);
}

#[test]
fn version_one_of_every_payload_is_read_and_written_back() {
    is_kept::<MarketTick>(&tick());
    is_kept::<TradingSignal>(&signal());
    let checks = json!({ "cash": true, "max_position": false, "of_a_later_version": true });
    let time = "2019-07-09T03:45:59.999Z";
    is_kept::<ValidatedSignal>(&json!({
        "original_signal": signal(), "validated_quantity": 100, "validated_price": "92.15",
        "risk_checks": checks, "timestamp": time,
    }));
    is_kept::<RejectedSignal>(&json!({
        "original_signal": signal(), "rejection_reason": "too much", "risk_checks": checks, "timestamp": time,
    }));
    is_kept::<OrderPlaced>(&order());
    is_kept::<OrderFilled>(&filled());
    is_kept::<OrderFailed>(&json!({
        "order_id": "o-1", "strategy_id": "momentum", "instrument_token": 3_050_241, "signal_type": "SELL",
        "quantity": 100, "price": "92.15", "execution_mode": "paper", "error_message": "refused",
        "timestamp": time,
    }));
    is_kept::<PnlSnapshot>(&json!({
        "strategy_id": "momentum", "instrument_token": 3_050_241, "realized_pnl": "-1.2345",
        "unrealized_pnl": "0", "total_pnl": "-1.2345", "timestamp": time,
    }));
    is_kept::<SystemError>(&json!({
        "component": "market-feed", "error_type": "connection_lost", "error_message": "gone",
        "details": { "host": "h" }, "timestamp": time,
    }));
}

#[test]
fn every_payload_knows_its_type_and_its_key() {
    fn told<P: Payload + DeserializeOwned>(value: Value) -> (&'static str, u32, String) {
        let payload: P = serde_json::from_value(value).unwrap();
        (P::TYPE.as_str(), P::VERSION, payload.key().into_owned())
    }
    let (account, time) = ("momentum:3050241".to_owned(), "2019-07-09T03:45:59.999Z");
    let validated = json!({
        "original_signal": signal(), "validated_quantity": 1, "risk_checks": {}, "timestamp": time,
    });
    assert_eq!(told::<MarketTick>(tick()), ("market_tick", 1, "3050241".into()));
    assert_eq!(told::<TradingSignal>(signal()), ("trading_signal", 1, account.clone()));
    assert_eq!(told::<ValidatedSignal>(validated), ("validated_signal", 1, account.clone()));
    assert_eq!(told::<OrderPlaced>(order()), ("order_placed", 1, account.clone()));
    assert_eq!(told::<OrderFilled>(filled()), ("order_filled", 1, account.clone()));
    let signal: TradingSignal = serde_json::from_value(signal()).unwrap();
    assert_eq!(signal.account_key().to_string(), account);
}

#[test]
fn a_tick_of_trades_has_only_the_fields_that_are_known() {
    let price = Price::new("167.41".parse().unwrap()).unwrap();
    let token = InstrumentToken::us("SPY");
    let mut tick = MarketTick::new(token, price, "2013-10-07T13:30:00.5Z".parse().unwrap());
    tick.symbol = Text::new("SPY").ok();
    let json = format!(
        r#"{{"instrument_token":{token},"last_price":"167.41","timestamp":"2013-10-07T13:30:00.500Z","symbol":"SPY"}}"#
    );
    assert_eq!(serde_json::to_string(&tick).unwrap(), json);
    assert_eq!(serde_json::from_str::<MarketTick>(&json).unwrap(), tick);
}

#[test]
fn a_time_with_another_offset_is_the_same_instant() {
    let mut value = tick();
    value["timestamp"] = json!("2019-07-09T09:15:59.999+05:30");
    let tick: MarketTick = serde_json::from_value(value).unwrap();
    assert_eq!(tick.timestamp.to_rfc3339(), "2019-07-09T03:45:59.999+00:00");
}

/// The payload with `field` set to `value` is refused.
#[track_caller]
fn is_refused<T: DeserializeOwned>(mut payload: Value, field: &str, value: Value) {
    let shown = value.to_string();
    payload[field] = value;
    assert!(serde_json::from_value::<T>(payload).is_err(), "{field} = {shown}");
}

#[test]
fn a_tick_with_a_value_that_does_not_fit_is_refused() {
    for (field, value) in [
        ("instrument_token", json!(0)),
        ("instrument_token", json!(-1)),
        ("instrument_token", json!("3050241")),
        ("instrument_token", json!(4_294_967_296_u64)),
        ("last_price", json!(92.15)),
        ("last_price", json!(92)),
        ("last_price", json!("0")),
        ("last_price", json!("-1")),
        ("last_price", json!("NaN")),
        ("last_price", json!("")),
        ("last_price", json!("1e3")),
        ("last_price", json!("100000001")),
        ("last_price", Value::Null),
        ("timestamp", json!("2019-07-09T09:15:00")),
        ("timestamp", json!("2019-07-09 09:15:00Z")),
        ("timestamp", json!(1_562_643_900)),
        ("timestamp", json!("")),
        ("symbol", json!("")),
        ("symbol", json!("  ")),
        ("volume_traded", json!(-1)),
        ("volume_traded", json!(1.5)),
        ("change", json!(1.5)),
        ("ohlc", json!({ "open": "1", "high": "1", "low": "1" })),
        ("last_trade_time", json!("2019-07-09T09:15:00")),
        ("depth", json!({ "buy": [{ "price": 1, "quantity": 1, "orders": 1 }], "sell": [] })),
        ("mode", json!("")),
        ("tradable", json!("yes")),
    ] {
        is_refused::<MarketTick>(tick(), field, value);
    }
}

#[test]
fn a_signal_or_order_with_a_value_that_does_not_fit_is_refused() {
    for (field, value) in [
        ("strategy_id", json!("")),
        ("signal_type", json!("buy")),
        ("signal_type", json!("SHORT")),
        ("quantity", json!(0)),
        ("quantity", json!(-5)),
        ("quantity", json!(1.5)),
        ("quantity", json!("100")),
        ("price", json!(92.15)),
        ("confidence", json!("1.01")),
        ("confidence", json!("-0.1")),
        ("confidence", json!(0.5)),
        ("metadata", json!([])),
        ("timestamp", json!("2019-07-09T09:15:00")),
    ] {
        is_refused::<TradingSignal>(signal(), field, value);
    }
    for (field, value) in [
        ("order_id", json!("")),
        ("status", json!("placed")),
        ("status", json!("LOST")),
        ("execution_mode", json!("PAPER")),
        ("quantity", json!(0)),
    ] {
        is_refused::<OrderPlaced>(order(), field, value);
    }
    is_refused::<OrderFilled>(filled(), "side", json!("HOLD"));
    is_refused::<OrderFilled>(filled(), "fees", json!(9.2));
}

#[test]
fn a_missing_field_is_named() {
    for field in ["instrument_token", "last_price", "timestamp"] {
        let mut value = tick();
        value.as_object_mut().unwrap().remove(field);
        let error = serde_json::from_value::<MarketTick>(value).unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{field}`")), "{error}");
    }
}

#[test]
fn the_topics_are_those_of_the_pipeline() {
    use std::time::Duration;

    let day = Duration::from_secs(86_400);
    let rows: Vec<_> = topics()
        .iter()
        .map(|topic| {
            (
                topic.name,
                topic.partitions,
                topic.dead_letter_partitions(),
                topic.retention(NamespaceKind::Live),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("market.ticks", 12, 6, day / 24),
            ("signals.raw", 6, 3, day),
            ("signals.validated", 6, 3, day),
            ("signals.rejected", 3, 1, day),
            ("orders.submitted", 6, 3, 30 * day),
            ("orders.filled", 6, 3, 30 * day),
            ("orders.failed", 6, 3, 30 * day),
            ("pnl.snapshots", 3, 1, 30 * day),
        ]
    );
    assert_eq!(ORDERS_FILLED.retention(NamespaceKind::Paper), 7 * day);
    assert_eq!(MARKET_TICKS.dead_letter_retention(NamespaceKind::Paper), 7 * day);
    assert_eq!(ORDERS_FILLED.dead_letter_retention(NamespaceKind::Live), 30 * day);
}
