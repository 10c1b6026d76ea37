//! The command line. The options are kept stable: other programs call them.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use pandaflow::settings::Value;
use pandaflow_actors::HandlerTimes;

/// Measures pandaflow, each workload beside its bound in the same run.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub workload: Workload,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Workload {
    /// Decode, handle and settle on the memory transport; the bound is a plain loop over the same bytes.
    Memory(Options),
    /// Consume, change state, emit one output, durably; the bound is a bare SQLite loop that writes the same rows.
    Embedded(Options),
    /// One event in ten fails twice and is tried again 10 ms to 100 ms later; the bound is the same program without failures.
    Storm(FailingOptions),
    /// All events of one key fail for a day, so that it is parked; the bound is the same program without failures.
    Poison(FailingOptions),
    /// Handlers that wait; the bound is max(longest chain of events that wait for each other, total ÷ concurrency). On the
    /// memory transport, or with --bootstrap on a broker.
    Delay(BrokerOptions),
    /// Decode, handle and commit what lies on a broker; the bound is a hand-written loop on librdkafka.
    Consume(BrokerOptions),
    /// One output for each input, confirmed before the input's offset is committed; the bound is a hand-written loop.
    Transform(BrokerOptions),
    /// From produced to handled at an even rate, in percentiles; the bound is a bare StreamConsumer's.
    Latency(BrokerOptions),
}

/// What a workload with failures needs beside.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FailingOptions {
    /// What all workloads share.
    #[command(flatten)]
    pub options: Options,
    /// On the embedded store, with 200,000 events, in place of memory's.
    #[arg(long)]
    pub embedded: bool,
}

/// What a workload on a broker needs beside.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BrokerOptions {
    /// What all workloads share.
    #[command(flatten)]
    pub options: Options,
    /// The broker, such as 127.0.0.1:9092.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// The topic [default: bench.WORKLOAD].
    #[arg(long)]
    pub topic: Option<String>,
    /// What the names of the consumer groups begin with [default: one that no other run has].
    #[arg(long)]
    pub group: Option<String>,
    /// Makes the topic anew and fills it first.
    #[arg(long)]
    pub fill: bool,
    /// What a crash can do to outputs.
    #[arg(long, default_value = "at-least-once")]
    pub guarantee: Guarantee,
    /// Where ids that were seen are kept [default: memory].
    #[arg(long, default_value = "memory")]
    pub dedup: Dedup,
    /// Events a second, for latency.
    #[arg(long, default_value_t = 5_000)]
    pub rate: u64,
}

/// What a crash can do to outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Guarantee {
    /// They may come twice, with the same ids.
    #[default]
    AtLeastOnce,
    /// Whoever reads committed records sees each once.
    ExactlyOnce,
}

impl From<Guarantee> for pandaflow::Guarantee {
    fn from(guarantee: Guarantee) -> Self {
        match guarantee {
            Guarantee::AtLeastOnce => Self::AtLeastOnce,
            Guarantee::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

/// Where ids that were seen are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Dedup {
    /// Nowhere.
    None,
    /// In Redis, by REDIS__URL.
    Redis,
    /// In the process.
    #[default]
    Memory,
}

/// The options that all workloads share. What is not given is the workload's own default.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// How many events [default: memory, storm, poison and consume 1000000, transform 500000, embedded 200000, latency 50000, delay 10000].
    #[arg(long)]
    pub n: Option<u64>,
    /// How many keys they are spread over [default: 10000; delay 20].
    #[arg(long)]
    pub keys: Option<u64>,
    /// How many handlers may run at once [default: 100].
    #[arg(long)]
    pub concurrency: Option<usize>,
    /// How long a handler waits, at random between these [default: 0ms..0ms; delay 0ms..5ms].
    #[arg(long, value_name = "FROM..TO")]
    pub work: Option<Work>,
    /// Which events wait for each other [default: key].
    #[arg(long)]
    pub order: Option<Ordering>,
    /// Partitions of the topic [default: memory 12, delay 1, others 6].
    #[arg(long)]
    pub partitions: Option<u32>,
    /// Threads that run tasks; 0 runs all on the main one [default: 2].
    #[arg(long)]
    pub arbiters: Option<usize>,
    /// How often to measure; the median is told [default: 3; delay 1].
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Runs one side once, for a profiler.
    #[arg(long, hide = true)]
    pub only: Option<Only>,
    /// Leaves out what telemetry does for each event, to find what it costs.
    #[arg(long, hide = true)]
    pub no_telemetry: bool,
}

impl Options {
    pub(crate) fn handler_times(&self) -> HandlerTimes {
        if self.no_telemetry { HandlerTimes::Unmeasured } else { HandlerTimes::Measured }
    }
}

impl Workload {
    /// Its options.
    #[must_use]
    pub fn options(&self) -> &Options {
        match self {
            Self::Memory(options) | Self::Embedded(options) => options,
            Self::Storm(failing) | Self::Poison(failing) => &failing.options,
            Self::Delay(broker) | Self::Consume(broker) | Self::Transform(broker) | Self::Latency(broker) => {
                &broker.options
            }
        }
    }
}

/// One side of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// Neither: what both need beforehand.
    Setup,
    /// The bound.
    Loop,
    /// The framework.
    Framework,
}

/// Which events wait for each other, as written on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Ordering {
    /// Those of one key.
    #[default]
    Key,
    /// Those of one partition.
    Partition,
    /// None.
    None,
}

impl Ordering {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Partition => "partition",
            Self::None => "none",
        }
    }
}

/// How long handlers wait: from the first to the second, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// The shortest wait.
    pub from: Duration,
    /// The longest.
    pub to: Duration,
}

impl std::str::FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let read = |text: &str| {
            <Duration as Value>::parse(text).map_err(|why| format!("{text:?} is {why}: write 0ms..5ms, say"))
        };
        let (from, to) = (read(from)?, read(to)?);
        if from > to { Err("the first wait is longer than the second".into()) } else { Ok(Self { from, to }) }
    }
}
