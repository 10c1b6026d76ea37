//! Each strategy against its definition, and the laws that all three keep.

use std::collections::VecDeque;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

fn price(cents: i64) -> Price {
    Price::new(Decimal::new(cents, 2)).unwrap()
}

fn signals(kind: StrategyKind, cents: impl IntoIterator<Item = i64>) -> Vec<(usize, Side)> {
    let mut strategies = Strategies::default();
    let mut found = Vec::new();
    for (index, cents) in cents.into_iter().enumerate() {
        let wishes = strategies.on_price(price(cents));
        found.extend(wishes.iter().filter(|(by, _)| *by == kind).map(|(_, side)| (index, side)));
    }
    found
}

#[test]
fn momentum_speaks_once_when_the_change_over_twenty_ticks_goes_beyond_one_percent() {
    let flat = [10_000; 20];
    let exactly_one_percent = flat.into_iter().chain([10_100]);
    assert_eq!(signals(StrategyKind::Momentum, exactly_one_percent), []);
    let beyond = flat.into_iter().chain([10_101, 10_200, 10_300, 10_000, 9_899, 9_800]);
    assert_eq!(signals(StrategyKind::Momentum, beyond), [(20, Side::Buy), (24, Side::Sell)]);
}

#[test]
fn momentum_needs_twenty_prices_before() {
    let early = [10_000; 19].into_iter().chain([20_000]);
    assert_eq!(signals(StrategyKind::Momentum, early), []);
}

#[test]
fn the_index_speaks_after_fourteen_changes_and_once_for_each_visit_to_a_zone() {
    let rising = (0..30).map(|step| 10_000 + step);
    assert_eq!(signals(StrategyKind::Rsi, rising), [(14, Side::Sell)]);
    let falling = (0..30).map(|step| 10_000 - step);
    assert_eq!(signals(StrategyKind::Rsi, falling), [(14, Side::Buy)]);
    assert_eq!(signals(StrategyKind::Rsi, [10_000; 2_000]), []);
}

#[test]
fn the_index_matches_a_published_series() {
    // The worked example of StockCharts' ChartSchool for RSI(14): closing prices, and the index from the 15th on.
    let prices: [i64; 33] = [
        443_389, 440_902, 441_497, 436_124, 443_278, 448_264, 450_955, 454_245, 458_433, 460_826, 458_931,
        460_328, 456_140, 462_820, 462_820, 460_028, 460_328, 464_116, 462_222, 456_439, 462_122, 462_521,
        457_137, 464_515, 457_835, 453_548, 440_288, 441_783, 442_181, 445_672, 434_205, 426_628, 431_314,
    ];
    let expected: [u128; 19] = [
        7053, 6632, 6655, 6941, 6636, 5797, 6293, 6326, 5606, 6238, 5471, 5042, 3999, 4146, 4187, 4546, 3730,
        3308, 3777,
    ];
    let mut rsi = Rsi::default();
    let mut spoken = Vec::new();
    let mut indices = Vec::new();
    for (index, tens) in prices.into_iter().enumerate() {
        let side = rsi.on_price(Price::new(Decimal::new(tens, 4)).unwrap());
        spoken.extend(side.map(|side| (index, side)));
        indices.extend(rsi.hundredths());
    }
    assert_eq!(spoken, [(14, Side::Sell)]);
    assert_eq!(indices, expected);
}

#[test]
fn mean_reversion_speaks_when_the_price_leaves_the_bands() {
    // 19 prices of 100 and one of x: |x − mean| = 19σ/√19, beyond two deviations for any x.
    let jump = [10_000; 19].into_iter().chain([10_001, 10_001, 10_001]);
    assert_eq!(signals(StrategyKind::MeanReversion, jump), [(19, Side::Sell)]);
    let fall = [10_000; 19].into_iter().chain([9_999]);
    assert_eq!(signals(StrategyKind::MeanReversion, fall), [(19, Side::Buy)]);
    assert_eq!(signals(StrategyKind::MeanReversion, [10_000; 100]), []);
}

#[test]
fn the_state_as_json_is_small_and_frozen() {
    let mut strategies = Strategies::default();
    for step in 0..25 {
        strategies.on_price(price(16_700 + step % 7));
    }
    let json = serde_json::to_string(&strategies).unwrap();
    assert!(json.len() < 400, "{} bytes", json.len());
    let fresh = serde_json::to_string(&Strategies::default()).unwrap();
    assert_eq!(
        fresh,
        r#"{"prices":[],"momentum":{"moving":null},"rsi":{"last":null,"changes":0,"up":0,"down":0,"zone":null},"mean_reversion":{"outside":null}}"#
    );
}

/// Prices that wander in steps of a cent, as trades do.
fn walks() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(-5_i64..=5, 0..300).prop_map(|steps| {
        steps
            .into_iter()
            .scan(1_000, |at, step| {
                *at = (*at + step).max(1);
                Some(*at)
            })
            .collect()
    })
}

/// The definition in floating point, for prices where it is far from a limit.
fn bands(window: &VecDeque<i64>) -> (f64, f64) {
    let n = window.len() as f64;
    let mean = window.iter().sum::<i64>() as f64 / n;
    let variance = window.iter().map(|price| (*price as f64 - mean).powi(2)).sum::<f64>() / n;
    (mean - 2.0 * variance.sqrt(), mean + 2.0 * variance.sqrt())
}

proptest! {
    #[test]
    fn mean_reversion_agrees_with_its_definition(walk in walks()) {
        let mut strategies = Strategies::default();
        let mut window = VecDeque::new();
        let mut outside = None;
        for cents in walk {
            window.push_back(cents);
            if window.len() > PriceWindow::LENGTH { window.pop_front(); }
            let wishes = strategies.on_price(price(cents));
            let said = wishes.iter().find(|(by, _)| *by == StrategyKind::MeanReversion).map(|(_, side)| side);
            if window.len() < PriceWindow::LENGTH { continue; }
            let (lower, upper) = bands(&window);
            let last = cents as f64;
            if (last - lower).abs() < 1e-6 || (last - upper).abs() < 1e-6 {
                // On a band: the floating point can't tell.
                outside = strategies_side(&strategies);
                continue;
            }
            let now = if last < lower { Some(Side::Buy) } else if last > upper { Some(Side::Sell) } else { None };
            prop_assert_eq!(said, now.filter(|side| outside != Some(*side)));
            outside = now;
        }
    }

    #[test]
    fn no_strategy_says_the_same_twice_without_a_price_in_between(walk in walks()) {
        let mut strategies = Strategies::default();
        let mut before = Wishes::default();
        for cents in walk {
            let wishes = strategies.on_price(price(cents));
            for (said, again) in before.0.iter().zip(wishes.0) {
                prop_assert!(again.is_none() || *said != again);
            }
            before = wishes;
        }
    }

    #[test]
    fn a_state_that_was_stored_and_loaded_at_any_tick_goes_on_alike(walk in walks()) {
        let mut kept = Strategies::default();
        let mut stored = serde_json::to_string(&kept).unwrap();
        for cents in walk {
            let mut loaded: Strategies = serde_json::from_str(&stored).unwrap();
            prop_assert_eq!(kept.on_price(price(cents)), loaded.on_price(price(cents)));
            prop_assert_eq!(kept, loaded);
            stored = serde_json::to_string(&loaded).unwrap();
        }
    }
}

fn strategies_side(strategies: &Strategies) -> Option<Side> {
    let value = serde_json::to_value(strategies.mean_reversion).unwrap();
    serde_json::from_value(value["outside"].clone()).unwrap()
}
