//! The contract of a transport as a list of checks, run against every implementation.
//!
//! [`transport_contract!`](crate::transport_contract) makes one test of each check:
//!
//! ```
//! # mod memory {
//! use std::sync::Arc;
//! use pandaflow::{SystemClock, ports::Transport};
//! use pandaflow_actors::{testkit::contract::Subject, transport::memory::MemoryTransport};
//!
//! struct Memory(MemoryTransport);
//!
//! impl Subject for Memory {
//!     fn transport(&self) -> Arc<dyn Transport> {
//!         Arc::new(self.0.clone())
//!     }
//! }
//!
//! pandaflow_actors::transport_contract!(|| Memory(MemoryTransport::new(Arc::new(SystemClock))));
//! # }
//! ```

pub mod attempts;
pub mod closing;
pub mod dead_letters;
pub mod dedup;
pub mod delivery;
pub mod fencing;
pub mod lag;
pub mod load;
mod member;
pub mod parking;
pub mod progress;
pub mod reopening;
pub mod settlement;
mod stage;
pub mod states;
pub mod tables;
pub mod topics;
mod with_stores;

use std::{
    env,
    future::Future,
    io::{self, Write},
    sync::Arc,
};

use pandaflow::{Offset, ports::Transport};

pub use self::{
    member::{Member, Notice, Task},
    stage::{Stage, effects, keyed},
    with_stores::WithStores,
};

/// A transport under test, empty when it is made.
pub trait Subject: 'static {
    /// The transport, the same one each time until it is reopened.
    fn transport(&self) -> Arc<dyn Transport>;

    /// Opens the same data anew, and lets go of the transport before, which is closed already. `false`, which is the
    /// default, if it keeps nothing.
    fn reopen(&mut self) -> bool {
        false
    }

    /// Where the transport's own format sets limits, which the checks keep to.
    fn limits(&self) -> Limits {
        Limits::default()
    }
}

/// What a transport can hold. The default: whatever the types can.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The last offset.
    pub last_offset: Offset,
    /// Whether a header's name need not be UTF-8.
    pub any_header_names: bool,
    /// Whether each offset has a record; if not, they rise all the same.
    pub dense_offsets: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { last_offset: Offset(u64::MAX), any_header_names: true, dense_offsets: true }
    }
}

/// Runs one check.
///
/// # Panics
/// If the transport doesn't keep the contract.
pub fn run<C, F>(check: C, subject: impl Subject)
where
    C: FnOnce(Stage) -> F,
    F: Future<Output = ()>,
{
    block_on(check(Stage::of(subject)));
}

