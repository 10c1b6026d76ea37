//! The dead-letter actor: takes letters to the store, many at once.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, ArbiterHandle, Context, Handler, ResponseFuture};
use futures_util::future::BoxFuture;
use pandaflow::{
    DeadLetter,
    ports::{DeadLetterStore, Filing, StoreError, StoredDeadLetter},
};
use tokio::time::timeout;

use super::{
    DeadLetterConfig, DeadLetterError, DeadLetterHandle, DeadLetterMailboxes, FileDeadLetter,
    ListDeadLetters, ShowDeadLetter,
};
use crate::{
    health::{HealthHandle, ReportComponent, Status},
    mailbox::Mailbox,
    metrics::{MetricsHandle, ServiceCount},
};

/// Takes dead letters. It ends when the last handle is gone.
pub struct DeadLetterActor {
    desk: Rc<Desk>,
}

/// What the calls share that are carried out side by side.
struct Desk {
    timeout: Duration,
    store: Arc<dyn DeadLetterStore>,
    health: HealthHandle,
    metrics: MetricsHandle,
    /// Whether the last letter could be filed.
    open: Cell<bool>,
}

impl DeadLetterActor {
    /// Starts it on `arbiter`, over `store`.
    #[must_use]
    pub fn start(
        arbiter: &ArbiterHandle,
        config: DeadLetterConfig,
        store: Arc<dyn DeadLetterStore>,
        health: HealthHandle,
        metrics: MetricsHandle,
    ) -> DeadLetterHandle {
        let to = Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(config.mailbox);
            let open = Cell::new(true);
            Self { desk: Rc::new(Desk { timeout: config.timeout, store, health, metrics, open }) }
        });
        DeadLetterHandle::new(DeadLetterMailboxes {
            file: Mailbox::new("dead-letter", to.clone().recipient(), config.mailbox),
            list: Mailbox::new("dead-letter", to.clone().recipient(), config.mailbox),
            show: Mailbox::new("dead-letter", to.recipient(), config.mailbox),
        })
    }
}

impl Desk {
    /// The way of a letter: to the store. Where the way goes on when the store fails (another store, a local
    /// spool), it goes on here.
    async fn file(&self, letter: DeadLetter) -> Result<Filing, DeadLetterError> {
        let count = ServiceCount::DeadLetterFiled {
            processor: letter.processor.clone(),
            namespace: letter.namespace.clone(),
            class: letter.class,
        };
        let filed = self.within_limit(self.store.file(letter)).await;
        match &filed {
            Ok(_) => {
                self.metrics.count(count);
                if !self.open.replace(true) {
                    self.report(Status::Healthy, "dead letters are filed again".into());
                }
            }
            Err(error) => {
                self.metrics.count(ServiceCount::DeadLetterStoreFailed);
                if self.open.replace(false) {
                    self.report(Status::Failing, format!("{error}; events that fail wait for it"));
                }
            }
        }
        filed
    }

    async fn within_limit<T>(
        &self,
        call: BoxFuture<'static, Result<T, StoreError>>,
    ) -> Result<T, DeadLetterError> {
        let limit = self.timeout;
        Ok(timeout(limit, call).await.map_err(|_| DeadLetterError::TimedOut { limit })??)
    }

    fn report(&self, status: Status, message: String) {
        self.health.component(ReportComponent::new("dead letters", status, message));
    }
}

impl Actor for DeadLetterActor {
    type Context = Context<Self>;
}

impl Handler<FileDeadLetter> for DeadLetterActor {
    type Result = ResponseFuture<Result<Filing, DeadLetterError>>;

    fn handle(&mut self, FileDeadLetter(letter): FileDeadLetter, _ctx: &mut Self::Context) -> Self::Result {
        let desk = Rc::clone(&self.desk);
        Box::pin(async move { desk.file(letter).await })
    }
}

impl Handler<ListDeadLetters> for DeadLetterActor {
    type Result = ResponseFuture<Result<Vec<StoredDeadLetter>, DeadLetterError>>;

    fn handle(&mut self, ListDeadLetters(filter): ListDeadLetters, _ctx: &mut Self::Context) -> Self::Result {
        let desk = Rc::clone(&self.desk);
        Box::pin(async move { desk.within_limit(desk.store.list(filter)).await })
    }
}

impl Handler<ShowDeadLetter> for DeadLetterActor {
    type Result = ResponseFuture<Result<Option<StoredDeadLetter>, DeadLetterError>>;

    fn handle(&mut self, ShowDeadLetter(id): ShowDeadLetter, _ctx: &mut Self::Context) -> Self::Result {
        let desk = Rc::clone(&self.desk);
        Box::pin(async move { desk.within_limit(desk.store.show(id)).await })
    }
}
