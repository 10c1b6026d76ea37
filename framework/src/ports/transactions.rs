//! Transactions of a database that a handler takes part in: its own rows become real with the effects of its attempt.

use std::{any::Any, time::Duration};

use futures_util::future::BoxFuture;

use crate::{Classify, ErrorClass, ports::StoreError};

/// Why there is no transaction, or what the handler did in it can't become real.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// Where the processor runs there is none.
    #[error("no transaction here: {0}")]
    Unsupported(&'static str),
    /// The database can't be reached, or refused to begin one.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
    /// What was done in it is refused by the database as a whole, such as a constraint that is checked at the end.
    #[error("the transaction can't be committed: {0}")]
    Unfit(String),
}

// A hint at this one would lead who forgot to classify their own astray.
#[diagnostic::do_not_recommend]
impl Classify for TransactionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Unsupported(_) => ErrorClass::Poison,
            Self::Unavailable(_) => ErrorClass::Infrastructure,
            Self::Unfit(_) => ErrorClass::Transient,
        }
    }
}

/// An open transaction of one attempt. Dropped, nothing of it becomes real.
///
/// What it really is, its transport knows: it takes it back by [`Any`].
pub trait Transaction: Any + Send {
    /// The handler has ended well: whether what it did could be committed, as far as the database tells before.
    fn end_of_attempt(&mut self) -> BoxFuture<'_, Result<(), TransactionError>>;
}

/// Begins transactions that settlements can be made in.
pub trait Transactions: Send + Sync {
    /// Begins one for an attempt that may take as long: none of its queries takes longer.
    fn begin(&self, limit: Duration) -> BoxFuture<'static, Result<Box<dyn Transaction>, TransactionError>>;
}
