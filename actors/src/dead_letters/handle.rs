//! How the dead-letter service is called.

use std::future::Future;

use pandaflow::{
    DeadLetter,
    ports::{DeadLetterFilter, DeadLetterId, Filing, StoredDeadLetter},
};

use super::{DeadLetterError, FileDeadLetter, ListDeadLetters, ShowDeadLetter, Unfiled};
use crate::mailbox::Mailbox;

/// The mailboxes that a [`DeadLetterHandle`] sends to: those of the actor, or of mocks.
#[derive(Debug, Clone)]
pub struct DeadLetterMailboxes {
    /// Takes letters.
    pub file: Mailbox<FileDeadLetter>,
    /// Lists letters.
    pub list: Mailbox<ListDeadLetters>,
    /// Gives one letter.
    pub show: Mailbox<ShowDeadLetter>,
}

/// Calls the dead-letter service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetterHandle {
    to: DeadLetterMailboxes,
}

impl DeadLetterHandle {
    /// A handle that sends to these.
    #[must_use]
    pub fn new(to: DeadLetterMailboxes) -> Self {
        Self { to }
    }

    /// Files a dead letter. The event is settled only when the filing is confirmed, or with the settlement that
    /// takes the letter along.
    ///
    /// # Errors
    /// The letter, whenever it was not filed for certain.
    pub fn file(
        &self,
        letter: DeadLetter,
    ) -> impl Future<Output = Result<Filing, Box<Unfiled>>> + Send + 'static + use<> {
        // The copy costs little (the bytes are shared) and comes back even when the actor ends meanwhile.
        let answer = self.to.file.ask(FileDeadLetter(letter.clone()));
        async move {
            match answer.await {
                Ok(Ok(filing)) => Ok(filing),
                Ok(Err(error)) => Err(Box::new(Unfiled { letter, error })),
                Err(error) => Err(Box::new(Unfiled { letter, error: error.into() })),
            }
        }
    }

    /// Lists dead letters, newest first.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> impl Future<Output = Result<Vec<StoredDeadLetter>, DeadLetterError>> + Send + 'static + use<> {
        let answer = self.to.list.ask(ListDeadLetters(filter));
        async { answer.await? }
    }

    /// One dead letter; `None` if there is none with that number.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn show(
        &self,
        id: DeadLetterId,
    ) -> impl Future<Output = Result<Option<StoredDeadLetter>, DeadLetterError>> + Send + 'static + use<>
    {
        let answer = self.to.show.ask(ShowDeadLetter(id));
        async { answer.await? }
    }

    /// Whether the actor is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.to.file.is_open()
    }
}
