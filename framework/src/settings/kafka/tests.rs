//! What KAFKA refuses, in words, and what it takes.

use std::time::Duration;

use super::*;
use crate::settings::Settings;

fn errors_of(variables: &[(&str, &str)]) -> String {
    match Settings::load(variables.iter().copied(), "") {
        Ok(_) => String::new(),
        Err(errors) => errors.to_string(),
    }
}

/// Name and password as `sasl_plaintext` needs them.
const SASL: [(&str, &str); 4] = [
    ("KAFKA__SECURITY_PROTOCOL", "sasl_plaintext"),
    ("KAFKA__SASL_MECHANISM", "PLAIN"),
    ("KAFKA__SASL_USERNAME", "panda"),
    ("KAFKA__SASL_PASSWORD", "hunter2"),
];

#[test]
fn the_defaults_are_those_of_a_broker_on_this_machine() {
    let kafka = Settings::default().kafka;
    assert_eq!(kafka.brokers(), "localhost:9092");
    assert_eq!(kafka.session(), Some((Duration::from_secs(30), Duration::from_secs(10))));
    assert_eq!(kafka.guarantee, Guarantee::AtLeastOnce);
    let times = (kafka.commit_interval, kafka.transaction_timeout);
    assert_eq!(times, (Duration::from_millis(100), Duration::from_secs(10)));
    assert_eq!((kafka.checkpoint_dir, kafka.checkpoint_interval), (None, Duration::from_secs(60)));
    assert_eq!((kafka.security_protocol, kafka.sasl_mechanism), (SecurityProtocol::Plaintext, None));
}

#[test]
fn a_bad_value_of_kafka_is_told_with_what_would_be_right() {
    for (name, value, told) in [
        (
            "KAFKA__BOOTSTRAP_SERVERS",
            "localhost",
            "item 1 is without a port; write a comma-separated list, each item a host and a port such as kafka-1:9092",
        ),
        ("KAFKA__BOOTSTRAP_SERVERS", "", "empty; name at least one broker, for example localhost:9092"),
        (
            "KAFKA__SECURITY_PROTOCOL",
            "SSL",
            "none of the words; write plaintext, ssl, sasl_plaintext or sasl_ssl",
        ),
        (
            "KAFKA__SASL_USERNAME",
            "panda",
            "not used with KAFKA__SECURITY_PROTOCOL=plaintext; write sasl_ssl or sasl_plaintext there, or leave this \
             empty",
        ),
        (
            "KAFKA__SSL_CA_LOCATION",
            "/ca.pem",
            "not used with KAFKA__SECURITY_PROTOCOL=plaintext; write ssl or sasl_ssl there, or leave this empty",
        ),
        (
            "KAFKA__HEARTBEAT_INTERVAL",
            "11s",
            "must not be longer than a third of KAFKA__SESSION_TIMEOUT, which is 30s: one heartbeat that is lost must not \
             end the membership",
        ),
        ("KAFKA__SESSION_TIMEOUT", "10m", "must not be longer than KAFKA__MAX_POLL_INTERVAL, which is 5m"),
        ("KAFKA__GROUP_ID_PREFIX", "a b", "must be 1 to 100 letters, digits, '-', '.' and '_'"),
        ("KAFKA__CLIENT_ID", "", "must be 1 to 100 letters, digits, '-', '.' and '_'"),
        ("KAFKA__TIMEOUT", "1h", "must be from 100ms to 5m"),
        ("KAFKA__REPLICATION_FACTOR", "0", "must be from 1 to 100"),
        ("KAFKA__GUARANTEE", "exactly_once", "none of the words; write at-least-once or exactly-once"),
        ("KAFKA__COMMIT_INTERVAL", "0s", "must be from 1ms to 10s"),
        (
            "KAFKA__COMMIT_INTERVAL",
            "6s",
            "must not be longer than half of KAFKA__TRANSACTION_TIMEOUT, which is 10s",
        ),
        ("KAFKA__TRANSACTION_TIMEOUT", "1h", "must be from 1s to 15m"),
    ] {
        assert_eq!(errors_of(&[(name, value)]), format!("{name} = {value:?}: {told}"));
    }
}

