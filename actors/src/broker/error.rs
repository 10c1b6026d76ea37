//! What goes wrong with brokers, each told with the setting to look at.

use std::time::Duration;

use pandaflow::settings::{SettingsErrors, Value};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why the brokers could not be asked, or did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Settings that this program or its client can't use.
    #[error(transparent)]
    Settings(SettingsErrors),
    /// The client could not be made.
    #[error("the Kafka client can't be made: {0}; look at the settings of KAFKA")]
    Client(String),
    /// No broker has answered, or one has turned the program away.
    #[error("{setting}: {what}")]
    Reach {
        /// The setting to look at.
        setting: &'static str,
        /// What happened, and what would be right.
        what: String,
    },
    /// A broker has answered that it won't.
    #[error("{0}")]
    Refused(String),
}

/// Files that librdkafka reads when a client is made, and the settings that name them.
const FILES: [(&str, &str); 3] = [
    ("ssl.ca.location", "KAFKA__SSL_CA_LOCATION"),
    ("ssl.certificate.location", "KAFKA__SSL_CERTIFICATE_LOCATION"),
    ("ssl.key.location", "KAFKA__SSL_KEY_LOCATION (or KAFKA__SSL_KEY_PASSWORD)"),
];

/// What was heard of a client, and what it means.
type Heard = [(Option<RDKafkaErrorCode>, String)];

impl BrokerError {
    pub(super) fn client(error: &KafkaError) -> Self {
        let said = error.to_string();
        let named = FILES.iter().find(|(property, _)| said.contains(property));
        named.map_or_else(
            || Self::Client(said.clone()),
            |(_, setting)| Self::Reach {
                setting,
                what: format!("{said}; it names a file in PEM form that this program may read"),
            },
        )
    }

    /// A question that was answered with an error.
    pub(super) fn refused(servers: &str, what: &str, code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as Code;
        let name = match code {
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed => {
                "the program's user may not: give it the right (an ACL), or look at KAFKA__SASL_USERNAME"
            }
            Code::InvalidReplicationFactor => {
                "look at KAFKA__REPLICATION_FACTOR: there are not as many brokers"
            }
            Code::OperationTimedOut | Code::RequestTimedOut => "it took longer than KAFKA__TIMEOUT",
            Code::UnsupportedVersion | Code::UnsupportedFeature => {
                "the broker is too old for it: Kafka 2.4 is the oldest that knows all that is asked"
            }
            Code::PolicyViolation => "a policy of the broker forbids it",
            _ => "the broker says no",
        };
        Self::Refused(format!("{what} at {servers}: {code}; {name}"))
    }

    /// What won't get better by waiting.
    pub(super) fn hopeless(servers: &str, heard: &Heard) -> Option<Self> {
        let (setting, said) = heard.iter().find_map(|(code, reason)| hopeless(*code, reason))?;
        Some(Self::Reach {
            setting,
            what: format!("the broker at {servers} turned the program away: {said}"),
        })
    }

    /// Time is over.
    pub(super) fn unreached(servers: &str, timeout: Duration, heard: &Heard, error: &KafkaError) -> Self {
        let waited = timeout.show();
        let all_down =
            |(code, _): &(Option<RDKafkaErrorCode>, String)| *code == Some(RDKafkaErrorCode::AllBrokersDown);
        let reason = heard.iter().rev().find(|one| !all_down(one));
        // Connections that were made and closed again, of which the client does not always tell.
        let without_a_word = reason.is_none() && heard.iter().any(all_down);
        let reason = match reason {
            Some((_, reason)) => short(reason),
            None if without_a_word => "each connection was closed again".into(),
            None => error.to_string(),
        };
        // A listener that wants TLS or a name closes the connection of whoever comes without.
        let closed = without_a_word || reason.contains("security.protocol") || reason.contains("isconnected");
        let (setting, advice) = if closed {
            (
                "KAFKA__SECURITY_PROTOCOL",
                "does that listener want TLS or a name and password? (A broker older than Kafka 0.10 looks the same)",
            )
        } else {
            ("KAFKA__BOOTSTRAP_SERVERS", "is a broker running there, and can it be reached from here?")
        };
        Self::Reach {
            setting,
            what: format!("no answer from {servers} within {waited} (KAFKA__TIMEOUT): {reason}; {advice}"),
        }
    }
}

