//! The test kit: runs processors in process, on the memory transport and a clock under the test's control.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use pandaflow::{
    Clock, DeadLetter, Event, EventId, Group, Namespace, Outgoing, Payload, Record, StreamProcessor,
    Timestamp, TopicName,
    codec::{Decode, EnvelopeFormat},
    policy::ledger::Ledger,
};
use serde::{Serialize, de::DeserializeOwned};

use super::TestClock;
use crate::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, StartError, runtime::decode_state,
    transport::memory::MemoryTransport,
};

/// The longest that [`TestKit::run_until_idle`] waits, on the test's clock: a day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A program under test.
///
/// Everything runs on the test's own thread, and time moves only when the test moves it or when all that runs
/// waits for it; so a test that retries for an hour takes milliseconds.
///
/// ```
/// use pandaflow_actors::{Program, testkit::TestKit};
/// # use pandaflow::{Context, Event, Handle, StreamProcessor};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, Event)]
/// # #[event(type = "paid", version = 1, key = "{account}")]
/// # struct Paid { account: String, cents: i64 }
/// # #[derive(Default, Clone, Serialize, Deserialize)]
/// # struct Total { cents: i64 }
/// # #[derive(StreamProcessor)]
/// # #[processor(name = "totals", input(topic = "payments", event = Paid), state = Total)]
/// # struct Totals;
/// # impl Handle<Paid> for Totals {
/// #     type Error = std::convert::Infallible;
/// #     async fn handle(&mut self, paid: Event<Paid>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
/// #         ctx.state_mut().cents += paid.cents;
/// #         Ok(())
/// #     }
/// # }
/// # actix::System::new().block_on(async {
/// let mut kit = TestKit::start(Program::new().processor(|| Totals)).await;
/// kit.send("payments", Paid { account: "ada".into(), cents: 5 });
/// kit.send("payments", Paid { account: "ada".into(), cents: 2 });
/// kit.run_until_idle().await;
/// assert_eq!(kit.state::<Totals>("ada").cents, 7);
/// # });
/// ```
pub struct TestKit {
    runtime: Option<Runtime>,
    program: Rc<Program>,
    transport: MemoryTransport,
    clock: TestClock,
    namespace: Namespace,
    services: Services,
    config: RuntimeConfig,
    sent: u64,
}

impl TestKit {
    /// The namespace that a program without one runs in.
    pub const NAMESPACE: &str = "test";

    /// Starts a program, with real service actors.
    ///
    /// # Panics
    /// If it can't be started, or if no actix system runs: write the test with `#[actix::test]`.
    pub async fn start(program: Program) -> Self {
        Self::start_with(program, RuntimeConfig::default(), |services| services).await
    }

    /// Starts a program with limits of its own and with services that `replace` makes of the real ones: there
    /// go mock mailboxes.
    ///
    /// # Panics
    /// As [`TestKit::start`].
    pub async fn start_with(
        program: Program,
        config: RuntimeConfig,
        replace: impl FnOnce(Services) -> Services,
    ) -> Self {
        let services =
            |transport: &MemoryTransport| replace(Services::start(transport, ServicesConfig::default()));
        Self::start_on(program, config, services).await
    }

    /// Starts a program with limits of its own and with the services that `services` makes on its transport.
    ///
    /// # Panics
    /// As [`TestKit::start`].
    pub async fn start_on(
        program: Program,
        config: RuntimeConfig,
        services: impl FnOnce(&MemoryTransport) -> Services,
    ) -> Self {
        tokio::time::pause();
        let clock = TestClock::start();
        let transport = MemoryTransport::new(Arc::new(clock));
        let program = Rc::new(program.in_some_namespace(Self::NAMESPACE));
        let services = services(&transport);
        let config = RuntimeConfig { arbiters: 0, blocked_arbiter_after: None, ..config };
        let namespace = program.namespaces()[0].clone();
        let mut kit = Self { runtime: None, program, transport, clock, namespace, services, config, sent: 0 };
        kit.begin_life().await.expect("the program under test can be started");
        kit
    }

    async fn begin_life(&mut self) -> Result<(), StartError> {
        let runtime = Runtime::start(
            &self.program,
            Arc::new(self.transport.clone()),
            self.services.clone(),
            Arc::new(self.clock),
            self.config.clone(),
            crate::logging::logger(),
        );
        self.runtime = Some(runtime.await?);
        Ok(())
    }

    /// The transport, for what the kit has no word for: faults, revocations, raw records.
    #[must_use]
    pub fn transport(&self) -> &MemoryTransport {
        &self.transport
    }

