//! Every form that the derives take, used: what is declared is what comes out. The code that they write has no
//! warnings.
#![deny(warnings, missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod classify;
mod event;
mod events;
mod format;
mod generic;
mod names;
mod processor;
mod run;
