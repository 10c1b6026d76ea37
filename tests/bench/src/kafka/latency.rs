//! `latency`: events are produced at an even rate, whatever happens, and each is late by the time from when it was to be
//! produced to when its handler got it: a stall makes all late that were due meanwhile. The bound is a bare
//! `StreamConsumer`, on as many events of the same run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use pandaflow::EventEnvelope;
use rdkafka::{
    Message,
    consumer::{CommitMode, Consumer, StreamConsumer},
    producer::BaseProducer,
};

use super::{
    Stage,
    deposits::{DepositMade, Drawer},
    desk::{ByKey, ByKeyOnce, Desk, Ledger},
    fill, ours,
};
use crate::{
    BenchError,
    report::{Percentiles, Report},
};

/// Measures both, one after the other, each on a topic made anew.
pub(crate) async fn run(stage: &Stage, rate: u64, dedup: bool) -> Result<Report, BenchError> {
    let bare = Percentiles::of(bare(stage, rate).await?);
    fill::make_anew(stage, stage.topic.as_str()).await?;
    let begin = Instant::now() + Duration::from_secs(3);
    let feeder = Feeder::start(stage, rate, begin);
    let ledger = Ledger::new(begin);
    let ours = if dedup {
        ours::run(stage, 0, ledger, ByKeyOnce, true).await?
    } else {
        ours::run(stage, 0, ledger, ByKey, true).await?
    };
    feeder.end().await?;
    let latencies = Percentiles::of(ours.latencies);
    Ok(Report {
        latency_ms: Some(latencies),
        bound_latency_ms: Some(bare),
        bound_seconds: stage.shape.n as f64 / rate as f64,
        cold_start_seconds: Some(ours.cold_start.as_secs_f64()),
        ratio: latencies.p99 / bare.p99,
        target: "our p99 ÷ the bare consumer's, to be at most 1.3",
        ..Report::new("latency", &stage.shape, ours.spent)
    })
}

/// A thread that produces at an even rate.
struct Feeder {
    stop: Arc<AtomicBool>,
    thread: tokio::task::JoinHandle<Result<(), BenchError>>,
}

impl Feeder {
    fn start(stage: &Stage, rate: u64, begin: Instant) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stage, stopped) = (stage.clone(), stop.clone());
        let thread = tokio::task::spawn_blocking(move || feed(&stage, rate, begin, &stopped));
        Self { stop, thread }
    }

    async fn end(self) -> Result<(), BenchError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.await.map_err(|panicked| BenchError::Differs(panicked.to_string()))?
    }
}

fn feed(stage: &Stage, rate: u64, begin: Instant, stop: &AtomicBool) -> Result<(), BenchError> {
    let mut config = stage.producer();
    config.set("linger.ms", "0");
    let producer: BaseProducer = config.create()?;
    let mut drawer = Drawer::new(stage.topic.clone(), stage.shape.keys, stage.shape.work);
    for number in 0..stage.shape.n {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let due = Duration::from_nanos(number * 1_000_000_000 / rate.max(1));
        loop {
            let now = begin.elapsed();
            // Before the begin nothing has elapsed.
            if now >= due && Instant::now() >= begin {
                break;
            }
            producer.poll(Duration::ZERO);
            let left = if Instant::now() < begin { begin - Instant::now() } else { due - now };
            std::thread::sleep(left.min(Duration::from_micros(200)));
        }
        let micros = u64::try_from(due.as_micros()).unwrap_or(u64::MAX);
        fill::send(&producer, &drawer.draw(Some(micros))?, stage.shape.partitions)?;
    }
    fill::settle(&producer);
    Ok(())
}

/// The latencies that a bare consumer sees, in microseconds; it commits every 100 ms.
async fn bare(stage: &Stage, rate: u64) -> Result<Vec<u64>, BenchError> {
    fill::make_anew(stage, stage.topic.as_str()).await?;
    let consumer: StreamConsumer = stage.consumer(&format!("{}.bare", stage.group)).create()?;
    consumer.subscribe(&[stage.topic.as_str()])?;
    let begin = Instant::now() + Duration::from_secs(3);
    let feeder = Feeder::start(stage, rate, begin);
    let ledger = Ledger::new(begin);
    let mut desk = Desk::new(ledger.clone(), true);
    let mut stream = consumer.stream();
    let (mut seen, mut committed) = (0, Instant::now());
    while seen < stage.shape.n {
        let Some(message) = stream.next().await else { break };
        let message = message?;
        let envelope = EventEnvelope::<DepositMade>::decode(message.payload().unwrap_or_default())?;
        desk.book(&envelope.data);
        seen += 1;
        if committed.elapsed() > Duration::from_millis(100) {
            consumer.commit_message(&message, CommitMode::Async)?;
            committed = Instant::now();
        }
    }
    drop(desk);
    feeder.end().await?;
    Ok(ledger.latencies())
}
