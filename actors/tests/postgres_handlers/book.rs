//! A processor that keeps its books in PostgreSQL: a row of its own for each payment, beside a receipt and a count per account.
//! Faults can be planned for single payments.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use diesel::{
    sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use pandaflow::{Classify, Context, Event, Handle, StreamProcessor, ports::TransactionError};
use pandaflow_actors::transport::postgres::InTransaction;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "payment", version = 1, key = "{account}")]
pub(crate) struct Payment {
    pub(crate) account: String,
    /// Counts up from 1 per account.
    pub(crate) number: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "receipt", version = 1, key = "{account}")]
pub(crate) struct Receipt {
    pub(crate) account: String,
    pub(crate) number: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) handled: u64,
    /// Payments that did not follow the one before.
    pub(crate) out_of_order: u64,
    last: u64,
}

#[derive(Debug, thiserror::Error, Classify)]
pub(crate) enum BookError {
    #[error(transparent)]
    #[class(source)]
    Transaction(#[from] TransactionError),
    #[error(transparent)]
    #[class(transient)]
    Query(#[from] diesel::result::Error),
    #[error("as planned")]
    #[class(business)]
    Planned,
}

/// What an attempt does beside its work.
#[derive(Clone)]
pub(crate) enum Fault {
    Errs,
    Panics,
    Hangs,
    /// A row that the database refuses once the transaction ends.
    BreaksAtTheEnd,
    CommitsItself,
    SwallowsAnError,
    Filters,
    /// Waits until it may go on.
    Waits,
    /// Calls this, and goes on.
    Does(Arc<dyn Fn() + Send + Sync>),
}

/// By account and number.
type Planned = HashMap<(String, u64), VecDeque<Fault>>;

/// Faults that are to happen at single payments, one an attempt.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    planned: Arc<Mutex<Planned>>,
    waits: Arc<Notify>,
    goes_on: Arc<Notify>,
}

impl Faults {
    pub(crate) fn plan(&self, account: &str, number: u64, faults: &[Fault]) {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.insert((account.into(), number), faults.iter().cloned().collect());
    }

    fn next(&self, payment: &Payment) -> Option<Fault> {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.get_mut(&(payment.account.clone(), payment.number))?.pop_front()
    }

    pub(crate) async fn wait_until_one_waits(&self) {
        tokio::time::timeout(Duration::from_secs(60), self.waits.notified()).await.expect("one waits");
    }

    pub(crate) fn go_on(&self) {
        self.goes_on.notify_one();
    }
}

#[derive(StreamProcessor)]
#[processor(
    name = "book",
    input(topic = "payments", event = Payment),
    output(topic = "receipts", event = Receipt),
    state = Count,
    timeout = "2s",
    retry(attempts = 3, backoff = "1ms..10ms"),
)]
pub(crate) struct Book(pub(crate) Faults);

impl Handle<Payment> for Book {
    type Error = BookError;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), BookError> {
        let fault = self.0.next(&payment);
        let connection = ctx.transaction().await?;
        let insert = sql_query(
            "INSERT INTO book (account, number, before) SELECT $1, $2, count(*) FROM book WHERE account = $1",
        );
        let number = i64::try_from(payment.number).expect("it fits");
        insert.bind::<Text, _>(&payment.account).bind::<BigInt, _>(number).execute(connection).await?;
        match fault {
            None => {}
            Some(Fault::Errs) => return Err(BookError::Planned),
            Some(Fault::Panics) => panic!("as planned"),
            Some(Fault::Hangs) => connection.batch_execute("SELECT pg_sleep(60)").await?,
            Some(Fault::BreaksAtTheEnd) => {
                connection.batch_execute("INSERT INTO page (book) VALUES (-1)").await?;
            }
            Some(Fault::CommitsItself) => connection.batch_execute("COMMIT").await?,
            Some(Fault::SwallowsAnError) => {
                assert!(connection.batch_execute("SELECT no_such_thing").await.is_err());
            }
            Some(Fault::Filters) => ctx.filter(),
            Some(Fault::Waits) => {
                self.0.waits.notify_one();
                self.0.goes_on.notified().await;
            }
            Some(Fault::Does(call)) => call(),
        }
        let count = ctx.state_mut();
        count.handled += 1;
        count.out_of_order += u64::from(payment.number != count.last + 1);
        count.last = payment.number;
        ctx.emit(Receipt { account: payment.account.clone(), number: payment.number });
        Ok(())
    }
}

/// The same processor without rows.
#[derive(StreamProcessor)]
#[processor(
    name = "book",
    input(topic = "payments", event = Payment),
    output(topic = "receipts", event = Receipt),
    state = Count,
)]
pub(crate) struct Plain;

impl Handle<Payment> for Plain {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        let count = ctx.state_mut();
        count.handled += 1;
        count.out_of_order += u64::from(payment.number != count.last + 1);
        count.last = payment.number;
        Ok(())
    }
}