/// The setting to look at, and what was said, for what stays as it is however long one waits.
fn hopeless(code: Option<RDKafkaErrorCode>, reason: &str) -> Option<(&'static str, String)> {
    let said = short(reason);
    let setting = if reason.contains("not valid in current SASL state") {
        // The listener takes nobody's name.
        "KAFKA__SECURITY_PROTOCOL"
    } else if reason.contains("nsupported SASL mechanism")
        || reason.contains("SASL mechanism handshake failed")
    {
        "KAFKA__SASL_MECHANISM"
    } else if reason.contains("certificate verify failed")
        || reason.contains("self-signed")
        || reason.contains("self signed")
    {
        "KAFKA__SSL_CA_LOCATION"
    } else if reason.contains("wrong version number")
        || reason.contains("packet length too long")
        || reason.contains("PLAINTEXT broker listener")
    {
        "KAFKA__SECURITY_PROTOCOL"
    } else if code == Some(RDKafkaErrorCode::Authentication) || reason.contains("SASL authentication error") {
        "KAFKA__SASL_PASSWORD (or KAFKA__SASL_USERNAME)"
    } else if code == Some(RDKafkaErrorCode::SSL) || reason.contains("SSL handshake failed") {
        "KAFKA__SECURITY_PROTOCOL (and KAFKA__SSL_*)"
    } else {
        return None;
    };
    Some((setting, said))
}

/// A reason without what the client says of itself in front: `[thrd:sasl_plaintext://..]: `.
fn short(reason: &str) -> String {
    let reason = match reason.strip_prefix('[') {
        Some(rest) => rest.split_once("]: ").map_or(reason, |(_, reason)| reason),
        None => reason,
    };
    reason.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_leads_to_the_setting_that_mends_it() {
        for (code, reason, setting) in [
            (
                Some(RDKafkaErrorCode::Authentication),
                "sasl_plaintext://h:1/bootstrap: SASL authentication error: Authentication failed: Invalid username or password",
                "KAFKA__SASL_PASSWORD (or KAFKA__SASL_USERNAME)",
            ),
            (
                None,
                "[thrd:x]: x: SASL mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN",
                "KAFKA__SASL_MECHANISM",
            ),
            (
                Some(RDKafkaErrorCode::SSL),
                "ssl://h:1/bootstrap: SSL handshake failed: certificate verify failed",
                "KAFKA__SSL_CA_LOCATION",
            ),
            (
                Some(RDKafkaErrorCode::SSL),
                "ssl://h:1/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number",
                "KAFKA__SECURITY_PROTOCOL",
            ),
            (
                Some(RDKafkaErrorCode::SSL),
                "ssl://h:1/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT \
                 broker listener?",
                "KAFKA__SECURITY_PROTOCOL",
            ),
        ] {
            let error = BrokerError::hopeless("h:1", &[(code, reason.into())]);
            assert!(
                matches!(&error, Some(BrokerError::Reach { setting: named, .. }) if *named == setting),
                "{error:?}"
            );
        }
        assert_eq!(
            BrokerError::hopeless("h:1", &[(None, "Connect to h failed: Connection refused".into())]),
            None
        );
    }

    #[test]
    fn connections_that_are_closed_without_a_word_lead_to_the_protocol() {
        let heard = [(Some(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down".to_owned())];
        let error = BrokerError::unreached("h:1", Duration::from_secs(1), &heard, &KafkaError::Canceled);
        let told = error.to_string();
        let begin = "KAFKA__SECURITY_PROTOCOL: no answer from h:1 within 1s (KAFKA__TIMEOUT): each connection was closed again";
        assert!(told.starts_with(begin), "{told}");
    }

    #[test]
    fn a_file_that_the_client_cannot_read_leads_to_its_setting() {
        let said = KafkaError::ClientCreation("ssl.ca.location failed: No such file or directory".into());
        let told = BrokerError::client(&said).to_string();
        assert!(told.starts_with("KAFKA__SSL_CA_LOCATION: "), "{told}");
    }

    #[test]
    fn a_broker_that_does_not_answer_is_told_with_the_reason_and_the_time() {
        let heard = [(
            None,
            "[thrd:h:1/bootstrap]: h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused"
                .to_owned(),
        )];
        let error = BrokerError::unreached("h:1", Duration::from_secs(10), &heard, &KafkaError::Canceled);
        assert_eq!(
            error.to_string(),
            "KAFKA__BOOTSTRAP_SERVERS: no answer from h:1 within 10s (KAFKA__TIMEOUT): h:1/bootstrap: Connect to \
             ipv4#127.0.0.1:1 failed: Connection refused; is a broker running there, and can it be reached from here?"
        );
    }
}
