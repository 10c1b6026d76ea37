//! Settings without a section.

use crate::Namespace;

use super::{Level, section::Checks};

crate::choice! {
    /// Where the program runs. Written into every log line as `environment`.
    pub enum Environment {
        /// On a developer's machine.
        Development = "development",
        /// Under test.
        Testing = "testing",
        /// In earnest.
        Production = "production",
    }
}

crate::section! {
    /// Settings without a section.
    pub struct Root("", check = each_broker_once) {
        /// The brokers to run for, each in a namespace of its own that carries its name.
        pub active_brokers: Vec<Namespace> = "paper",
        /// Where the program runs.
        pub environment: Environment = "development",
        /// The level of all that is logged; `LOGGING__LEVEL`, where it is set, goes before it.
        pub log_level: Level = "info",
    }
}

fn each_broker_once(root: &Root, checks: &mut Checks) {
    let brokers = &root.active_brokers;
    if brokers.is_empty() {
        checks.refuse("active_brokers", "empty; name at least one, for example paper");
    }
    for (i, broker) in brokers.iter().enumerate() {
        if brokers[..i].contains(broker) {
            checks.refuse("active_brokers", format!("names {broker} twice; name it once"));
        }
    }
}
