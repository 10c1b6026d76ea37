//! Deciding, apart from doing: pure types without clock or I/O, held by property tests.

pub mod dead_letter_budget;
pub mod ledger;
pub mod outage;
pub mod parking;
pub mod restart_budget;
pub mod retry;
pub mod topic_plan;
pub mod watermark;
