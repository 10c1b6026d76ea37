//! The code that is written for the example of the design, as a person would read it. After a change:
//! `TRYBUILD=overwrite cargo test -p pandaflow-macros`.

use quote::quote;
use syn::parse_quote;

const SNAPSHOT: &str = include_str!("snapshot.expanded");

#[test]
fn the_code_for_the_designs_example_is_small_and_as_it_was() {
    let input = parse_quote! {
        #[processor(
            name = "risk-manager",
            input(topic = "signals.raw", event = TradingSignal),
            input(topic = "orders.filled", event = OrderFilled),
            table(topic = "market.ticks", event = MarketTick),
            output(topic = "signals.validated", event = ValidatedSignal),
            output(topic = "signals.rejected", event = RejectedSignal),
            state = Account,
            order = "key", concurrency = 100,
            retry(attempts = 5, backoff = "100ms..10s"),
            dedup(ttl = "24h"),
        )]
        struct RiskManager { limits: Limits }
    };
    let code = super::derive(&input);
    let code = prettyplease::unparse(&syn::parse2(quote!(#code)).expect("the code is Rust"));
    if std::env::var_os("TRYBUILD").is_some_and(|mode| mode == "overwrite") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/stream_processor/snapshot.expanded");
        std::fs::write(path, &code).expect("the snapshot can be written");
    } else {
        assert_eq!(code, SNAPSHOT);
    }
    assert!(code.lines().count() <= 120, "{} lines", code.lines().count());
}
