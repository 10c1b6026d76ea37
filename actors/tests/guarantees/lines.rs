//! What is logged of an event says which event it is, of which chain, and who handled it.

use std::{sync::Arc, time::Duration};

use pandaflow::{EventId, Outgoing, SystemClock, Timestamp};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, transport::memory::MemoryTransport,
};

use crate::support::*;

#[actix::test]
async fn each_line_of_an_event_names_its_chain_and_its_processor() {
    // The waits before other attempts are on the test's clock, for which all has to run on its thread.
    tokio::time::pause();
    let lines = Lines::default();
    let transport = MemoryTransport::new(Arc::new(SystemClock));
    let services = Services::start(&transport, ServicesConfig::default());
    let paper = namespace("paper");
    let program = Program::new().namespace(paper.clone()).processor(|| Worker(Journal::default()));
    let config = RuntimeConfig { arbiters: 0, blocked_arbiter_after: None, ..RuntimeConfig::default() };
    let (transport, clock) = (Arc::new(transport), Arc::new(SystemClock));
    let runtime =
        Runtime::start(&program, transport.clone(), services, clock, config, lines.logger()).await.unwrap();
    let id = EventId::of_source("test", 0, Timestamp(0));
    let job = Job::new("ada", 0, &[Then::Fail, Then::Panic, Then::Poison]);
    let topic = program.topic_name("jobs", &paper);
    transport.publish(vec![Outgoing::root(topic, id, Timestamp(0), "test", &job).unwrap()]).unwrap();
    lines.said("WARN event given up on").await;
    assert!(runtime.drain(Duration::from_secs(10)).await);
    assert!(runtime.is_idle().await.unwrap());
    runtime.end().await;
    let lines = lines.all();
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
