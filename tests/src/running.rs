//! A program on Kafka that runs in the test's own process, as `App` would run it by the same settings.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pandaflow::settings::Settings;
use pandaflow_actors::{Mode, Process, Program};
use serde_json::Value;
use tokio::sync::oneshot;

/// How long anything may take that has to come.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A program on a thread of its own, until it is told to end.
pub struct Running {
    http: SocketAddr,
    end: oneshot::Sender<()>,
    thread: JoinHandle<bool>,
}

impl Running {
    /// Starts it, and waits until it runs.
    ///
    /// # Errors
    /// What the program says of why it can't be started.
    ///
    /// # Panics
    /// If no thread can be started.
    pub fn start(
        settings: &Settings,
        program: impl FnOnce() -> Program + Send + 'static,
    ) -> Result<Self, String> {
        let settings = settings.clone();
        let (end, ended) = oneshot::channel();
        let (tell, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix::System::new().block_on(async move {
                match start(program(), &settings).await {
                    Ok(process) => {
                        let _ = tell.send(Ok(process.http().addr()));
                        let _ = ended.await;
                        let in_time = process.drain().await;
                        process.end().await;
                        in_time
                    }
                    Err(error) => {
                        let _ = tell.send(Err(error));
                        false
                    }
                }
            })
        });
        let http = started.recv().expect("the thread tells how it went")?;
        Ok(Self { http, end, thread })
    }

    /// Drains and ends; whether it did in time.
    ///
    /// # Panics
    /// If the program does.
    pub fn end(self) -> bool {
        let _ = self.end.send(());
        self.thread.join().expect("the program does not panic")
    }

    /// Where its HTTP server listens.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// What its HTTP server answers: the status, and the text.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.http, path)
    }

    /// Waits until `/health/ready` (or `live`) answers so, and gives its report.
    ///
    /// # Panics
    /// If it doesn't come to that.
    pub fn health_becomes(&self, path: &str, status: u16) -> Value {
        let begun = Instant::now();
        loop {
            let (now, text) = self.get(path);
            if now == status {
                return serde_json::from_str(&text).expect("health is JSON");
            }
            assert!(begun.elapsed() < PATIENCE, "{path} is {now}, not {status}: {text}");
            thread::yield_now();
        }
    }
}

/// What an HTTP server answers: the status, and the text.
///
/// # Panics
/// If it does not answer.
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the HTTP server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the HTTP server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the HTTP server answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, text)| text);
    (status.expect("an answer has a status"), text.to_owned())
}

async fn start(program: Program, settings: &Settings) -> Result<Process, String> {
    let program = Mode::Kafka.fit(program, settings);
    let transport = Mode::Kafka.open(Path::new("unused"), &program, settings).await;
    let transport = transport.map_err(|error| error.to_string())?;
    let log = slog::Logger::root(slog::Discard, slog::o!());
    Process::start(&program, settings, transport, log).await.map_err(|error| error.to_string())
}