/// Runs one check against a server, whose address the environment's `variable` holds. Without it the check is skipped, and
/// says so, also where the output of tests that pass is not shown.
///
/// # Panics
/// If the transport doesn't keep the contract.
pub fn run_on_server<C, F, S>(variable: &str, check: C, at: impl FnOnce(&str) -> S)
where
    C: FnOnce(Stage) -> F,
    F: Future<Output = ()>,
    S: Subject,
{
    match env::var(variable) {
        Ok(address) if !address.is_empty() => run(check, at(&address)),
        _ => {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            // A test's outcome does not depend on whether anybody reads this.
            let _ = writeln!(io::stderr(), "{test} is skipped: {variable} is not set; tests/run sets it");
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime for one thread can be built").block_on(future)
}

/// Runs all checks, one after the other.
///
/// # Panics
/// If the transport doesn't keep the contract.
pub fn run_all<S: Subject>(factory: impl Fn() -> S) {
    macro_rules! run {
        ($factory:expr; $($group:ident { $($check:ident)* })*) => {
            $($(
                println!("{}::{}", stringify!($group), stringify!($check));
                run($group::$check, $factory());
            )*)*
        };
    }
    crate::transport_contract_checks!(run, factory);
}

/// Makes one `#[test]` of each check of the contract; the argument makes a new [`Subject`] each time it is called.
#[macro_export]
macro_rules! transport_contract {
    ($factory:expr) => {
        $crate::transport_contract_checks!($crate::transport_contract_tests, $factory);
    };
}

/// One module of tests for each group of checks.
#[doc(hidden)]
#[macro_export]
macro_rules! transport_contract_tests {
    ($factory:expr; $($group:ident { $($check:ident)* })*) => {
        $(mod $group {
            #[allow(unused_imports, reason = "what makes the subject may name nothing from outside")]
            use super::*;
            $(
                #[test]
                fn $check() {
                    $crate::testkit::contract::run($crate::testkit::contract::$group::$check, ($factory)());
                }
            )*
        })*
    };
}

/// Makes one `#[test]` of each check of one group of the contract (`dedup` or `dead_letters`), for a store that has no
/// transport of its own. They run on the server whose address the environment's variable holds; the function makes a
/// new [`Subject`] of that address.
#[macro_export]
macro_rules! server_contract {
    ($group:ident, $variable:literal, $at:expr) => {
        $crate::transport_contract_checks!($crate::server_contract_tests, ($group, $variable, $at));
    };
}

/// Picks the group.
#[doc(hidden)]
#[macro_export]
macro_rules! server_contract_tests {
    ($how:tt; $($group:ident { $($check:ident)* })*) => {
        $( $crate::server_contract_group!($how; $group { $($check)* }); )*
    };
}

/// The tests of the group that was picked, and nothing for the others.
#[doc(hidden)]
#[macro_export]
macro_rules! server_contract_group {
    ((dedup, $variable:literal, $at:expr); dedup { $($check:ident)* }) => {
        $crate::server_contract_group!(@tests dedup, $variable, $at; $($check)*);
    };
    ((dead_letters, $variable:literal, $at:expr); dead_letters { $($check:ident)* }) => {
        $crate::server_contract_group!(@tests dead_letters, $variable, $at; $($check)*);
    };
    (@tests $group:ident, $variable:literal, $at:expr; $($check:ident)*) => {
        mod $group {
            #[allow(unused_imports, reason = "what makes the subject may name nothing from outside")]
            use super::*;
            $(
                #[test]
                fn $check() {
                    $crate::testkit::contract::run_on_server(
                        $variable,
                        $crate::testkit::contract::$group::$check,
                        $at,
                    );
                }
            )*
        }
    };
    ($($other:tt)*) => {};
}

/// The list of the checks.
#[doc(hidden)]
#[macro_export]
macro_rules! transport_contract_checks {
    ($then:path, $($factory:tt)*) => {
        $then! { $($factory)*;
            topics {
                a_created_topic_has_its_partitions
                creating_a_topic_again_keeps_what_it_holds
                subscribing_to_a_missing_topic_is_refused
                subscribing_to_unequally_partitioned_topics_is_refused
            }
            delivery {
                nothing_is_delivered_before_it_is_asked_for
                records_arrive_whole_and_in_order
                no_more_is_delivered_than_was_asked_for
                later_demand_goes_on_where_delivery_stopped
                demand_adds_up
                bytes_bound_a_delivery_but_for_one_record
                records_appended_later_are_delivered
                records_of_all_topics_come_with_their_input
                each_partition_comes_to_its_own_owner
                groups_read_independently
                tombstones_and_missing_keys_arrive_as_they_are
                demand_can_be_raised_from_within_a_delivery
            }
            settlement {
                outputs_lie_in_order_in_the_partition_of_their_key
                offsets_are_dense_from_zero
                a_refused_settlement_leaves_nothing_behind
                after_a_refusal_later_settlements_work
                an_unsettled_settlement_comes_back_whole
                settlements_become_real_in_the_order_of_the_calls
                an_empty_settlement_is_settled
            }
            progress {
                a_new_group_begins_at_the_start
                progress_comes_back_with_its_ranges
                progress_is_kept_per_group_partition_and_topic
                delivery_goes_on_from_the_progress
                the_ledger_comes_back
                ledgers_are_told_per_group
            }
            attempts {
                failed_attempts_come_back
                an_ended_event_has_no_attempts
                attempts_are_kept_per_partition
            }
            parking {
                parked_events_come_back_whole
                an_event_parked_again_takes_its_own_place_and_one_that_ended_is_gone
                parked_events_are_kept_per_partition
                a_replaced_owner_parks_and_ends_nothing
            }
            states {
                states_are_loaded_in_the_order_of_the_keys
                a_state_can_be_replaced_and_removed
                an_empty_state_is_not_a_missing_one
                a_scan_lists_all_partitions_by_key
                states_are_kept_per_group
            }
            dedup {
                an_id_is_fresh_once
                an_id_twice_in_one_claim_is_fresh_once
                others_are_told_until_when_a_claim_holds
                an_expired_claim_is_free
                a_released_claim_is_free
                a_settled_mark_makes_a_duplicate
                done_keeps_the_mark
                a_mark_expires
                a_mark_may_count_for_ever
                a_mark_counts_in_every_partition
                ids_are_kept_per_group
                a_fence_ends_claims_of_earlier_owners_only
                a_fenced_owner_marks_nothing
                an_earlier_owner_cannot_release_a_claim_of_a_later_one
            }
            fencing {
                epochs_rise
                an_earlier_owner_is_refused_and_leaves_nothing_behind
                an_owner_is_fenced_per_group_and_partition
                a_restarted_partition_starts_over_from_what_was_settled
                a_restarted_partition_delivers_nothing_to_its_earlier_owner
            }
            dead_letters {
                a_dead_letter_keeps_the_exact_bytes
                a_dead_letter_keeps_every_field
                they_are_listed_newest_first_up_to_the_limit
                filters_are_combined
                an_unknown_number_shows_nothing
            }
            tables {
                the_latest_record_of_a_key_is_found
                a_tombstone_is_found
                a_table_follows_its_topic
                a_missing_topic_is_no_table
            }
            lag {
                lag_is_what_is_not_settled
                lag_begins_with_the_subscription
                an_unknown_group_has_no_lag
            }
            closing {
                closing_gives_every_partition_back_and_waits
                a_draining_owner_may_settle_until_it_lets_go
                nothing_is_delivered_after_closing
                the_next_subscription_goes_on
            }
            reopening {
                everything_settled_is_there_after_reopening
                epochs_rise_over_reopening
                the_log_goes_on_after_reopening
            }
            load {
                a_big_value_arrives_whole
                ten_thousand_records_arrive_in_order
                owners_settle_at_once_from_several_threads
                a_chain_of_groups_passes_everything_on_once
            }
        }
    };
}
