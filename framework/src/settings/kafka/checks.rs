//! Settings of KAFKA that are at odds with each other.

use super::{GroupProtocol, Kafka};
use crate::settings::{section::Checks, value::Value};

/// Refuses them, each with what would be right.
pub(super) fn fit(kafka: &Kafka, checks: &mut Checks) {
    if kafka.bootstrap_servers.is_empty() {
        checks.refuse("bootstrap_servers", "empty; name at least one broker, for example localhost:9092");
    }
    names(kafka, checks);
    sasl(kafka, checks);
    tls(kafka, checks);
    group(kafka, checks);
    transactions(kafka, checks);
}

/// What the broker takes as a name.
fn names(kafka: &Kafka, checks: &mut Checks) {
    let fits = |text: &str| {
        let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        !text.is_empty() && text.len() <= 100 && letters
    };
    let why = "must be 1 to 100 letters, digits, '-', '.' and '_'";
    for (field, text) in [
        ("client_id", Some(&kafka.client_id)),
        ("group_id_prefix", Some(&kafka.group_id_prefix)),
        ("prefix", kafka.prefix.as_ref()),
        ("instance_id", kafka.instance_id.as_ref()),
    ] {
        if text.is_some_and(|text| !fits(text)) {
            checks.refuse(field, why);
        }
    }
}

fn sasl(kafka: &Kafka, checks: &mut Checks) {
    let protocol = kafka.security_protocol;
    let (mechanism, username) = (kafka.sasl_mechanism.is_some(), kafka.sasl_username.is_some());
    let password = !kafka.sasl_password.is_empty();
    let given = [("sasl_mechanism", mechanism), ("sasl_username", username), ("sasl_password", password)];
    if !protocol.uses_sasl() {
        let why = format!(
            "not used with KAFKA__SECURITY_PROTOCOL={protocol}; write sasl_ssl or sasl_plaintext there, or leave this empty"
        );
        for (field, _) in given.iter().filter(|(_, given)| *given) {
            checks.refuse(field, why.clone());
        }
    }
    if protocol.uses_sasl() && !mechanism {
        let why = format!(
            "KAFKA__SECURITY_PROTOCOL={protocol} needs one; write {}",
            <super::SaslMechanism as Value>::expected()
        );
        checks.refuse("sasl_mechanism", why);
    }
    if password && !mechanism && !protocol.uses_sasl() {
        checks
            .refuse("sasl_password", "needs KAFKA__SASL_MECHANISM, which is empty; write PLAIN, for example");
    }
    if protocol.uses_sasl() && !username {
        checks.refuse(
            "sasl_username",
            format!("KAFKA__SECURITY_PROTOCOL={protocol} needs a name; write the program's"),
        );
    }
    if protocol.uses_sasl() && !password {
        checks.refuse(
            "sasl_password",
            format!("KAFKA__SECURITY_PROTOCOL={protocol} needs a password; write the program's"),
        );
    }
}

fn tls(kafka: &Kafka, checks: &mut Checks) {
    let protocol = kafka.security_protocol;
    let (certificate, key) = (kafka.ssl_certificate_location.is_some(), kafka.ssl_key_location.is_some());
    let password = !kafka.ssl_key_password.is_empty();
    if !protocol.uses_tls() {
        let why = format!(
            "not used with KAFKA__SECURITY_PROTOCOL={protocol}; write ssl or sasl_ssl there, or leave this empty"
        );
        for (field, given) in [
            ("ssl_ca_location", kafka.ssl_ca_location.is_some()),
            ("ssl_certificate_location", certificate),
            ("ssl_key_location", key),
            ("ssl_key_password", password),
        ] {
            if given {
                checks.refuse(field, why.clone());
            }
        }
    }
    if certificate && !key {
        checks.refuse(
            "ssl_key_location",
            "KAFKA__SSL_CERTIFICATE_LOCATION needs its key; write the file with it",
        );
    }
    if key && !certificate {
        checks.refuse(
            "ssl_certificate_location",
            "KAFKA__SSL_KEY_LOCATION needs its certificate; write the file with it",
        );
    }
    if password && !key {
        checks.refuse("ssl_key_password", "needs KAFKA__SSL_KEY_LOCATION, which is empty");
    }
}

fn group(kafka: &Kafka, checks: &mut Checks) {
    if kafka.group_protocol == GroupProtocol::Consumer {
        for (field, given) in [
            ("session_timeout", kafka.session_timeout.is_some()),
            ("heartbeat_interval", kafka.heartbeat_interval.is_some()),
        ] {
            if given {
                checks.refuse(
                    field,
                    "the broker says it with KAFKA__GROUP_PROTOCOL=consumer (its group.consumer.*); leave this empty",
                );
            }
        }
        return;
    }
    let session = kafka.session_timeout.unwrap_or(Kafka::DEFAULT_SESSION_TIMEOUT);
    if kafka.heartbeat_interval.is_some_and(|heartbeat| heartbeat > session / 3) {
        let why = format!(
            "must not be longer than a third of KAFKA__SESSION_TIMEOUT, which is {}: one heartbeat that is lost must \
             not end the membership",
            session.show()
        );
        checks.refuse("heartbeat_interval", why);
    }
    if session > kafka.max_poll_interval {
        let max = kafka.max_poll_interval.show();
        let why = format!("must not be longer than KAFKA__MAX_POLL_INTERVAL, which is {max}");
        checks.refuse(
            if kafka.session_timeout.is_some() { "session_timeout" } else { "max_poll_interval" },
            why,
        );
    }
}

/// Half of the time is for making what was gathered real.
fn transactions(kafka: &Kafka, checks: &mut Checks) {
    if kafka.commit_interval > kafka.transaction_timeout / 2 {
        let timeout = kafka.transaction_timeout.show();
        let why = format!("must not be longer than half of KAFKA__TRANSACTION_TIMEOUT, which is {timeout}");
        checks.refuse("commit_interval", why);
    }
}
