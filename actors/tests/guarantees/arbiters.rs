//! A handler that blocks its thread, on real threads and the real clock.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use pandaflow::{Clock, Context, Event, EventId, Handle, Outgoing, StreamProcessor, SystemClock, Timestamp};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, health::HealthReport,
    transport::memory::MemoryTransport,
};

use crate::support::*;

/// Blocks its thread until the test says something, which no handler should.
#[derive(StreamProcessor)]
#[processor(name = "blocker", input(topic = "jobs", event = Job), timeout = "1h")]
struct Blocker {
    entered: mpsc::Sender<()>,
    released: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Handle<Job> for Blocker {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        if job.no == 0 {
            self.entered.send(()).unwrap();
            self.released.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

/// Says which events it got.
#[derive(StreamProcessor)]
#[processor(name = "teller", input(topic = "jobs", event = Job))]
struct Teller(mpsc::Sender<u64>);

impl Handle<Job> for Teller {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        self.0.send(job.no).unwrap();
        Ok(())
    }
}

/// Health as soon as it is as wanted; looked at again when something has been logged, which comes with what it is told.
async fn when(services: &Services, lines: &Lines, wanted: impl Fn(&HealthReport) -> bool) -> HealthReport {
    let mut said = lines.follow();
    loop {
        said.mark_unchanged();
        let report = services.health.read(SystemClock.now()).await.unwrap();
        if wanted(&report) {
            return report;
        }
        said.changed().await.unwrap();
    }
}

/// What comes next, waited for beside this thread.
async fn next<T: Send + 'static>(from: mpsc::Receiver<T>) -> (T, mpsc::Receiver<T>) {
    tokio::task::spawn_blocking(move || (from.recv().unwrap(), from)).await.unwrap()
}

#[actix::test]
async fn an_arbiter_that_a_handler_blocks_is_named_in_health_until_it_turns_again() {
    let (enter, entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = Arc::new(Mutex::new(released));
    let (tell, told) = mpsc::channel();
    let lines = Lines::default();
    let program = Program::new()
        .namespace(namespace("paper"))
        .processor(move || Blocker { entered: enter.clone(), released: released.clone() })
        .processor(move || Teller(tell.clone()));
    let transport = MemoryTransport::new(Arc::new(SystemClock));
    let services = Services::start(&transport, ServicesConfig::default());
    let config = RuntimeConfig {
        arbiters: 2,
        blocked_arbiter_after: Some(Duration::from_millis(300)),
        ..RuntimeConfig::default()
    };
    let runtime = Runtime::start(
        &program,
        Arc::new(transport.clone()),
        services.clone(),
        Arc::new(SystemClock),
        config,
        lines.logger(),
    );
    let runtime = runtime.await.unwrap();
    let topic = program.topic_name("jobs", &namespace("paper"));
    let publish = |no: u64, key: &str| {
        let id = EventId::of_source("test", no, Timestamp(0));
        let job = Job::new(key, no, &[]);
        transport
            .publish(vec![Outgoing::root(topic.clone(), id, Timestamp(0), "test", &job).unwrap()])
            .unwrap();
    };
    publish(0, "ada");
    next(entered).await;
    let blocked = |report: &HealthReport| {
        let mut checks = report.checks.iter();
        checks.any(|check| {
            check.component.starts_with("arbiter:") && check.message.contains("blocker in paper")
        })
    };
    let report = when(&services, &lines, blocked).await;
    assert!(!report.alive, "{report:?}");
    let first = pandaflow::partition_of(Some(b"ada"), 6).0 % 2;
    // The other arbiter works on.
    let other = (0..100)
        .map(|no| format!("k{no}"))
        .find(|key| pandaflow::partition_of(Some(key.as_bytes()), 6).0 % 2 != first);
    publish(1, &other.unwrap());
    let (first_told, told) = next(told).await;
    assert_eq!(first_told, 1, "the other one waits on the arbiter that is blocked");
    release.send(()).unwrap();
    let turning = |report: &HealthReport| report.alive && !blocked(report);
    when(&services, &lines, turning).await;
    assert_eq!(next(told).await.0, 0);
    assert!(runtime.drain(Duration::from_secs(10)).await);
    assert!(runtime.is_idle().await.unwrap());
    assert!(runtime.end().await);
}
