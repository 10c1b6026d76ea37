//! The thread that makes a consumer's transactions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
};

use super::{
    Setup,
    client::{Client, Trouble},
};
use crate::transport::kafka::{
    acquire::note,
    commits::Standing,
    desk::{Desk, NotCommitted, Waiting, list_of, turn_away_the_lost},
};

/// What is not made to wait for the interval: so many events of one owner, who hands in no more until they are answered, or of all.
const MUCH_OF_ONE: u64 = 1_000;
const MUCH: u64 = 24_000;
/// How long records go one by one after some were refused together, unless one of them is found: then the topic takes no
/// batch of that size, and would refuse the next as well.
const APART: Duration = Duration::from_secs(60);
/// How long to wait before the broker is asked again.
const AGAIN: Duration = Duration::from_millis(200);

pub(super) struct Transactor<C: ConsumerContext + 'static> {
    consumer: Arc<BaseConsumer<C>>,
    /// `None` until there is one, and after one has failed for good.
    client: Option<Client>,
    /// An outsider's: the note that stood last beside its owner's tally. Another one there means another owner.
    seen: String,
    /// Another has the name, or nobody here has had it yet.
    fenced: bool,
    /// Until when each settler's records go by themselves, one after the other.
    apart: Option<Instant>,
}

fn is_enough(waiting: &[Waiting]) -> bool {
    let events = waiting.iter().map(|waiting| waiting.request.events);
    events.clone().any(|events| events >= MUCH_OF_ONE) || events.sum::<u64>() >= MUCH
}

