//! The number that names an instrument: the key of ticks, and half of an account's key.

use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

use super::market::Market;

/// An instrument's number: as Zerodha gives it for Indian instruments, derived from the symbol for others.
///
/// The low byte tells the exchange segment: Zerodha uses 1 (NSE) to 9 (indices), and [`Self::us`] puts 0xFE
/// there, so that [`Self::market`] needs no table of instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstrumentToken(NonZeroU32);

impl InstrumentToken {
    /// YES BANK on the NSE, as Zerodha numbers it.
    pub const YESBANK: Self = Self::known(3_050_241);
    /// The NIFTY 50 index, as Zerodha numbers it.
    pub const NIFTY_50: Self = Self::known(256_265);
    /// The segment byte of instruments of the United States.
    const US_SEGMENT: u32 = 0xFE;

    /// The token; none for 0, which names no instrument.
    #[must_use]
    pub const fn new(token: u32) -> Option<Self> {
        match NonZeroU32::new(token) {
            Some(token) => Some(Self(token)),
            None => None,
        }
    }

    /// The token of an instrument of the United States: the 32-bit FNV-1a hash of `US:` and the symbol in upper
    /// case, its low byte replaced by 0xFE.
    #[must_use]
    pub fn us(symbol: &str) -> Self {
        let mut hash: u32 = 0x811C_9DC5;
        for byte in b"US:".iter().copied().chain(symbol.bytes().map(|byte| byte.to_ascii_uppercase())) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        Self::known((hash & !0xFF) | Self::US_SEGMENT)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Whose clock and calendar the instrument follows: those of the United States if its token says so, else
    /// those of India, since all other tokens are Zerodha's.
    #[must_use]
    pub const fn market(self) -> Market {
        if self.get() & 0xFF == Self::US_SEGMENT { Market::Us } else { Market::Nse }
    }

    const fn known(token: u32) -> Self {
        match NonZeroU32::new(token) {
            Some(token) => Self(token),
            None => panic!("0 names no instrument"),
        }
    }
}

impl fmt::Display for InstrumentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_us_token_is_the_same_on_every_machine_and_in_every_spelling_of_the_symbol() {
        assert_eq!(InstrumentToken::us("spy"), InstrumentToken::us("SPY"));
        assert_eq!(InstrumentToken::us("SPY").get(), 0x76FF_06FE);
        assert_ne!(InstrumentToken::us("SPY"), InstrumentToken::us("BAC"));
    }

    #[test]
    fn a_token_tells_its_market() {
        assert_eq!(InstrumentToken::us("IBM").market(), Market::Us);
        assert_eq!(InstrumentToken::YESBANK.market(), Market::Nse);
        assert_eq!(InstrumentToken::NIFTY_50.market(), Market::Nse);
    }
}
