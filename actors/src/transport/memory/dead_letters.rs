//! The dead-letter store: written by settlements, read by number and by filter.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pandaflow::{
    DeadLetter, Timestamp,
    ports::{DeadLetterFilter, DeadLetterId, DeadLetterStore, Filing, StoreError, StoredDeadLetter},
};

use super::core::{Core, Port};

/// Dead letters by number, from 1.
#[derive(Default)]
pub(super) struct Letters(Vec<StoredDeadLetter>);

impl Letters {
    pub(super) fn store(&mut self, letters: Vec<DeadLetter>, now: Timestamp) {
        for letter in letters {
            let id = DeadLetterId(self.0.len() as i64 + 1);
            self.0.push(StoredDeadLetter { id, stored: now, letter });
        }
    }

    pub(super) fn all(&self) -> Vec<StoredDeadLetter> {
        self.0.clone()
    }

    fn list(&self, filter: &DeadLetterFilter) -> Vec<StoredDeadLetter> {
        let wanted = |stored: &&StoredDeadLetter| {
            let letter = &stored.letter;
            filter.processor.as_ref().is_none_or(|name| *name == letter.processor)
                && filter.namespace.as_ref().is_none_or(|name| name == letter.namespace.as_str())
                && filter.class.is_none_or(|class| class == letter.class)
        };
        self.0.iter().rev().filter(wanted).take(filter.limit).cloned().collect()
    }

    fn show(&self, id: DeadLetterId) -> Option<StoredDeadLetter> {
        self.0.get(usize::try_from(id.0.checked_sub(1)?).ok()?).cloned()
    }
}

/// [`DeadLetterStore`] in memory.
pub(super) struct MemoryDeadLetters(pub(super) Arc<Core>);

impl DeadLetterStore for MemoryDeadLetters {
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>> {
        self.0.ask(Port::DeadLetters, move |_| Filing::WithSettlement(Box::new(letter)))
    }

    fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>> {
        self.0.ask(Port::DeadLetters, move |core| core.dead_letters.lock().list(&filter))
    }

    fn show(&self, id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>> {
        self.0.ask(Port::DeadLetters, move |core| core.dead_letters.lock().show(id))
    }
}
