//! The portfolio's cache: each account's book on Redis under `{namespace}:portfolio:`, for screens and other programs.

use std::sync::Arc;

use pandaflow::{
    ports::{StoreError, Transport},
    settings::Settings,
};
use pandaflow_actors::{
    Program, decode_state,
    transport::redis::{Fields, Mirrored, MirroringTransport, RedisConfig},
};

use crate::pipeline::Book;

/// `transport` with the books of all the program's namespaces kept on Redis as they are settled.
pub(super) fn with_cache(
    transport: Arc<dyn Transport>,
    settings: &Settings,
    program: &Program,
) -> Result<Arc<dyn Transport>, StoreError> {
    let installation = settings.kafka.prefix.as_deref().unwrap_or_default();
    let books = program.namespaces().iter().map(|namespace| Mirrored {
        group: program.group("portfolio", namespace),
        prefix: format!("{installation}{namespace}:portfolio:"),
        show,
    });
    let config = RedisConfig::from(&settings.redis);
    Ok(Arc::new(MirroringTransport::new(transport, &config, books.collect())?))
}

/// An account's book with the fields of a report's `accounts`, decimals as text. Its position is valued at the price of
/// its last fill.
fn show(key: &[u8], state: &[u8]) -> Result<Option<Fields>, String> {
    let book: Book = decode_state(key, 1, state).map_err(|error| error.to_string())?;
    Ok(book.account.map(|account| {
        vec![
            ("position", account.position.quantity.to_string()),
            ("cash", account.cash.to_string()),
            ("realized_pnl", account.realized_pnl.to_string()),
            ("unrealized_pnl", account.unrealized_pnl().to_string()),
            ("trades", account.trades.to_string()),
        ]
    }))
}
