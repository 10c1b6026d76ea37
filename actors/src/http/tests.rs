//! The HTTP server by its answers, with mocks behind it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use pandaflow::Timestamp;

use super::*;
use crate::{
    health::{HealthReport, Status},
    testkit::mock_mailbox::{Gate, MockHealth, MockMetrics},
};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_381_152_600_000)
    }
}

struct Served {
    server: HttpServer,
    health: MockHealth,
    metrics: MockMetrics,
}

fn serve(config: HttpConfig) -> Served {
    let (health, metrics) = (MockHealth::start(), MockMetrics::start());
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let server = HttpServer::start(config, health.handle(), metrics.handle(), Arc::new(Noon), &log).unwrap();
    Served { server, health, metrics }
}

impl Served {
    /// Sends these lines; status and body of the answer.
    async fn send(&self, request: &str) -> (u16, String) {
        let (address, request) = (self.server.addr(), request.to_owned());
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "{request}\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}", self.server.addr())).await
    }
}

fn report(ready: bool, alive: bool) -> HealthReport {
    HealthReport { status: Status::Failing, timestamp: Timestamp(0), ready, alive, checks: Vec::new() }
}

#[actix::test]
async fn health_is_told_by_status_code_and_in_json() {
    let served = serve(HttpConfig::default());
    let table = [
        ("/health/ready", report(true, true), 200),
        ("/health/ready", report(false, true), 503),
        ("/health/live", report(false, true), 200),
        ("/health/live", report(false, false), 503),
        ("/health", report(false, false), 200),
    ];
    for (path, report, status) in table {
        let json = serde_json::to_string(&report).unwrap();
        served.health.read.expect(|read| read.now == Noon.now()).answer(report);
        assert_eq!(served.get(path).await, (status, json), "{path}");
    }
    served.health.verify();
    served.server.stop().await;
}

#[actix::test]
async fn metrics_are_text() {
    let served = serve(HttpConfig::default());
    served.metrics.render.expect(|_| true).answer("pandaflow_lag 7\n".into());
    assert_eq!(served.get("/metrics").await, (200, "pandaflow_lag 7\n".into()));
    served.server.stop().await;
}

#[actix::test]
async fn a_stuck_or_ended_actor_is_told_in_time() {
    let served = serve(HttpConfig { timeout: Duration::from_millis(20), ..HttpConfig::default() });
    let never = Gate::shut();
    served.health.read.expect(|_| true).delay_until_released(&never).answer(report(true, true));
    let (status, body) = served.get("/health/live").await;
    assert_eq!(status, 503);
    assert!(body.contains("the health actor did not answer within 20ms"), "{body}");
    served.metrics.render.close().await;
    let (status, body) = served.get("/metrics").await;
    assert_eq!(status, 503);
    assert!(body.contains("metrics render actor gave no answer"), "{body}");
    served.server.stop().await;
}

#[actix::test]
async fn requests_under_another_name_and_other_methods_are_refused() {
    let served = serve(HttpConfig::default());
    assert_eq!(served.send("GET /health HTTP/1.1\r\nHost: example.org").await.0, 403);
    assert_eq!(served.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: example.org").await.0, 400);
    assert_eq!(served.send("GET /health HTTP/1.0").await.0, 403);
    assert_eq!(served.send("POST /health HTTP/1.1\r\nHost: localhost").await.0, 405);
    assert_eq!(served.get("/secret").await.0, 404);
    assert!(served.health.read.received().is_empty());
    served.server.stop().await;
}

#[actix::test]
async fn only_loopback_addresses_that_are_free_are_listened_on() {
    let served = serve(HttpConfig::default());
    assert_ne!(served.server.addr().port(), 0);
    let (health, metrics) = (served.health.handle(), served.metrics.handle());
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let start = |bind| {
        let config = HttpConfig { bind, ..HttpConfig::default() };
        HttpServer::start(config, health.clone(), metrics.clone(), Arc::new(Noon), &log)
    };
    assert!(matches!(start(served.server.addr()), Err(HttpError::Bind { .. })));
    for address in ["0.0.0.0:0", "[::]:0", "10.0.0.1:0"] {
        assert!(matches!(start(address.parse().unwrap()), Err(HttpError::NotLoopback { .. })), "{address}");
    }
    served.server.stop().await;
    assert!(TcpStream::connect(served.server.addr()).is_err(), "nobody listens any more");
}
