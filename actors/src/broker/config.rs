//! The settings of KAFKA as a client takes them.

use std::collections::BTreeMap;

use pandaflow::settings::{
    Kafka, KafkaProperties, Problem, SaslMechanism, SecurityProtocol, Settings, SettingsErrors,
};
use rdkafka::ClientConfig;

use super::BrokerError;

/// What every client is told, and the properties that were passed through for consumers.
///
/// # Errors
/// The program was built without what the settings need, or librdkafka does not take a property's value.
pub fn consumer_config(settings: &Settings) -> Result<ClientConfig, BrokerError> {
    config(settings, settings.kafka_properties.of_consumers())
}

/// What every client is told, and the properties that were passed through for producers.
///
/// # Errors
/// As [`consumer_config`].
pub fn producer_config(settings: &Settings) -> Result<ClientConfig, BrokerError> {
    config(settings, settings.kafka_properties.of_producers())
}

/// What every client is told, and the properties that were passed through for all.
///
/// # Errors
/// As [`consumer_config`].
pub fn admin_config(settings: &Settings) -> Result<ClientConfig, BrokerError> {
    config(settings, settings.kafka_properties.of_all())
}

/// What [`admin_config`] is made of. A `ClientConfig` gives its secrets back to nobody, so it can't be made of another.
pub(crate) fn client_properties(settings: &Settings) -> Result<BTreeMap<String, String>, BrokerError> {
    properties(settings, settings.kafka_properties.of_all())
}

fn config<'a>(
    settings: &Settings,
    passed: impl Iterator<Item = (&'static str, &'a str)>,
) -> Result<ClientConfig, BrokerError> {
    let mut config = ClientConfig::new();
    config.extend(properties(settings, passed)?);
    Ok(config)
}

fn properties<'a>(
    settings: &Settings,
    passed_through: impl Iterator<Item = (&'static str, &'a str)>,
) -> Result<BTreeMap<String, String>, BrokerError> {
    let kafka = &settings.kafka;
    // Those of all clients, so that whichever is made first tells everything.
    let passed = settings.kafka_properties.of_consumers().chain(settings.kafka_properties.of_producers());
    let problems: Vec<_> = not_built_in(kafka).into_iter().chain(passed.filter_map(not_taken)).collect();
    if !problems.is_empty() {
        return Err(BrokerError::Settings(SettingsErrors::new(problems)));
    }
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let all = [
        ("bootstrap.servers", Some(kafka.brokers())),
        ("client.id", Some(kafka.client_id.clone())),
        ("security.protocol", Some(kafka.security_protocol.as_str().to_owned())),
        // What is missing is said to be missing, and not made with whatever the broker's defaults are.
        ("allow.auto.create.topics", Some("false".to_owned())),
        ("sasl.mechanism", kafka.sasl_mechanism.map(|mechanism| mechanism.as_str().to_owned())),
        ("sasl.username", kafka.sasl_username.clone()),
        ("sasl.password", secret(kafka.sasl_password.reveal())),
        ("ssl.ca.location", kafka.ssl_ca_location.as_ref().map(path)),
        ("ssl.certificate.location", kafka.ssl_certificate_location.as_ref().map(path)),
        ("ssl.key.location", kafka.ssl_key_location.as_ref().map(path)),
        ("ssl.key.password", secret(kafka.ssl_key_password.reveal())),
    ];
    let set = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let passed_through = passed_through.map(|(name, value)| (name, value.to_owned()));
    Ok(set.chain(passed_through).map(|(name, value)| (name.to_owned(), value)).collect())
}

fn secret(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Settings that need a feature which this program was built without.
fn not_built_in(kafka: &Kafka) -> Option<Problem> {
    const HOW: &str = "needs TLS, which this program was built without; build it with --features kafka-tls";
    if cfg!(feature = "kafka-tls") {
        return None;
    }
    match (kafka.security_protocol, kafka.sasl_mechanism) {
        (protocol @ (SecurityProtocol::Ssl | SecurityProtocol::SaslSsl), _) => {
            Some(Problem::new("KAFKA__SECURITY_PROTOCOL", HOW).with_value(protocol.as_str()))
        }
        (_, Some(mechanism @ (SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512))) => {
            Some(Problem::new("KAFKA__SASL_MECHANISM", HOW).with_value(mechanism.as_str()))
        }
        _ => None,
    }
}

/// A property whose value librdkafka does not take, alone.
fn not_taken((name, value): (&'static str, &str)) -> Option<Problem> {
    let mut alone = ClientConfig::new();
    alone.set(name, value);
    let Err(error) = alone.create_native_config() else { return None };
    let variable = KafkaProperties::variable(name);
    if KafkaProperties::is_secret(name) {
        return Some(Problem::new(variable, "librdkafka does not take this value").with_value("***"));
    }
    let why = match error {
        rdkafka::error::KafkaError::ClientConfig(_, why, ..) => why,
        other => other.to_string(),
    };
    Some(Problem::new(variable, format!("librdkafka does not take this value: {why}")).with_value(value))
}

#[cfg(test)]
mod tests;
