//! Retention: what is past it is deleted in small steps between transactions, so that the writer is never stopped.
//!
//! A record goes when it is older than its topic's retention and every group that reads the topic has settled
//! it; a dedup mark when it has expired; a dead letter when it is older than the configured retention. A step
//! takes about two milliseconds and comes at most every twenty. Its transactions do not wait for the disk: were they
//! lost, the next pass would delete the same.

use std::time::{Duration, Instant};

use diesel::{SqliteConnection, connection::SimpleConnection, prelude::*};
use pandaflow::{Partition, Timestamp, ports::StoreError};

use super::Writer;
use crate::transport::embedded::{
    connection::failed,
    log_id::{log_id, offset_of},
    rows::{DedupRow, ProgressRow, StreamRow},
    schema::{dead_letters, dedup, groups, log, progress, streams},
};

const STEP: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_millis(20);
const MAX_ROWS: i64 = 1024;
const MIN_ROWS: i64 = 16;
/// Dedup marks are looked through from end to end, so only in every tenth pass.
const DEDUP_PASSES: u64 = 10;

/// What is left to look through in this pass.
#[derive(Debug)]
enum Task {
    Stream { topic: i32, partition: Partition, stream: i64, retention: Duration },
    Dedup { group: i32, after: Vec<u8> },
    DeadLetters,
}

/// The state of tidying.
#[derive(Debug)]
pub(super) struct Tidying {
    every: Duration,
    due: Instant,
    passes: u64,
    tasks: Option<Vec<Task>>,
    rows: i64,
}

impl Tidying {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, due: Instant::now() + every, passes: 0, tasks: None, rows: 256 }
    }

    /// When the next step is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn put_off(&mut self, time: Duration) {
        self.tasks = None;
        self.due = Instant::now() + time;
    }

    /// Begins a pass over everything now.
    pub(super) fn start(&mut self) {
        self.tasks = None;
        self.passes = 0;
    }

    /// Works for about two milliseconds. Returns whether the pass goes on.
    pub(super) fn step(&mut self, writer: &mut Writer) -> Result<bool, StoreError> {
        let began = Instant::now();
        if self.tasks.is_none() {
            self.tasks = Some(tasks(writer, self.passes.is_multiple_of(DEDUP_PASSES))?);
            self.passes += 1;
        }
        let result = self.work(writer, began);
        let goes_on = *result.as_ref().unwrap_or(&false);
        self.due = Instant::now() + if goes_on { PAUSE } else { self.every };
        if !goes_on {
            self.tasks = None;
        }
        result
    }

    fn work(&mut self, writer: &mut Writer, began: Instant) -> Result<bool, StoreError> {
        let what = failed("tidying");
        writer.connection.batch_execute("PRAGMA synchronous = NORMAL;").map_err(&what)?;
        let mut result = Ok(true);
        while let (Ok(true), true) = (&result, began.elapsed() < STEP) {
            result = self.one(writer);
        }
        writer.connection.batch_execute("PRAGMA synchronous = FULL;").map_err(&what)?;
        result
    }

    /// One small transaction. Returns whether there is more.
    fn one(&mut self, writer: &mut Writer) -> Result<bool, StoreError> {
        let Some(tasks) = &mut self.tasks else { return Ok(false) };
        let Some(task) = tasks.last_mut() else { return Ok(false) };
        let began = Instant::now();
        let done = match task {
            Task::Stream { topic, partition, stream, retention } => {
                let cutoff = before(writer.config.clock.now(), *retention);
                prune_stream(&mut writer.connection, (*topic, *partition, *stream), cutoff, self.rows)?
            }
            Task::Dedup { group, after } => {
                let now = writer.config.clock.now();
                prune_dedup(&mut writer.connection, *group, after, now, self.rows)?
            }
            Task::DeadLetters => {
                let cutoff = before(writer.config.clock.now(), writer.config.dead_letter_retention);
                prune_dead_letters(&mut writer.connection, cutoff, self.rows)?
            }
        };
        if done {
            tasks.pop();
        }
        self.rows = match began.elapsed() {
            took if took > STEP => (self.rows / 2).max(MIN_ROWS),
            took if took < STEP / 4 => (self.rows * 2).min(MAX_ROWS),
            _ => self.rows,
        };
        Ok(!tasks.is_empty())
    }
}

fn before(now: Timestamp, retention: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)))
}

