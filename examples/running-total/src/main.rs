//! State per key: the running total of each account, durable, changed together with the event that changes it.

use std::{convert::Infallible, process::ExitCode};

use pandaflow::{Context, Event, Handle, StreamProcessor};
use pandaflow_actors::App;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, Event)]
#[event(type = "payment_made", version = 1, key = account)]
struct PaymentMade {
    account: String,
    cents: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "total_changed", version = 1, key = account)]
struct TotalChanged {
    account: String,
    payments: u64,
    cents: i64,
}

/// What is kept per account: the default one before its first payment.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Total {
    payments: u64,
    cents: i64,
}

#[derive(StreamProcessor)]
#[processor(
    name = "running-total",
    input(topic = "payments.made", event = PaymentMade),
    output(topic = "totals.changed", event = TotalChanged),
    state = Total,
)]
struct RunningTotal;

impl Handle<PaymentMade> for RunningTotal {
    type Error = Infallible;

    async fn handle(
        &mut self,
        payment: Event<PaymentMade>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Infallible> {
        // The account's own state. The change is kept if this attempt succeeds, and not otherwise.
        let total = ctx.state_mut();
        total.payments += 1;
        total.cents += payment.cents;
        let Total { payments, cents } = *total;
        println!("{}: {cents} cents in {payments} payments", payment.account);
        ctx.emit(TotalChanged { account: payment.account.clone(), payments, cents });
        Ok(())
    }
}

#[actix::main]
async fn main() -> ExitCode {
    let payments = [("ada", 500), ("grace", 120), ("ada", 250)]
        .map(|(account, cents)| PaymentMade { account: account.into(), cents });
    App::new("running-total").processor(|_| RunningTotal).publish("payments.made", payments).main().await
}

#[cfg(test)]
mod tests {
    use pandaflow_actors::{Program, testkit::TestKit};

    use super::*;

    #[actix::test]
    async fn each_account_has_a_total_of_its_own_that_survives_a_restart() {
        let mut kit = TestKit::start(Program::new().processor(|| RunningTotal)).await;
        for (account, cents) in [("ada", 500), ("grace", 120), ("ada", 250)] {
            kit.send("payments.made", PaymentMade { account: account.into(), cents });
        }
        kit.run_until_idle().await;
        kit.restart().await;
        kit.send("payments.made", PaymentMade { account: "ada".into(), cents: 1 });
        kit.run_until_idle().await;

        assert_eq!(kit.state::<RunningTotal>("ada"), Total { payments: 3, cents: 751 });
        assert_eq!(kit.state::<RunningTotal>("grace"), Total { payments: 1, cents: 120 });
        let last =
            kit.events::<TotalChanged>("totals.changed").into_iter().rfind(|event| event.account == "ada");
        assert_eq!(last.map(|event| event.cents), Some(751));
        kit.assert_repeatable::<RunningTotal>(&["payments.made"], &["totals.changed"]).await;
    }
}
