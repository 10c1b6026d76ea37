//! Clients that are not ours (Kafka's command line, aiokafka in Python) read what we write, and write what we read.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

mod envelopes;
mod plain_json;

use pandaflow::settings::Settings;
use pandaflow_tests::{Console, Found, Outside, Python, given};

/// Bytes that are no text, which a client that cares for text would change.
pub(crate) const ODD_HEADER: &[u8] = b"\x80\x00\xff";

/// Broker, settings and clients.
pub(crate) struct Scene {
    pub(crate) servers: String,
    pub(crate) prefix: String,
    pub(crate) settings: Settings,
    pub(crate) outside: Outside,
    pub(crate) console: Console,
    pub(crate) python: Python,
}

pub(crate) async fn scene() -> Option<Scene> {
    let (servers, redis) = (given("PANDAFLOW_TEST_KAFKA")?, given("PANDAFLOW_TEST_REDIS")?);
    let (console, python) = (Console::where_given()?, Python::where_given()?);
    let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    let variables = [
        ("KAFKA__BOOTSTRAP_SERVERS", servers.as_str()),
        ("KAFKA__PREFIX", &prefix),
        ("REDIS__URL", &redis),
        ("API__BIND", "127.0.0.1:0"),
    ];
    let settings = Settings::load(variables, "").unwrap();
    let outside = Outside::reach(&settings).await;
    Some(Scene { servers, prefix, settings, outside, console, python })
}

impl Scene {
    /// What both clients read of a topic; they must agree.
    pub(crate) fn read(&self, topic: &str, records: usize) -> Vec<Found> {
        let topic = format!("{}{topic}", self.prefix);
        let python = self.python.read(&self.servers, &topic);
        assert_eq!(python.len(), records, "{topic}");
        assert_eq!(self.console.read(&self.servers, &topic, records), python);
        python
    }
}
