//! The report for people.

use std::fmt::Write;

use super::Report;

/// Tables of ledgers and accounts, and the sums.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write_all(&mut text, report);
    text
}

fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "feed: {} of {} events, from", report.feed.events, report.lines)?;
    for file in &report.feed.files {
        writeln!(text, "  {file}")?;
    }
    writeln!(
        text,
        "\n{:<10} {:<13} {:>9} {:>9} {:>9} {:>9} {:>13} {:>7} {:>9}",
        "namespace",
        "processor",
        "consumed",
        "succeeded",
        "filtered",
        "duplicate",
        "dead-lettered",
        "parked",
        "in flight"
    )?;
    for row in &report.ledger {
        let ledger = &row.ledger;
        writeln!(
            text,
            "{:<10} {:<13} {:>9} {:>9} {:>9} {:>9} {:>13} {:>7} {:>9}",
            row.namespace,
            row.processor,
            ledger.consumed,
            ledger.succeeded,
            ledger.filtered,
            ledger.duplicate,
            ledger.dead_lettered,
            ledger.parked,
            row.in_flight
        )?;
    }
    let orders = &report.orders;
    writeln!(
        text,
        "\norders: {} submitted, {} filled, {} failed",
        orders.submitted, orders.filled, orders.failed
    )?;
    writeln!(
        text,
        "\n{:<10} {:<26} {:>8} {:>16} {:>14} {:>14} {:>6}",
        "namespace", "account", "position", "cash", "realized", "unrealized", "trades"
    )?;
    for row in &report.accounts {
        writeln!(
            text,
            "{:<10} {:<26} {:>8} {:>16} {:>14} {:>14} {:>6}",
            row.namespace,
            row.account,
            row.position,
            row.cash.round_dp(4).to_string(),
            row.realized_pnl.round_dp(4).to_string(),
            row.unrealized_pnl.round_dp(4).to_string(),
            row.trades
        )?;
    }
    writeln!(
        text,
        "\n{:.2} s, {:.0} events/s; the data lies in {}",
        report.elapsed_seconds, report.events_per_second, report.whereabouts
    )
}