    /// The program while it runs.
    ///
    /// # Panics
    /// If it has been stopped.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("the program under test runs")
    }

    /// The full name of a declared topic, in the first namespace.
    #[must_use]
    pub fn topic(&self, declared: &str) -> TopicName {
        self.program.topic_name(declared, &self.namespace)
    }

    /// What the test's clock tells.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends an event in an envelope, as a root of its own chain, dated now. Its id tells the order of sending.
    pub fn send<E: Payload + Serialize>(&mut self, topic: &str, event: E) -> EventId {
        let ts = self.now();
        self.send_at(topic, event, ts)
    }

    /// Sends an event that happened at `ts`.
    ///
    /// # Panics
    /// If the payload can't be written, or the topic is none of the program's.
    pub fn send_at<E: Payload + Serialize>(&mut self, topic: &str, event: E, ts: Timestamp) -> EventId {
        self.sent += 1;
        let id = EventId::of_source("testkit", self.sent, ts);
        self.send_as(topic, event, id, ts);
        id
    }

    /// Sends an event under an id of the test's choice: the same twice is a duplicate.
    ///
    /// # Panics
    /// As [`TestKit::send_at`].
    pub fn send_as<E: Payload + Serialize>(&mut self, topic: &str, event: E, id: EventId, ts: Timestamp) {
        let record = Outgoing::root(self.topic(topic), id, ts, "testkit", &event);
        let record = record.expect("the payload can be written");
        self.transport.publish(vec![record]).expect("the topic is one of the program's");
    }

    /// Sends bytes as they are; without a value, a tombstone.
    ///
    /// # Panics
    /// If the topic is none of the program's.
    pub fn send_raw(&mut self, topic: &str, key: Option<Bytes>, value: Option<Bytes>) {
        let record = Outgoing {
            topic: self.topic(topic),
            timestamp: self.now(),
            key,
            value,
            headers: pandaflow::Headers::default(),
        };
        self.transport.publish(vec![record]).expect("the topic is one of the program's");
    }

    /// Runs until every event has ended in every processor. Waits (of retries, of leases) pass at once.
    ///
    /// # Panics
    /// If something is still under way after a day on the test's clock, or a processor takes no more events, since it has used
    /// up its budget of dead letters.
    pub async fn run_until_idle(&self) {
        let began = tokio::time::Instant::now();
        loop {
            // A tick lets all that can run do so; the clock moves on when none can. Long waits pass in long ticks.
            let tick = (began.elapsed() / 100).clamp(Duration::from_millis(1), Duration::from_secs(1));
            tokio::time::sleep(tick).await;
            if self.runtime().is_idle().await.expect("the memory transport tells its lag") {
                return;
            }
            if let Some(reason) = self.runtime().halted().now_or_never() {
                panic!("{reason}");
            }
            if began.elapsed() >= LONGEST {
                let lag = self.runtime().lag().await;
                panic!("after a day there still is something to do: {lag:#?}");
            }
        }
    }

    /// Moves the clock by `duration`, letting all run that becomes due.
    pub async fn advance(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// All events on a topic that can be read as `E`, in the order of their partitions and offsets.
    #[must_use]
    pub fn events<E: Payload + DeserializeOwned>(&self, topic: &str) -> Vec<Event<E>> {
        self.records(topic)
            .iter()
            .filter_map(|record| EnvelopeFormat::decode(record, record.value.as_ref()?).ok())
            .collect()
    }

    /// All records on a topic, in the order of their partitions and offsets.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<Record> {
        self.transport.records(&self.topic(topic))
    }

    /// The settled state of a key; the default one if there is none.
    ///
    /// # Panics
    /// If the stored bytes don't fit.
    #[must_use]
    pub fn state<P: StreamProcessor>(&self, key: &str) -> P::State {
        let stored = self.transport.state(&self.group::<P>(), key.as_bytes());
        let version = P::DECLARATION.state_version;
        stored.map_or_else(P::State::default, |bytes| {
            decode_state(key.as_bytes(), version, &bytes).expect("the stored state fits its type")
        })
    }

    /// The settled ledger of a processor.
    #[must_use]
    pub fn ledger<P: StreamProcessor>(&self) -> Ledger {
        self.transport.ledger(&self.group::<P>())
    }

    /// All dead letters, oldest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.transport.dead_letters().into_iter().map(|stored| stored.letter).collect()
    }

    /// The consumer group of a processor.
    #[must_use]
    pub fn group<P: StreamProcessor>(&self) -> Group {
        self.program.group(P::DECLARATION.name, &self.namespace)
    }

    /// Drains the program for 30 s of its clock at most, and ends it. `true` if all that had begun ended in that time.
    pub async fn stop(&mut self) -> bool {
        let Some(runtime) = self.runtime.take() else { return true };
        let in_time = runtime.drain(Duration::from_secs(30)).await;
        runtime.end().await;
        in_time
    }

    /// Ends the program and starts it again on what it left in the log.
    ///
    /// # Panics
    /// As [`TestKit::start`].
    pub async fn restart(&mut self) {
        self.stop().await;
        self.begin_life().await.expect("the program under test can be started again");
    }

    /// Checks that handlers have the same effects on the same events: runs all that was sent to `topics` through a
    /// second instance of the program, and compares all that both emitted and all state.
    ///
    /// # Panics
    /// If anything differs; the message names it.
    pub async fn assert_repeatable<P: StreamProcessor>(&self, topics: &[&str], outputs: &[&str]) {
        let transport = MemoryTransport::new(Arc::new(self.clock));
        let services = Services::start(&transport, ServicesConfig::default());
        let second = Runtime::start(
            &self.program,
            Arc::new(transport.clone()),
            services,
            Arc::new(self.clock),
            self.config.clone(),
            crate::logging::logger(),
        );
        let second = second.await.expect("a second instance can be started");
        for topic in topics {
            for record in self.records(topic) {
                let Record { topic, timestamp, key, value, headers, partition, .. } = record;
                let outgoing = Outgoing { topic, timestamp, key, value, headers };
                transport.append_raw(partition, outgoing).expect("the second instance has the topic");
            }
        }
        while !second.is_idle().await.expect("the memory transport tells its lag") {
            if let Some(reason) = second.halted().now_or_never() {
                panic!("{reason}");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for topic in outputs {
            let (first, again) = (self.records(topic), transport.records(&self.topic(topic)));
            let differs = first.iter().zip(&again).find(|(first, again)| first != again);
            assert!(differs.is_none(), "the handlers are not repeatable: {topic} differs: {differs:#?}");
            assert_eq!(
                first.len(),
                again.len(),
                "the handlers are not repeatable: {topic} has more or fewer events"
            );
        }
        let group = self.group::<P>();
        assert_eq!(
            self.transport.all_states(&group),
            transport.all_states(&group),
            "the handlers are not repeatable: state"
        );
        second.drain(Duration::from_secs(30)).await;
        second.end().await;
    }
}
