//! The address of a broker: host and port.

use std::fmt;

use crate::settings::{secret::HIDDEN, value::Value};

/// Host and port of a broker, such as `localhost:9092` or `[::1]:9092`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress(String);

impl BrokerAddress {
    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for BrokerAddress {
    fn expected() -> String {
        "a host and a port such as kafka-1:9092".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains('@') {
            return Err(
                "not an address: name and password go into KAFKA__SASL_USERNAME and KAFKA__SASL_PASSWORD"
                    .into(),
            );
        }
        if text.contains("://") {
            return Err("not an address: how it is secured goes into KAFKA__SECURITY_PROTOCOL".into());
        }
        let (host, port) = text.rsplit_once(':').ok_or("without a port")?;
        if port.parse::<u16>().map_or(true, |port| port == 0) {
            return Err("without a port from 1 to 65535".into());
        }
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let fits = match address {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
        };
        if fits { Ok(Self(text.to_owned())) } else { Err("not the name or address of a host".into()) }
    }

    fn show(&self) -> String {
        self.0.clone()
    }

    /// Hides what stands before an `@`: it may be a password.
    fn redact(text: &str) -> String {
        match text.rsplit_once('@') {
            Some((_, host)) => format!("{HIDDEN}@{host}"),
            None => text.to_owned(),
        }
    }
}
