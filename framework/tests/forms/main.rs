//! Every form that the derives take, used: what is declared is what comes out. The code that they write has no
//! warnings.
#![deny(warnings, missing_docs, unreachable_pub)]

mod classify;
mod event;
mod processor;
mod run;
