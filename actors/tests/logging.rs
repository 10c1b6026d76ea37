//! Logging as a process starts it: crates that log by `log` and by `tracing` come through. A test of its own, since a
//! process has one logger.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpResponse, HttpServer, middleware, web};
use pandaflow::settings::Settings;
use pandaflow_actors::logging::{self, Console, LoggingError};
use serde_json::Value;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn serve_one_request() {
    let app =
        || App::new().wrap(middleware::Logger::new("%r %s")).route("/", web::get().to(HttpResponse::Ok));
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let answer = actix_web::rt::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        io::read_to_string(stream).unwrap()
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}

#[actix_web::test]
async fn lines_of_other_crates_come_through() {
    let settings = Settings::load([("LOGGING__JSON", "true")], "").unwrap();
    let memory = Memory::default();
    let guard = logging::start(&settings, "test", Console::through(memory.clone())).unwrap();
    log::warn!("by log {}", 1);
    log::debug!("beyond the level");
    slog::info!(logging::logger(), # "audit", "by slog");
    serve_one_request().await;
    let again = logging::start(&settings, "test", Console::stderr());
    assert!(matches!(again, Err(LoggingError::AlreadyStarted)));
    drop(guard);
    log::warn!("after the end nobody is hurt");
    slog::warn!(logging::logger(), "nor here");

    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |event: &str| {
        let found = lines.iter().find(|line| line["event"].as_str().unwrap().starts_with(event));
        found.unwrap_or_else(|| panic!("no line {event:?} in {text}"))
    };
    assert_eq!(find("by log 1")["level"], "warning");
    assert_eq!(find("by log 1")["component"], "logging");
    assert_eq!(find("by slog")["channel"], "audit");
    // By `tracing`, when the server starts; by `log`, for a request.
    assert_eq!(find("starting 1 workers")["channel"], "api");
    assert_eq!(find("GET / HTTP/1.1 200")["channel"], "api");
    assert!(!text.contains("beyond the level") && !text.contains("after the end"));
}
