//! PAPER_TRADING and ZERODHA: the trading system's own sections, declared as any program declares its own.

use rust_decimal::Decimal;

use super::{
    secret::Secret,
    section::Checks,
    value::{Ranged, Value},
};

impl Value for Decimal {
    fn expected() -> String {
        "a decimal number such as 0.05".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("empty".into());
        }
        Self::from_str_exact(text).map_err(|_| "not a decimal number".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Ranged for Decimal {
    fn within(&self, min: &Self, max: &Self) -> bool {
        (min..=max).contains(&self)
    }
}

crate::section! {
    /// How paper orders are filled, and which are taken.
    pub struct PaperTrading("PAPER_TRADING", check = limits_fit) {
        /// How much worse than its order's price a fill is, in percent.
        pub slippage_percent: Decimal = "0.05" in "0"..="50",
        /// Commission on the notional, in percent.
        pub commission_percent: Decimal = "0.1" in "0"..="50",
        /// Cash that each account starts with.
        pub starting_cash: Decimal = "1000000" in "0"..="1000000000000",
        /// Smallest quantity of an order.
        pub min_quantity: u64 = "1" in "1"..="1000000000",
        /// Largest quantity of an order.
        pub max_quantity: u64 = "1000000" in "1"..="1000000000",
        /// Lowest price of an order.
        pub min_price: Decimal = "0.01" in "0"..="1000000000",
        /// Highest price of an order.
        pub max_price: Decimal = "10000000" in "0.0001"..="1000000000",
        /// Instrument tokens that may be traded, each from 1 to 4294967295; empty for all.
        pub allowed_instruments: Vec<u64> = "",
        /// Largest notional of one account's position; empty for no limit.
        pub max_position_notional: Option<Decimal> = "" in "0"..="1000000000000",
    }
}

fn limits_fit(paper: &PaperTrading, checks: &mut Checks) {
    let token = 1..=u64::from(u32::MAX);
    if let Some(wrong) = paper.allowed_instruments.iter().find(|&one| !token.contains(one)) {
        let why = format!("no instrument has the token {wrong}; write tokens from 1 to {}", token.end());
        checks.refuse("allowed_instruments", why);
    }
    if paper.min_quantity > paper.max_quantity {
        let max = paper.max_quantity;
        checks.refuse(
            "min_quantity",
            format!("must not be more than PAPER_TRADING__MAX_QUANTITY, which is {max}"),
        );
    }
    if paper.min_price > paper.max_price {
        let max = paper.max_price;
        checks.refuse("min_price", format!("must not be more than PAPER_TRADING__MAX_PRICE, which is {max}"));
    }
}

crate::section! {
    /// The account at Zerodha. Fills are simulated in every namespace until there is a gateway to the broker.
    pub struct Zerodha("ZERODHA", check = no_gateway_yet) {
        /// Whether orders go to the broker. Refused: this version has no gateway to it.
        pub enabled: bool = "false",
        /// Cash that each account of the namespace starts with.
        pub starting_cash: Decimal = "1000000" in "0"..="1000000000000",
        /// Key of the API.
        pub api_key: Secret = "",
        /// Secret of the API.
        pub api_secret: Secret = "",
        /// The day's access token.
        pub access_token: Secret = "",
    }
}

fn no_gateway_yet(zerodha: &Zerodha, checks: &mut Checks) {
    if zerodha.enabled {
        checks.refuse(
            "enabled",
            "this version has no gateway to the broker; write false: runs on recorded feeds simulate fills in \
             every namespace",
        );
    }
}