fn tasks(writer: &mut Writer, with_dedup: bool) -> Result<Vec<Task>, StoreError> {
    let mut tasks = vec![Task::DeadLetters];
    if with_dedup {
        let ids: Vec<i32> = groups::table
            .select(groups::id)
            .load(&mut writer.connection)
            .map_err(failed("reading the groups"))?;
        tasks.extend(ids.into_iter().map(|group| Task::Dedup { group, after: Vec::new() }));
    }
    for topic in writer.catalog.topics() {
        for (partition, stream) in (0..).map(Partition).zip(topic.streams.iter()) {
            tasks.push(Task::Stream {
                topic: topic.id,
                partition,
                stream: stream.id,
                retention: topic.retention,
            });
        }
    }
    Ok(tasks)
}

/// Deletes the oldest records of a partition. Returns whether nothing more is to be deleted.
fn prune_stream(
    connection: &mut SqliteConnection,
    (topic, partition, stream): (i32, Partition, i64),
    cutoff: Timestamp,
    rows: i64,
) -> Result<bool, StoreError> {
    let what = failed("pruning the log");
    let row: StreamRow = streams::table.find(stream).first(connection).map_err(&what)?;
    let row = row.checked()?;
    let first = log_id(stream, row.first_off.cast_unsigned());
    let settled = settled_by_all(connection, topic, partition)?;
    let end = settled.map_or(log_id(stream + 1, 0), |next| log_id(stream, next));
    let oldest: Vec<(i64, i64)> = log::table
        .filter(log::id.ge(first).and(log::id.lt(end)))
        .order(log::id)
        .limit(rows)
        .select((log::id, log::appended_ms))
        .load(connection)
        .map_err(&what)?;
    let old = oldest.iter().take_while(|(_, appended)| *appended < cutoff.0).count();
    let Some((last, _)) = old.checked_sub(1).and_then(|last| oldest.get(last)) else { return Ok(true) };
    let next = offset_of(*last).next().0.cast_signed();
    connection
        .immediate_transaction(|connection| {
            diesel::delete(log::table.filter(log::id.ge(first).and(log::id.le(last)))).execute(connection)?;
            let pruned = row.pruned(next, row.next_off.max(next));
            diesel::update(streams::table.find(stream)).set(&pruned).execute(connection)
        })
        .map_err(&what)?;
    Ok(old < oldest.len() || oldest.len() < usize::try_from(rows).unwrap_or(usize::MAX))
}

/// The least that any group which reads the topic has settled; `None` if none reads it.
fn settled_by_all(
    connection: &mut SqliteConnection,
    topic: i32,
    partition: Partition,
) -> Result<Option<u64>, StoreError> {
    let rows: Vec<ProgressRow> = progress::table
        .filter(progress::topic_id.eq(topic).and(progress::part.eq(i64::from(partition.0))))
        .load(connection)
        .map_err(failed("reading the progress"))?;
    let mut least = None;
    for row in rows {
        let next = row.settled()?.next.0;
        least = Some(least.map_or(next, |least: u64| least.min(next)));
    }
    Ok(least)
}

fn prune_dedup(
    connection: &mut SqliteConnection,
    group: i32,
    after: &mut Vec<u8>,
    now: Timestamp,
    rows: i64,
) -> Result<bool, StoreError> {
    let what = failed("pruning dedup marks");
    let marks: Vec<DedupRow> = dedup::table
        .filter(dedup::group_id.eq(group).and(dedup::id.gt(&after[..])))
        .order(dedup::id)
        .limit(rows)
        .load(connection)
        .map_err(&what)?;
    let Some(last) = marks.last() else { return Ok(true) };
    after.clone_from(&last.id);
    let done = marks.len() < usize::try_from(rows).unwrap_or(usize::MAX);
    if marks.iter().any(|mark| mark.expires() <= now) {
        connection
            .immediate_transaction(|connection| {
                for mark in marks.iter().filter(|mark| mark.expires() <= now) {
                    diesel::delete(dedup::table.find((group, &mark.id))).execute(connection)?;
                }
                Ok(())
            })
            .map_err(&what)?;
    }
    Ok(done)
}

fn prune_dead_letters(
    connection: &mut SqliteConnection,
    cutoff: Timestamp,
    rows: i64,
) -> Result<bool, StoreError> {
    let what = failed("pruning dead letters");
    let oldest: Vec<(i64, i64)> = dead_letters::table
        .order(dead_letters::id)
        .limit(rows)
        .select((dead_letters::id, dead_letters::stored_ms))
        .load(connection)
        .map_err(&what)?;
    let old = oldest.iter().take_while(|(_, stored)| *stored < cutoff.0).count();
    let Some((last, _)) = old.checked_sub(1).and_then(|last| oldest.get(last)) else { return Ok(true) };
    diesel::delete(dead_letters::table.filter(dead_letters::id.le(last)))
        .execute(connection)
        .map_err(&what)?;
    Ok(old < oldest.len() || oldest.len() < usize::try_from(rows).unwrap_or(usize::MAX))
}
