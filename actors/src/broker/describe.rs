//! Topics as a broker has them.

use std::{collections::BTreeMap, time::Duration};

use pandaflow::{
    TopicName,
    policy::topic_plan::{Cleanup, FoundTopic, WantedTopic},
};
use rdkafka::{
    admin::{ConfigResource, ConfigSource, OwnedResourceSpecifier, ResourceSpecifier},
    metadata::Metadata,
};

use super::{Broker, BrokerError};

/// The settings of a topic that were set on the topic itself.
pub(super) type Overrides = BTreeMap<String, String>;

/// The wanted topics that are there.
pub(super) async fn topics(
    broker: &Broker,
    metadata: &Metadata,
    wanted: &[WantedTopic],
) -> Result<Vec<FoundTopic>, BrokerError> {
    let there: BTreeMap<&str, u32> = metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(|topic| (topic.name(), u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX)))
        .collect();
    let found: Vec<_> =
        wanted.iter().map(|topic| &topic.name).filter(|name| there.contains_key(name.as_str())).collect();
    let described = described(broker, &found).await?;
    found
        .into_iter()
        .map(|name| {
            let resource = described.get(name.as_str());
            let resource = resource.filter(|resource| !resource.entries.is_empty()).ok_or_else(|| {
                BrokerError::Refused(format!(
                    "the broker does not tell the settings of {name}: give the program's user the right DescribeConfigs on \
                     topics, or look at KAFKA__SASL_USERNAME"
                ))
            })?;
            topic(name, there[name.as_str()], resource)
        })
        .collect()
}

/// What was set on a topic itself.
pub(super) async fn overrides(
    broker: &Broker,
    names: &[&TopicName],
) -> Result<BTreeMap<String, Overrides>, BrokerError> {
    let described = described(broker, names).await?;
    let own = |resource: ConfigResource| {
        let own = resource.entries.into_iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        own.filter_map(|entry| entry.value.map(|value| (entry.name, value))).collect()
    };
    Ok(described.into_iter().map(|(name, resource)| (name, own(resource))).collect())
}

async fn described(
    broker: &Broker,
    names: &[&TopicName],
) -> Result<BTreeMap<String, ConfigResource>, BrokerError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let what = "the settings of topics can't be read";
    let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let answer = broker.admin.describe_configs(&resources, &broker.options()).await;
    let answer = answer.map_err(|error| broker.failed(what, &error))?;
    let mut described = BTreeMap::new();
    for resource in answer {
        let resource = resource.map_err(|code| broker.refused(what, code))?;
        if let OwnedResourceSpecifier::Topic(name) = &resource.specifier {
            described.insert(name.clone(), resource);
        }
    }
    Ok(described)
}

fn topic(name: &TopicName, partitions: u32, resource: &ConfigResource) -> Result<FoundTopic, BrokerError> {
    let value = |setting: &str| {
        let entry = resource.get(setting).and_then(|entry| entry.value.as_deref());
        entry.ok_or_else(|| {
            BrokerError::Refused(format!(
                "the broker does not tell {setting} of {name}: it is older than Kafka 2.4"
            ))
        })
    };
    let number = |setting: &str| {
        let text = value(setting)?;
        let unknown = || {
            BrokerError::Refused(format!("the broker says {setting}={text:?} of {name}, which is no number"))
        };
        text.parse::<i64>().map(|number| u64::try_from(number).ok()).map_err(|_| unknown())
    };
    let cleanup = value("cleanup.policy")?;
    Ok(FoundTopic {
        name: name.clone(),
        partitions,
        cleanup: Cleanup::parse(cleanup).map_err(|why| BrokerError::Refused(format!("{name}: {why}")))?,
        // Below zero is without a limit.
        retention: number("retention.ms")?.map(Duration::from_millis),
        retention_bytes: number("retention.bytes")?,
        compaction_lag: number("min.compaction.lag.ms")?.map_or(Duration::ZERO, Duration::from_millis),
        max_record: number("max.message.bytes")?.unwrap_or(0),
    })
}