impl<C: ConsumerContext + 'static> Transactor<C> {
    pub(super) fn new(consumer: Arc<BaseConsumer<C>>, standing: Standing) -> Self {
        let fenced = standing == Standing::Outsider;
        Self { consumer, client: None, seen: String::new(), fenced, apart: None }
    }

    /// Works until it is to stop.
    pub(super) fn serve(mut self, setup: &Setup, desk: &Desk, stop: &AtomicBool) {
        // Before there is something to do, since it takes a while; an error comes again then.
        if let Err(NotCommitted::Retry(why)) = self.prepare(setup) {
            log::warn!("kafka: {why}");
        }
        let mut due = Instant::now();
        while let Some(waiting) = desk.take(stop, due, is_enough) {
            due = Instant::now() + setup.interval;
            for mut lot in self.lots(waiting) {
                let answers = self.commit(setup, &mut lot, stop);
                for (waiting, answer) in lot.into_iter().zip(answers) {
                    waiting.answer(answer);
                }
            }
        }
    }

    /// What goes into one transaction each.
    fn lots(&mut self, waiting: Vec<Waiting>) -> Vec<Vec<Waiting>> {
        self.apart = self.apart.filter(|until| Instant::now() < *until);
        match self.apart {
            None => vec![waiting],
            Some(_) => waiting.into_iter().map(|waiting| vec![waiting]).collect(),
        }
    }

    /// Makes a producer, if there is none and none has been left.
    fn prepare(&mut self, setup: &Setup) -> Result<(), NotCommitted> {
        if let Some((client, seen)) = setup.take_what_is_left() {
            (self.client, self.seen, self.fenced) = (Some(client), seen, false);
        }
        if self.fenced {
            return Err(NotCommitted::Fenced("another owner has begun".into()));
        }
        if self.client.is_none() {
            let client = Client::begin(setup).map_err(|error| NotCommitted::Retry(error.message))?;
            self.client = Some(client);
        }
        Ok(())
    }

    /// Commits what waits, but for what is turned away; an answer for each that is left.
    fn commit(
        &mut self,
        setup: &Setup,
        waiting: &mut Vec<Waiting>,
        stop: &AtomicBool,
    ) -> Vec<Result<(), NotCommitted>> {
        let trouble = match self.transact(setup, waiting) {
            Ok(None) => {
                self.remember(waiting);
                return vec![Ok(()); waiting.len()];
            }
            Ok(Some(trouble)) => trouble,
            Err(why) => return vec![Err(why); waiting.len()],
        };
        log::warn!("kafka: a transaction of {} settlements: {trouble:?}", waiting.len());
        self.after(trouble, setup, waiting, stop)
    }

    /// What follows from a failed transaction: an answer for each that waits.
    fn after(
        &mut self,
        trouble: Trouble,
        setup: &Setup,
        waiting: &[Waiting],
        stop: &AtomicBool,
    ) -> Vec<Result<(), NotCommitted>> {
        let is_outsider = setup.standing == Standing::Outsider;
        match trouble {
            Trouble::Aborted(why) => vec![Err(NotCommitted::Retry(why)); waiting.len()],
            Trouble::Unfit(refusals, why) if refusals.is_empty() => {
                self.apart = Some(Instant::now() + APART);
                vec![Err(NotCommitted::Retry(why)); waiting.len()]
            }
            Trouble::Unfit(refusals, _) => {
                // It was this one; what has been taken is still looked at so.
                self.apart = Some(Instant::now());
                vec![Err(NotCommitted::Unfit(refusals)); waiting.len()]
            }
            Trouble::Broken(why) if !is_outsider => {
                self.client = None;
                vec![Err(NotCommitted::Retry(why)); waiting.len()]
            }
            Trouble::Fenced(why) if is_outsider => {
                self.client = None;
                self.fenced = true;
                let answers = self.find_out(setup, waiting, &why, stop);
                let fenced = |answer: Result<(), NotCommitted>| {
                    answer.map_err(|_| NotCommitted::Fenced(format!("another owner has begun: {why}")))
                };
                answers.into_iter().map(fenced).collect()
            }
            Trouble::Broken(why) | Trouble::Fenced(why) | Trouble::Unknown(why) => {
                self.client = None;
                self.begin_anew(setup, stop);
                self.find_out(setup, waiting, &why, stop)
            }
        }
    }

    /// One transaction; nothing if it is committed or there is nothing left to commit.
    fn transact(
        &mut self,
        setup: &Setup,
        waiting: &mut Vec<Waiting>,
    ) -> Result<Option<Trouble>, NotCommitted> {
        self.prepare(setup)?;
        // In this order: see the head of `transactions.rs`. A member that was thrown out has no generation, with which the
        // broker would take anything.
        let lost = || NotCommitted::Retry("the group has gone on without this member".into());
        let group = self.consumer.group_metadata().ok_or_else(lost)?;
        if setup.standing == Standing::Member && self.consumer.assignment_lost() {
            return Err(lost());
        }
        turn_away_the_lost(waiting);
        let Some(client) = self.client.as_ref().filter(|_| !waiting.is_empty()) else { return Ok(None) };
        let records: Vec<_> =
            waiting.iter_mut().flat_map(|waiting| std::mem::take(&mut waiting.request.records)).collect();
        let begun = Instant::now();
        let written = if self.apart.is_some() { client.write_apart(&records) } else { client.write(records) };
        let held = || waiting.iter().all(|waiting| waiting.request.is_held());
        let committed = written.and_then(|()| client.commit(&list_of(waiting), &group, begun, held));
        Ok(committed.err())
    }

    /// Has a new producer end what the old one left open, however long the broker is away.
    fn begin_anew(&mut self, setup: &Setup, stop: &AtomicBool) {
        while let Err(NotCommitted::Retry(why)) = self.prepare(setup) {
            log::warn!("kafka: {why}");
            if stop.load(Ordering::Acquire) {
                return;
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Whether settlements became real, by what is committed.
    fn find_out(
        &mut self,
        setup: &Setup,
        waiting: &[Waiting],
        why: &str,
        stop: &AtomicBool,
    ) -> Vec<Result<(), NotCommitted>> {
        let Some(notes) = self.notes(setup, waiting, stop) else {
            // Its owners go on from what is committed, whatever that is.
            let unknown = format!("{why}: whether it became real is not known");
            return vec![Err(NotCommitted::Fenced(unknown)); waiting.len()];
        };
        let mut answers = Vec::with_capacity(waiting.len());
        for (waiting, note) in waiting.iter().zip(notes) {
            let written = waiting.request.tally().map(|tally| &tally.note);
            answers.push(if written == Some(&note) {
                Ok(())
            } else if setup.standing == Standing::Outsider && note != self.seen {
                self.fenced = true;
                Err(NotCommitted::Fenced(format!("another owner has settled: {why}")))
            } else {
                Err(NotCommitted::Retry(why.to_owned()))
            });
        }
        if answers.iter().all(Result::is_ok) {
            self.remember(waiting);
        }
        answers
    }

    /// The notes that stand beside the tallies now; `None` when the thread is to stop and the broker is away.
    fn notes(&self, setup: &Setup, waiting: &[Waiting], stop: &AtomicBool) -> Option<Vec<String>> {
        loop {
            let mut list = TopicPartitionList::new();
            for tally in waiting.iter().filter_map(|waiting| waiting.request.tally()) {
                list.add_partition(&tally.topic, tally.partition);
            }
            match self.consumer.committed_offsets(list, setup.request_timeout) {
                Ok(list) => {
                    let note = |waiting: &Waiting| {
                        let tally = waiting.request.tally()?;
                        let element = list.find_partition(&tally.topic, tally.partition)?;
                        element.error().is_ok().then(|| note(&element))
                    };
                    let notes: Option<Vec<String>> = waiting.iter().map(note).collect();
                    if notes.is_some() {
                        return notes;
                    }
                    log::warn!("kafka: what is committed can't be told yet");
                }
                Err(error) => log::warn!("kafka: asking for what is committed: {error}"),
            }
            if stop.load(Ordering::Acquire) {
                return None;
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn remember(&mut self, waiting: &[Waiting]) {
        if let Some(tally) = waiting.last().and_then(|waiting| waiting.request.tally()) {
            self.seen.clone_from(&tally.note);
        }
    }
}
