//! Which settings reach a client, and which don't.

use super::*;

fn settings(variables: &[(&str, &str)]) -> Settings {
    Settings::load(variables.iter().copied(), "").unwrap()
}

#[test]
fn every_property_that_can_be_passed_through_is_one_that_librdkafka_has() {
    for (name, _) in KafkaProperties::names() {
        let set = ClientConfig::new().set(name, "1").create_native_config();
        // The value may not be one of those that it takes; a name that is not known is another error.
        if let Err(error) = set.map(drop) {
            assert!(!error.to_string().contains("No such configuration"), "{error}");
        }
    }
    let unknown = ClientConfig::new().set("fetch.mn.bytes", "1").create_native_config().map(drop);
    assert!(unknown.unwrap_err().to_string().contains("No such configuration"));
}

#[test]
fn a_client_is_told_who_the_program_is_and_what_was_passed_through() {
    let settings = settings(&[
        ("KAFKA__BOOTSTRAP_SERVERS", "a:1,b:2"),
        ("KAFKA__SECURITY_PROTOCOL", "sasl_plaintext"),
        ("KAFKA__SASL_MECHANISM", "PLAIN"),
        ("KAFKA__SASL_USERNAME", "panda"),
        ("KAFKA__SASL_PASSWORD", "bamboo"),
        ("KAFKA__PROPERTY__FETCH_MIN_BYTES", "7"),
        ("KAFKA__PROPERTY__SOCKET_TIMEOUT_MS", "7000"),
    ]);
    let consumer = consumer_config(&settings).unwrap();
    for (name, value) in [
        ("bootstrap.servers", "a:1,b:2"),
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "panda"),
        ("sasl.password", "bamboo"),
        ("fetch.min.bytes", "7"),
        ("socket.timeout.ms", "7000"),
    ] {
        assert_eq!(consumer.get(name), Some(value), "{name}");
    }
    assert_eq!(consumer.get("ssl.key.password"), None);
    assert_eq!(producer_config(&settings).unwrap().get("fetch.min.bytes"), None);
    assert_eq!(admin_config(&settings).unwrap().get("socket.timeout.ms"), Some("7000"));
}

#[test]
fn values_that_librdkafka_does_not_take_are_listed_together_and_secrets_hidden() {
    let error = consumer_config(&settings(&[
        ("KAFKA__PROPERTY__FETCH_MIN_BYTES", "many"),
        ("KAFKA__PROPERTY__SOCKET_TIMEOUT_MS", "-5"),
        ("KAFKA__PROPERTY__CHECK_CRCS", "maybe"),
    ]))
    .unwrap_err()
    .to_string();
    let told: Vec<_> = error.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        told,
        [
            "KAFKA__PROPERTY__CHECK_CRCS = \"maybe\"",
            "KAFKA__PROPERTY__FETCH_MIN_BYTES = \"many\"",
            "KAFKA__PROPERTY__SOCKET_TIMEOUT_MS = \"-5\""
        ],
        "{error}"
    );
}

#[cfg(not(feature = "kafka-tls"))]
#[test]
fn what_needs_tls_says_how_to_build_the_program() {
    for (variables, told) in [
        (&[("KAFKA__SECURITY_PROTOCOL", "ssl")][..], "KAFKA__SECURITY_PROTOCOL = \"ssl\": needs TLS"),
        (
            &[
                ("KAFKA__SECURITY_PROTOCOL", "sasl_plaintext"),
                ("KAFKA__SASL_MECHANISM", "SCRAM-SHA-256"),
                ("KAFKA__SASL_USERNAME", "panda"),
                ("KAFKA__SASL_PASSWORD", "bamboo"),
            ],
            "KAFKA__SASL_MECHANISM = \"SCRAM-SHA-256\": needs TLS",
        ),
    ] {
        let error = admin_config(&settings(variables)).unwrap_err().to_string();
        assert!(error.starts_with(told) && error.ends_with("--features kafka-tls"), "{error}");
    }
}
