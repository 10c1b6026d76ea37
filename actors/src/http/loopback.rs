//! Only for this machine: a page in a browser can have a name of its own point at a loopback address and then read
//! what listens there (DNS rebinding). Its requests carry that name in `Host`, and are refused.

use std::net::IpAddr;

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::HOST,
    middleware::Next,
};
use serde_json::json;

/// Lets requests through whose `Host` is a loopback name or address.
pub(super) async fn only_for_this_machine<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let mut hosts = request.headers().get_all(HOST).peekable();
    let ours = hosts.peek().is_some() && hosts.all(|host| host.to_str().is_ok_and(is_loopback));
    if ours {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let error = "the request's Host is not this machine: use localhost, 127.0.0.1 or [::1]";
    let refused = HttpResponse::Forbidden().json(json!({ "error": error }));
    Ok(request.into_response(refused).map_into_right_body())
}

/// Whether a `Host` header, with or without a port, names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').map_or("", |(address, _)| address),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_and_addresses_are_this_machine() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "127.1.2.3:1", "[::1]", "[::1]:9"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "localhost@example.org",
            "10.0.0.1:80",
            "0.0.0.0",
            "[::2]:80",
            "[::1",
            "::1",
            "[]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
