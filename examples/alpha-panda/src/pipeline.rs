//! The pipeline: market.ticks → strategies → risk → execution → portfolio, and the topics between them.

mod execution;
mod portfolio;
mod risk;
mod rules;
mod strategies;

use pandaflow::{
    Namespace, TopicSpec,
    settings::Settings,
    trading::{self, NamespaceKind},
};
use pandaflow_actors::Program;

pub use self::{
    execution::{Execution, OrderCounts},
    portfolio::{Book, Portfolio},
    risk::RiskManager,
    rules::{Rules, RulesError},
    strategies::StrategyRunner,
};

/// The domain whose topics all namespaces share.
pub const SHARED_DOMAIN: &str = "market";
/// The namespaces that the pipeline can run in.
pub const NAMESPACES: [&str; 2] = ["paper", "zerodha"];

/// The pipeline in some namespaces.
///
/// # Errors
/// The rules can't be made from the settings.
pub fn program(settings: &Settings, namespaces: &[Namespace]) -> Result<Program, RulesError> {
    let rules = Rules::new(settings)?;
    // A topic has one retention; where both kinds of namespace run, the longer one holds.
    let kind = if namespaces.iter().any(|namespace| namespace.as_str() != "paper") {
        NamespaceKind::Live
    } else {
        NamespaceKind::Paper
    };
    let mut program = Program::new().shared_domain(SHARED_DOMAIN);
    for topic in trading::topics() {
        let spec = TopicSpec::new(topic.name).partitions(topic.partitions).retention(topic.retention(kind));
        program = program.topic(spec);
    }
    let (risk, execution, portfolio) = (rules.clone(), rules.clone(), rules);
    program = program
        .processor(StrategyRunner::default)
        .processor(move || RiskManager::new(risk.clone()))
        .processor(move || Execution::new(execution.clone()))
        .processor(move || Portfolio::new(portfolio.clone()));
    Ok(namespaces.iter().cloned().fold(program, Program::namespace))
}
