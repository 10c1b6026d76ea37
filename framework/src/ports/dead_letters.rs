//! Dead-letter stores: where events that were given up on are kept.

use futures_util::future::BoxFuture;

use crate::{DeadLetter, ErrorClass, Timestamp, ports::StoreError};

/// The number of a stored dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId(pub i64);

/// A dead letter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// Its number.
    pub id: DeadLetterId,
    /// When it was stored.
    pub stored: Timestamp,
    /// The dead letter.
    pub letter: DeadLetter,
}

/// Which dead letters to list. The default lists the newest 100 of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only of this processor.
    pub processor: Option<String>,
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of this class.
    pub class: Option<ErrorClass>,
    /// At most as many, newest first.
    pub limit: usize,
}

impl Default for DeadLetterFilter {
    fn default() -> Self {
        Self { processor: None, namespace: None, class: None, limit: 100 }
    }
}

/// How a store takes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filing {
    /// It must go into the settlement that settles its event, and is confirmed with that.
    WithSettlement(Box<DeadLetter>),
    /// It is stored and confirmed.
    Confirmed,
}

/// Keeps dead letters.
pub trait DeadLetterStore: Send + Sync {
    /// Takes a dead letter.
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>>;

    /// Lists dead letters, newest first.
    fn list(&self, filter: DeadLetterFilter)
    -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>>;

    /// One dead letter; `None` if there is none with that number.
    fn show(&self, id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>>;
}
