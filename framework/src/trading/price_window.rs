//! The last prices of an instrument: the one history that its strategies look back on.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::price::Price;

/// The last 20 prices, in millionths, in place: a clone is a copy and costs no allocation. As JSON a plain list,
/// the oldest first.
#[derive(Debug, Clone, Copy)]
pub struct PriceWindow {
    prices: [i64; Self::LENGTH],
    /// Prices seen, at most the length.
    filled: u8,
    /// Where the next price goes; the oldest once the window is full.
    next: u8,
}

impl PriceWindow {
    /// Prices that the window holds.
    pub const LENGTH: usize = 20;

    /// A window without prices.
    #[must_use]
    pub const fn new() -> Self {
        Self { prices: [0; Self::LENGTH], filled: 0, next: 0 }
    }

    /// Takes in a price; the oldest falls out of a full window.
    pub fn push(&mut self, price: Price) {
        self.push_micros(price.micros());
    }

    /// The prices in millionths, in no order, once there are 20.
    #[must_use]
    pub fn full(&self) -> Option<&[i64; Self::LENGTH]> {
        (usize::from(self.filled) == Self::LENGTH).then_some(&self.prices)
    }

    /// The price 20 before the one to come, in millionths, once there are 20.
    #[must_use]
    pub fn oldest(&self) -> Option<i64> {
        self.full().map(|prices| prices[usize::from(self.next)])
    }

    /// The prices in millionths, the oldest first.
    fn iter(&self) -> impl ExactSizeIterator<Item = i64> {
        let filled = usize::from(self.filled);
        let start = usize::from(self.next) + Self::LENGTH - filled;
        (0..filled).map(move |index| self.prices[(start + index) % Self::LENGTH])
    }

    fn push_micros(&mut self, micros: i64) {
        self.prices[usize::from(self.next)] = micros;
        self.next = if usize::from(self.next) + 1 == Self::LENGTH { 0 } else { self.next + 1 };
        self.filled = self.filled.saturating_add(1).min(20);
    }
}

impl Default for PriceWindow {
    fn default() -> Self {
        Self::new()
    }
}

/// Two windows are equal if they hold the same prices in the same order.
impl PartialEq for PriceWindow {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for PriceWindow {}

impl Serialize for PriceWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for PriceWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Prices;

        impl<'de> de::Visitor<'de> for Prices {
            type Value = PriceWindow;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("at most 20 prices in millionths")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut prices: A) -> Result<PriceWindow, A::Error> {
                let mut window = PriceWindow::new();
                let mut count = 0;
                while let Some(micros) = prices.next_element::<i64>()? {
                    count += 1;
                    if count > PriceWindow::LENGTH {
                        return Err(de::Error::invalid_length(count, &self));
                    }
                    // Beyond a price's bounds the sums of the strategies could overflow.
                    if !(1..=Price::MAX.micros()).contains(&micros) {
                        return Err(de::Error::custom(format_args!("{micros} millionths are no price")));
                    }
                    window.push_micros(micros);
                }
                Ok(window)
            }
        }
        deserializer.deserialize_seq(Prices)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_window_holds_the_last_twenty_prices_and_is_read_back_from_json(
            prices in prop::collection::vec(1_i64..1_000_000, 0..70),
        ) {
            let mut window = PriceWindow::new();
            for micros in &prices {
                window.push_micros(*micros);
            }
            let last = &prices[prices.len().saturating_sub(PriceWindow::LENGTH)..];
            prop_assert_eq!(window.iter().collect::<Vec<_>>(), last);
            prop_assert_eq!(window.oldest(), (last.len() == PriceWindow::LENGTH).then(|| last[0]));
            let json = serde_json::to_string(&window).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(last).unwrap());
            prop_assert_eq!(serde_json::from_str::<PriceWindow>(&json).unwrap(), window);
        }
    }

    #[test]
    fn a_stored_window_that_could_not_have_been_written_is_refused() {
        for json in ["[0]", "[-5]", "[100000000000001]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "{}"]
        {
            assert!(serde_json::from_str::<PriceWindow>(json).is_err(), "{json}");
        }
    }
}
