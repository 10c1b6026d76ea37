//! What is logged of an event says which event it is, of which chain, and who handled it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pandaflow::{EventId, Outgoing, SystemClock, Timestamp};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, transport::memory::MemoryTransport,
};

use crate::support::*;

/// Keeps lines as text: the message, then all fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl slog::Drain for Lines {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &slog::Record<'_>, values: &slog::OwnedKVList) -> Result<(), slog::Never> {
        struct Fields(String);
        impl slog::Serializer for Fields {
            fn emit_arguments(&mut self, key: slog::Key, value: &std::fmt::Arguments<'_>) -> slog::Result {
                self.0 += &format!(" {key}={value}");
                Ok(())
            }
        }
        let mut fields = Fields(format!("{} {}", record.level(), record.msg()));
        slog::KV::serialize(&record.kv(), record, &mut fields).unwrap();
        slog::KV::serialize(values, record, &mut fields).unwrap();
        self.0.lock().unwrap().push(fields.0);
        Ok(())
    }
}

#[actix::test]
async fn each_line_of_an_event_names_its_chain_and_its_processor() {
    let lines = Lines::default();
    let transport = MemoryTransport::new(Arc::new(SystemClock));
    let services = Services::start(&transport, ServicesConfig::default());
    let paper = namespace("paper");
    let program = Program::new().namespace(paper.clone()).processor(|| Worker(Journal::default()));
    let log = slog::Logger::root(slog::Fuse(lines.clone()), slog::o!());
    let (transport, clock) = (Arc::new(transport), Arc::new(SystemClock));
    let runtime = Runtime::start(&program, transport.clone(), services, clock, RuntimeConfig::default(), log)
        .await
        .unwrap();
    let id = EventId::of_source("test", 0, Timestamp(0));
    let job = Job::new("ada", 0, &[Then::Fail, Then::Panic, Then::Poison]);
    let topic = program.topic_name("jobs", &paper);
    transport.publish(vec![Outgoing::root(topic, id, Timestamp(0), "test", &job).unwrap()]).unwrap();
    while !runtime.is_idle().await.unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(runtime.drain(Duration::from_secs(10)).await);
    runtime.end().await;
    let lines = lines.0.lock().unwrap().clone();
    for (said, times) in
        [("DEBG attempt failed", 2), ("WARN a lane is rebuilt", 1), ("WARN event given up on", 1)]
    {
        let said: Vec<_> = lines.iter().filter(|line| line.starts_with(said)).collect();
        assert_eq!(said.len(), times, "{lines:?}");
        let fields = [
            format!("correlation_id={}", id.0),
            "processor=worker".into(),
            "namespace=paper".into(),
            "offset=0".into(),
        ];
        assert!(said.iter().all(|line| fields.iter().all(|field| line.contains(field))), "{said:?}");
    }
}
