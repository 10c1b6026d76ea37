//! The `embedded` workload: consume, change state, emit one output, durably, against a bare SQLite loop that writes the
//! same rows in the same transactions.

mod bare;

use std::{path::Path, sync::Arc};

use pandaflow::{
    Context, Event, Group, Handle, Outgoing, StreamProcessor,
    ports::{TopicToCreate, Transport},
};
use pandaflow_actors::{
    Publisher,
    transport::embedded::{EmbeddedConfig, EmbeddedTransport},
};
use serde::{Deserialize, Serialize};

use crate::{
    BenchError, framework,
    options::{Options, Ordering},
    payments::{self, PaymentMade},
    report::{Report, median},
    stage::{self, Shape, TOPIC},
    till::{Taken, Till},
    usage::Spent,
};

/// The topic of the outputs, as declared.
const BALANCES: &str = "balances";
/// Payments in one settlement while they are published.
const PUBLISHED_AT_ONCE: usize = 4_096;

/// What an account has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Balance {
    cents: i64,
    payments: u64,
}

/// An account has changed.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "balance_changed", version = 1, key = "{account}")]
pub(crate) struct BalanceChanged {
    account: String,
    cents: i64,
    payments: u64,
}

/// The same processor under another order.
macro_rules! bookkeeper {
    ($name:ident, $order:tt) => {
        #[derive(StreamProcessor)]
        #[processor(
                                                    name = "bookkeeper",
                                                    input(topic = "payments", event = PaymentMade),
                                                    output(topic = "balances", event = BalanceChanged),
                                                    state = Balance,
                                                    order = $order
                                                )]
        pub(crate) struct $name(Till);

        impl Handle<PaymentMade> for $name {
            type Error = std::convert::Infallible;

            async fn handle(
                &mut self,
                payment: Event<PaymentMade>,
                ctx: &mut Context<Self>,
            ) -> Result<(), Self::Error> {
                let balance = ctx.state_mut();
                balance.cents += payment.cents;
                balance.payments += 1;
                let Balance { cents, payments } = *balance;
                ctx.emit(BalanceChanged { account: payment.account.clone(), cents, payments });
                self.0.handle(payment).await;
                Ok(())
            }
        }
    };
}
bookkeeper!(ByKey, "key");
bookkeeper!(ByPartition, "partition");

/// Measures both sides in turn, round by round, each in files of its own, and tells the medians.
///
/// # Errors
/// [`BenchError`]
pub async fn run(options: &Options) -> Result<Report, BenchError> {
    let shape = Shape::embedded(options);
    let (mut bounds, mut ours, mut ratios, mut transactions) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..shape.rounds {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("ours.db");
        let (spent, taken) = run_ours(&file, &shape, round).await?;
        if taken.payments != shape.n {
            return Err(BenchError::Differs(format!("{} handled of {}", taken.payments, shape.n)));
        }
        let rows = bare::Rows::read(&file, &topic(BALANCES)?)?;
        if rows.len() != shape.n {
            return Err(BenchError::Differs(format!("{} outputs of {} payments", rows.len(), shape.n)));
        }
        let bound = rows.write(&folder.path().join("bare.db"))?;
        transactions = rows.transactions();
        ratios.push(bound.wall.as_secs_f64() / spent.wall.as_secs_f64());
        bounds.push(bound);
        ours.push(spent);
    }
    let bound = Spent::median(&bounds);
    Ok(Report {
        bound_seconds: bound.wall.as_secs_f64(),
        bound_events_per_s: Some(shape.n as f64 / bound.wall.as_secs_f64()),
        bound_cpu_s: Some(bound.cpu.as_secs_f64()),
        transactions: Some(transactions),
        ratio: median(ratios),
        target: "our rate ÷ the bare loop's, to be at least 0.5",
        ..Report::new("embedded", &shape, Spent::median(&ours))
    })
}

async fn run_ours(file: &Path, shape: &Shape, round: usize) -> Result<(Spent, Taken), BenchError> {
    let transport: Arc<dyn Transport> = Arc::new(EmbeddedTransport::open(file, EmbeddedConfig::default())?);
    publish(&*transport, shape).await?;
    match shape.order {
        Ordering::Key => framework::run(transport, shape, round, ByKey).await,
        Ordering::Partition => framework::run(transport, shape, round, ByPartition).await,
        Ordering::None => {
            Err(BenchError::Options("a processor with a state needs an order: key or partition"))
        }
    }
}

/// Puts the payments into the log.
pub(crate) async fn publish(transport: &dyn Transport, shape: &Shape) -> Result<(), BenchError> {
    let topic = topic(TOPIC)?;
    let create = |name| TopicToCreate { topic: name, ..stage::topic_to_create(shape, &topic) };
    transport.create_topics(vec![create(topic.clone()), create(self::topic(BALANCES)?)]).await?;
    let source = pandaflow::TopicName::new("bench.drawn");
    let mut publisher =
        Publisher::open(transport, Group::from("bench.publisher"), vec![source.clone()]).await?;
    let mut payments = payments::draw(&topic, shape.n, shape.keys, shape.work)?.into_iter();
    loop {
        let page: Vec<Outgoing> = payments.by_ref().take(PUBLISHED_AT_ONCE).collect();
        if page.is_empty() {
            return Ok(publisher.flush().await?);
        }
        let count = page.len() as u64;
        publisher.publish(page, [(source.clone(), count)]).await?;
    }
}

fn topic(declared: &str) -> Result<pandaflow::TopicName, BenchError> {
    Ok(pandaflow::TopicName::resolve(declared, &stage::namespace()?, &[]))
}
