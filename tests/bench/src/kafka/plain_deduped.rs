//! The bound of `consume --dedup redis`: the loop of `plain`, which asks Redis before it handles: `SET id 1 NX PX ttl`, once for each
//! event. With pipelines of [`BATCH`] ids, [`AHEAD`] at once, as a careful person writes it; and one by one, as most do.

use std::{collections::VecDeque, time::Instant};

use pandaflow::EventEnvelope;
use rdkafka::{
    Message,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::BorrowedMessage,
};
use redis::{Pipeline, RedisResult, aio::MultiplexedConnection};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{
    Stage,
    deposits::DepositMade,
    desk::{Desk, Ledger},
    plain::{COMMIT_EVERY, list, receive},
};
use crate::{
    BenchError,
    till::Taken,
    usage::{Spent, Stopwatch},
};

/// Ids that one pipeline asks for.
const BATCH: usize = 500;
/// Pipelines that wait for their answers at once.
const AHEAD: usize = 8;
/// How long an id is remembered, in milliseconds: as long as the processor's `dedup(ttl = "1h")` says.
const TTL: u64 = 3_600_000;
/// Which share of the events is consumed one by one: it would take minutes for all.
const SHARE: u64 = 20;

/// Events whose ids were asked for.
struct Asked<'a> {
    events: Vec<BorrowedMessage<'a>>,
    /// Whether each was new.
    answer: JoinHandle<RedisResult<Vec<Option<String>>>>,
}

/// Consumes `n` events.
pub(crate) fn consume(stage: &Stage, round: usize, runtime: &Handle) -> Result<(Spent, Taken), BenchError> {
    run(stage, round, runtime, stage.shape.n, (BATCH, AHEAD))
}

/// The rate of the loop that asks for one event after the other, in events a second.
pub(crate) fn one_by_one(stage: &Stage, round: usize, runtime: &Handle) -> Result<f64, BenchError> {
    let n = (stage.shape.n / SHARE).max(1);
    let (spent, _) = run(stage, round, runtime, n, (1, 1))?;
    Ok(n as f64 / spent.wall.as_secs_f64())
}

fn run(
    stage: &Stage,
    round: usize,
    runtime: &Handle,
    n: u64,
    (batch, ahead): (usize, usize),
) -> Result<(Spent, Taken), BenchError> {
    let topic = stage.topic.as_str();
    let name = format!("{}.loop-{batch}-{round}", stage.group);
    let connection = runtime.block_on(connect())?;
    let ledger = Ledger::new(Instant::now());
    let mut desk = Desk::new(ledger.clone(), false);
    let consumer: BaseConsumer = stage.consumer(&name).create()?;
    consumer.subscribe(&[topic])?;
    let mut next = vec![None; stage.shape.partitions as usize];
    let (mut asked, mut received, mut handled, mut stopwatch) = (VecDeque::new(), 0, 0, None);
    while handled < n {
        while received < n && asked.len() < ahead {
            let mut events = Vec::with_capacity(batch);
            while events.len() < batch && received < n {
                events.push(receive(&consumer)?);
                stopwatch.get_or_insert_with(Stopwatch::start);
                received += 1;
            }
            asked.push_back(ask(&name, events, &connection, runtime)?);
        }
        let Some(Asked { events, answer }) = asked.pop_front() else { break };
        let fresh = runtime.block_on(answer).map_err(|error| BenchError::Differs(error.to_string()))?;
        for (message, fresh) in events.iter().zip(fresh.map_err(told)?) {
            if fresh.is_some() {
                let deposit = EventEnvelope::<DepositMade>::decode(message.payload().unwrap_or_default())?;
                desk.book(&deposit.data);
            }
            if let Some(next) = next.get_mut(message.partition() as usize) {
                *next = Some(message.offset() + 1);
            }
            handled += 1;
            if handled % COMMIT_EVERY == 0 {
                consumer.commit(&list(topic, &next)?, CommitMode::Async)?;
            }
        }
    }
    consumer.commit(&list(topic, &next)?, CommitMode::Sync)?;
    let spent = stopwatch.map_or_else(Spent::default, |stopwatch| stopwatch.spent());
    drop(desk);
    Ok((spent, ledger.taken()))
}

/// Sends the question, and goes on.
fn ask<'a>(
    group: &str,
    events: Vec<BorrowedMessage<'a>>,
    connection: &MultiplexedConnection,
    runtime: &Handle,
) -> Result<Asked<'a>, BenchError> {
    let mut pipeline = Pipeline::with_capacity(events.len());
    for message in &events {
        // Its id stands at the beginning of an envelope.
        let id =
            message.payload().and_then(|json| json.get(7..43)).ok_or(BenchError::Options(NO_ENVELOPE))?;
        pipeline.cmd("SET").arg([group.as_bytes(), id].concat()).arg(1).arg("NX").arg("PX").arg(TTL);
    }
    let mut connection = connection.clone();
    let answer = runtime.spawn(async move { pipeline.query_async(&mut connection).await });
    Ok(Asked { events, answer })
}

const NO_ENVELOPE: &str = "the topic holds something else than envelopes: fill it (--fill)";

async fn connect() -> Result<MultiplexedConnection, BenchError> {
    let settings = pandaflow_actors::read_settings(&pandaflow::settings::Loader::new())?;
    let client = redis::Client::open(settings.redis.url.reveal()).map_err(told)?;
    client.get_multiplexed_async_connection().await.map_err(told)
}

fn told(error: redis::RedisError) -> BenchError {
    BenchError::Differs(format!("redis: {error}"))
}
