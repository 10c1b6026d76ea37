//! Before a program starts: its topics are there and as declared, or it is said what is wrong.

use std::collections::BTreeMap;

use pandaflow::{
    TopicName,
    policy::topic_plan::{FoundTopic, TopicPlan, WantedTopic},
    settings::Settings,
};

use super::{Broker, BrokerError};
use crate::{PlanError, Program, plan::Plan};

/// Why a program can't use the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The program's declarations don't fit together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The brokers can't be asked.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Topics are not as they have to be: a sentence each.
    #[error("{}", faults.join("\n"))]
    Topics {
        /// All that is wrong.
        faults: Vec<String>,
    },
}

/// What was found of a program's topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicCheck {
    /// What has to change, and what can't.
    pub plan: TopicPlan,
    /// Everything that is wrong, a sentence each.
    pub problems: Vec<String>,
}

impl Broker {
    /// Looks at everything that a program needs of its topics: that they are there, with what they were declared with,
    /// dead letters and changelogs among them; that inputs of one processor have equally many partitions; that the
    /// program's user sees the topics and may use the groups. Whether it may write shows only when it does.
    ///
    /// # Errors
    /// The declarations don't fit together, or the broker did not answer.
    pub async fn check(&self, program: &Program) -> Result<TopicCheck, PrepareError> {
        let plan = program.plan()?;
        let wanted = self.wanted(program)?;
        let found = self.topics(&wanted).await?;
        let topics = TopicPlan::new(&wanted, &found);
        let mut problems: Vec<_> = topics.refusals.iter().map(ToString::to_string).collect();
        problems.extend(self.apart(&plan, &found));
        let missing: Vec<TopicName> = topics.missing().map(|topic| topic.name.clone()).collect();
        let hidden = self.hidden(&missing).await?;
        problems.extend(topics.missing().map(|topic| missing_or_hidden(topic, &hidden)));
        problems.extend(
            topics.alterations().map(|change| format!("{}: `topics apply` would {change}", change.topic())),
        );
        for processor in &plan.processors {
            let Some(input) = processor.inputs.first() else { continue };
            let group = self.called(processor.group.as_str());
            if !self.may_use_group(&group, &self.called(input)).await? {
                problems.push(format!(
                    "group {group}: the program's user may not use it: give it the right Read on groups, or look at \
                     KAFKA__SASL_USERNAME and KAFKA__GROUP_ID_PREFIX"
                ));
            }
        }
        Ok(TopicCheck { plan: topics, problems })
    }

    /// Gets the topics ready for a start: makes those that are missing, if KAFKA__CREATE_TOPICS says so, and changes none
    /// that are there. Gives what `topics apply` would change, a sentence each.
    ///
    /// # Errors
    /// The broker did not answer; a topic is missing or is not as it has to be; all of that together.
    pub async fn prepare(&self, program: &Program, settings: &Settings) -> Result<Vec<String>, PrepareError> {
        let wanted = self.wanted(program)?;
        let found = self.topics(&wanted).await?;
        let topics = TopicPlan::new(&wanted, &found);
        let mut faults: Vec<_> = topics.refusals.iter().map(ToString::to_string).collect();
        if settings.kafka.create_topics && faults.is_empty() {
            let missing: Vec<_> =
                topics.missing().cloned().map(pandaflow::policy::topic_plan::Change::Create).collect();
            faults.extend(self.apply(&missing).await?);
        } else {
            let missing: Vec<TopicName> = topics.missing().map(|topic| topic.name.clone()).collect();
            let hidden = self.hidden(&missing).await?;
            faults.extend(topics.missing().map(|topic| missing_or_hidden(topic, &hidden)));
        }
        if !faults.is_empty() {
            return Err(PrepareError::Topics { faults });
        }
        Ok(topics
            .alterations()
            .map(|change| format!("{}: `topics apply` would {change}", change.topic()))
            .collect())
    }

    /// Processors whose inputs have unequally many partitions on the broker.
    fn apart(&self, plan: &Plan, found: &[FoundTopic]) -> Vec<String> {
        let partitions: BTreeMap<_, _> = found.iter().map(|topic| (&topic.name, topic.partitions)).collect();
        let mut problems = Vec::new();
        for processor in &plan.processors {
            let inputs = processor.inputs.iter().map(|input| self.called(input));
            let there: Vec<_> =
                inputs.filter_map(|name| Some((partitions.get(&name).copied()?, name))).collect();
            if there.windows(2).any(|pair| pair[0].0 != pair[1].0) {
                let inputs: Vec<_> =
                    there.iter().map(|(count, name)| format!("{name} has {count}")).collect();
                problems.push(format!(
                    "the inputs of {} in {} must have equally many partitions, as events of one key must meet: {}",
                    processor.name,
                    processor.namespace,
                    inputs.join(", ")
                ));
            }
        }
        problems
    }
}

fn missing_or_hidden(topic: &WantedTopic, hidden: &[TopicName]) -> String {
    let (name, purpose) = (&topic.name, topic.purpose);
    if hidden.contains(name) {
        format!(
            "{name} ({purpose}) is hidden: give the program's user the right Describe on it, or look at KAFKA__SASL_USERNAME"
        )
    } else {
        format!(
            "{name} ({purpose}) is missing: `topics apply` makes it, as does a start with KAFKA__CREATE_TOPICS=true"
        )
    }
}