#[test]
fn settings_that_are_at_odds_are_listed_together_with_all_others() {
    let errors = errors_of(&[
        ("KAFKA__GROUP_PROTOCOL", "consumer"),
        ("KAFKA__SESSION_TIMEOUT", "30s"),
        ("KAFKA__HEARTBEAT_INTERVAL", "1s"),
        ("KAFKA__SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA__SASL_PASSWORD", "hunter2"),
        ("KAFKA__SSL_CERTIFICATE_LOCATION", "/me.pem"),
        ("KAFKA__PROPERTY__ACKS", "1"),
        ("RUNTIME__ARBITERS", "0"),
    ]);
    let told: Vec<_> = errors.lines().map(|line| line.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(
        told,
        [
            "KAFKA__HEARTBEAT_INTERVAL",
            "KAFKA__PROPERTY__ACKS",
            "KAFKA__SASL_MECHANISM",
            "KAFKA__SASL_USERNAME",
            "KAFKA__SESSION_TIMEOUT",
            "KAFKA__SSL_KEY_LOCATION",
            "RUNTIME__ARBITERS"
        ],
        "{errors}"
    );
    assert!(!errors.contains("hunter2"), "{errors}");
}

#[test]
fn a_password_without_a_mechanism_is_told_both_that_it_needs() {
    let errors = errors_of(&[("KAFKA__SASL_PASSWORD", "hunter2")]);
    assert_eq!(
        errors,
        "KAFKA__SASL_PASSWORD = \"***\": needs KAFKA__SASL_MECHANISM, which is empty; write PLAIN, for example\n\
         KAFKA__SASL_PASSWORD = \"***\": not used with KAFKA__SECURITY_PROTOCOL=plaintext; write sasl_ssl or \
         sasl_plaintext there, or leave this empty"
    );
}

#[test]
fn no_secret_of_kafka_is_ever_shown() {
    let mut variables = SASL.to_vec();
    variables.push(("KAFKA__PROPERTY__SSL_KEYSTORE_PASSWORD", "hunter2"));
    variables.push(("KAFKA__PROPERTY__SSL_KEY_PEM", "-- hunter2 --"));
    let settings = Settings::load(variables, "").unwrap();
    assert_eq!(settings.kafka.sasl_password.reveal(), "hunter2");
    let shown = format!("{settings:?}{}", settings.print());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("# KAFKA__PROPERTY__SSL_KEY_PEM=***"), "{shown}");
    let passed: Vec<_> = settings.kafka_properties.of_all().collect();
    assert_eq!(passed, [("ssl.key.pem", "-- hunter2 --"), ("ssl.keystore.password", "hunter2")]);
    for (name, value) in [
        ("KAFKA__PROPERTY__SASL_PASSWORD", "hunter2"),
        ("KAFKA__PROPERTY__SASL_OAUTHBEARER_CLIENT_SECRET", "hunter2"),
        ("KAFKA__BOOTSTRAP_SERVERS", "panda:hunter2@kafka:9092"),
    ] {
        let errors = errors_of(&[(name, value)]);
        assert!(errors.starts_with(name) && !errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn with_the_consumer_protocol_the_broker_says_the_times() {
    let settings = Settings::load([("KAFKA__GROUP_PROTOCOL", "consumer")], "").unwrap();
    assert_eq!(settings.kafka.session(), None);
}

#[test]
fn a_property_of_librdkafka_is_passed_to_those_that_take_it() {
    let settings = Settings::load(
        [
            ("KAFKA__PROPERTY__FETCH_MIN_BYTES", "1024"),
            ("KAFKA__PROPERTY__BATCH_SIZE", " 4096 "),
            ("KAFKA__PROPERTY__SOCKET_TIMEOUT_MS", "5000"),
            ("KAFKA__PROPERTY__LOG_LEVEL", "5"),
        ],
        "",
    )
    .unwrap();
    let properties = &settings.kafka_properties;
    let names = |all: Vec<(&'static str, &str)>| all.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(properties.of_consumers().collect()),
        ["fetch.min.bytes", "log_level", "socket.timeout.ms"]
    );
    assert_eq!(names(properties.of_producers().collect()), ["batch.size", "log_level", "socket.timeout.ms"]);
    assert_eq!(names(properties.of_all().collect()), ["log_level", "socket.timeout.ms"]);
    assert!(settings.print().contains("KAFKA__PROPERTY__BATCH_SIZE=4096"));
    assert!(!settings.print().contains("KAFKA__PROPERTY__RETRIES"), "what nobody set is not listed");
}

#[test]
fn a_property_that_breaks_a_promise_is_refused_with_the_reason() {
    for (name, told) in [
        ("ENABLE_AUTO_COMMIT", "can't be set: an offset is committed once everything before it is settled"),
        (
            "ENABLE_AUTO_OFFSET_STORE",
            "can't be set: an offset is committed once everything before it is settled",
        ),
        ("ISOLATION_LEVEL", "can't be set: what a transaction has not committed may never have happened"),
        ("ACKS", "can't be set: an output counts as written once all replicas"),
        ("REQUEST_REQUIRED_ACKS", "can't be set: an output counts as written once all replicas"),
        ("ENABLE_IDEMPOTENCE", "can't be set: without it a record that is sent again"),
        ("PLUGIN_LIBRARY_PATHS", "can't be set: it loads code"),
        ("SSL_ENGINE_LOCATION", "can't be set: it loads code"),
        ("SASL_KERBEROS_KINIT_CMD", "can't be set: Kerberos is not built in"),
        ("TRANSACTIONAL_ID", "can't be set: it is made of the group and its member or partition"),
        ("GROUP_ID", "can't be set: it is made of KAFKA__GROUP_ID_PREFIX"),
        ("PARTITION_ASSIGNMENT_STRATEGY", "can't be set: partition n of all inputs"),
        ("AUTO_OFFSET_RESET", "can't be set: a group that has not committed begins with the first record"),
        ("PARTITIONER", "can't be set: the partition of a key is the same"),
        ("SESSION_TIMEOUT_MS", "has a setting of its own: KAFKA__SESSION_TIMEOUT"),
        ("BOOTSTRAP_SERVERS", "has a setting of its own: KAFKA__BOOTSTRAP_SERVERS"),
    ] {
        let variable = format!("KAFKA__PROPERTY__{name}");
        let errors = errors_of(&[(&variable, "1")]);
        assert!(errors.starts_with(&format!("{variable} = \"1\": {told}")), "{errors}");
    }
    let empty = errors_of(&[("KAFKA__PROPERTY__DEBUG", "")]);
    assert_eq!(empty, "KAFKA__PROPERTY__DEBUG = \"\": empty; write a value, or take the variable away");
}

#[test]
fn a_misspelt_property_is_told_the_nearest_that_librdkafka_has() {
    for (name, told) in [
        (
            "KAFKA__PROPERTY__FETCH_MN_BYTES",
            "no such setting; did you mean KAFKA__PROPERTY__FETCH_MIN_BYTES?",
        ),
        (
            "KAFKA__PROPERTY__FETCH.MIN.BYTES",
            "no such setting; did you mean KAFKA__PROPERTY__FETCH_MIN_BYTES?",
        ),
        ("KAFKA__FETCH_MIN_BYTES", "no such setting; did you mean KAFKA__PROPERTY__FETCH_MIN_BYTES?"),
        ("KAFKA__BOOTSTRAP_SERVER", "no such setting; did you mean KAFKA__BOOTSTRAP_SERVERS?"),
        ("KAFAK__CLIENT_ID", "no such section; did you mean KAFKA__CLIENT_ID?"),
    ] {
        assert_eq!(errors_of(&[(name, "1")]), format!("{name}: {told}"));
    }
    let none = errors_of(&[("KAFKA__QQQQQQQQ", "1")]);
    assert!(
        none.starts_with("KAFKA__QQQQQQQQ: no such setting; KAFKA has KAFKA__BOOTSTRAP_SERVERS, "),
        "{none}"
    );
    assert!(!none.contains("KAFKA__PROPERTY__"), "{none}");
}
