//! API: where health, metrics and the commands to a running program are served.

use std::net::SocketAddr;

use super::{section::Checks, value::Value};

impl Value for SocketAddr {
    fn expected() -> String {
        "an address and a port, for example 127.0.0.1:8080 or [::1]:8080".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "not an address with a port".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

crate::section! {
    /// Where health, metrics and the commands to a running program are served.
    pub struct Api("API", check = loopback_only) {
        /// Address and port to listen on; port 0 takes any free one.
        pub bind: SocketAddr = "127.0.0.1:0",
    }
}

fn loopback_only(api: &Api, checks: &mut Checks) {
    if !api.bind.ip().is_loopback() {
        checks.refuse(
            "bind",
            "others could reach it, and there is no authentication yet; bind to this machine alone, \
             for example 127.0.0.1:8080",
        );
    }
}
