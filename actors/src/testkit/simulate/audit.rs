//! The books of a run: what every partition of every processor was given, and what became of each event. They are checked
//! against the guarantees of `docs/semantics.md` at each attempt and at each settlement.

use std::collections::BTreeMap;

use bytes::Bytes;
use pandaflow::{
    Declaration, Epoch, ErrorClass, Group, Order, Partition, TopicName,
    policy::{ledger::Outcome, retry::RetryPolicy, watermark::Progress},
    ports::{AttemptChange, Batch, Owner, ParkChange, Settlement},
};

use super::{
    effects::check_effects,
    entry::{Entry, EventKey, Now},
    story::Violation,
};

/// The last attempt at an event that the simulation makes go wrong: others are left for what the handler does by itself.
const LAST_DISTURBED: u32 = 2;

/// What a processor declares of itself, as far as the books need it.
struct Rules {
    order: Order,
    dedups: bool,
    last_disturbed: u32,
    most_attempts: u32,
}

/// One partition of a processor.
#[derive(Default)]
struct Account {
    epoch: u64,
    retired: bool,
    events: BTreeMap<EventKey, Entry>,
    /// Per lane the event that is being handled.
    running: BTreeMap<Bytes, EventKey>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Audit {
    rules: BTreeMap<Group, Rules>,
    accounts: BTreeMap<(Group, Partition), Account>,
}

impl Audit {
    pub(super) fn add(&mut self, group: Group, declaration: &Declaration) {
        let policy = RetryPolicy::declared(declaration.retries);
        let most_attempts =
            ErrorClass::ALL.iter().map(|class| policy.class(*class).attempts.max(1)).max().unwrap_or(1);
        let transient = policy.class(ErrorClass::Transient).attempts;
        let rules = Rules {
            order: declaration.order,
            dedups: declaration.dedup.is_some(),
            last_disturbed: transient.saturating_sub(1).min(LAST_DISTURBED),
            most_attempts,
        };
        self.rules.insert(group, rules);
    }

    pub(super) fn may_be_disturbed(&self, group: &Group, attempt: u32) -> bool {
        self.rules.get(group).is_some_and(|rules| attempt <= rules.last_disturbed)
    }

    fn account(&mut self, group: &Group, partition: Partition) -> &mut Account {
        self.accounts.entry((group.clone(), partition)).or_default()
    }

    pub(super) fn assigned(&mut self, owner: &Owner) {
        let account = self.account(&owner.group, owner.partition);
        account.epoch = owner.epoch.0;
        account.retired = false;
        account.events.values_mut().for_each(|entry| entry.now = Now::Waits);
    }

    pub(super) fn retired(&mut self, group: &Group, partition: Partition, epoch: Epoch) {
        let account = self.account(group, partition);
        account.retired |= account.epoch == epoch.0;
    }

    pub(super) fn delivered(&mut self, group: &Group, batch: &Batch) {
        let account = self.account(group, batch.partition);
        for record in &batch.records {
            account.events.entry(EventKey::of(record)).or_insert_with(|| Entry::of(record));
        }
    }

    pub(super) fn filed(&mut self, group: &Group, event: &EventKey) {
        if let Some(entry) = self.account(group, event.partition).events.get_mut(event) {
            entry.now = Now::Filed;
        }
    }

    /// An attempt begins: guarantees 3 to 5.
    pub(super) fn begins(&mut self, owner: &Owner, event: &EventKey, number: u32) -> Result<(), Violation> {
        let Some(rules) = self.rules.get(&owner.group) else { return Ok(()) };
        let (order, most, dedups) = (rules.order, rules.most_attempts, rules.dedups);
        let account = self.account(&owner.group, owner.partition);
        let Some(entry) = account.events.get(event).cloned() else {
            return Err(Violation::new("attempts", format!("{event} is handled and was never delivered")));
        };
        if let Some(how) = entry.settled.filter(|_| entry.is_settled_for_good()) {
            return Err(Violation::new(
                "attempts",
                format!("{event} is handled after it was settled ({how:?})"),
            ));
        }
        if number > most || number > entry.failures + 1 || number <= entry.kept {
            let (failures, kept) = (entry.failures, entry.kept);
            return Err(Violation::new(
                "attempts",
                format!(
                    "attempt {number} of {most} at {event} begins after {failures} that failed, {kept} of them stored"
                ),
            ));
        }
        // One that was replaced and doesn't know goes on for a moment; what it does is fenced.
        let current = account.epoch == owner.epoch.0;
        let before = account.overtaken(order, event, &entry, dedups).filter(|_| current);
        if let Some(entry) = account.events.get_mut(event).filter(|_| current) {
            entry.now = Now::Runs;
        }
        if let Some(lane) = entry.lane(order) {
            account.running.insert(lane, event.clone());
        }
        match before {
            Some(before) => {
                Err(Violation::new("order", format!("{event} begins before {before}, which has not ended")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn ends(&mut self, owner: &Owner, event: &EventKey, well: bool) {
        let account = self.account(&owner.group, owner.partition);
        account.running.retain(|_, running| running != event);
        let current = account.epoch == owner.epoch.0;
        if let Some(entry) = account.events.get_mut(event) {
            entry.failures += u32::from(!well);
            if current {
                entry.now = if well { Now::Handled } else { Now::Failed };
            }
        }
    }

    /// A settlement has become real: guarantees 1, 2, 4, 6 and 9.
    pub(super) fn settled(&mut self, settlement: &Settlement) -> Result<(), Violation> {
        let Owner { group, partition, epoch } = &settlement.owner;
        let dedups = self.rules.get(group).is_some_and(|rules| rules.dedups);
        let account = self.account(group, *partition);
        if account.retired || account.epoch != epoch.0 {
            let what = format!("{group} partition {partition} is settled by epoch {epoch}, which is over");
            return Err(Violation::new("fencing", what));
        }
        account.keep_attempts(settlement, *partition)?;
        let mut newly = account.newly(&settlement.progress, *partition)?;
        let parked = parked_by(settlement, *partition);
        newly.extend(account.unparked(&parked, &newly)?);
        let mut handled = Vec::new();
        for event in &newly {
            let is_parked = parked.get(event).copied().unwrap_or(false);
            let how = account.how_ended(settlement, event, dedups, is_parked)?;
            if let Some(entry) = account.events.get_mut(event) {
                entry.settled = Some(how);
                if how == Outcome::Succeeded {
                    handled.push(entry.clone());
                }
            }
        }
        account.balances(settlement)?;
        check_effects(settlement, &handled)?;
        for letter in &settlement.dead_letters {
            let event = EventKey::of(&letter.record);
            if !newly.contains(&event) {
                let what = format!("the dead letter of {event} is there, and the event not settled with it");
                return Err(Violation::new("dead letters", what));
            }
        }
        Ok(())
    }
}

/// The last word of a settlement on each event that it parks, or that ceases to be parked.
fn parked_by(settlement: &Settlement, partition: Partition) -> BTreeMap<EventKey, bool> {
    let word = |change: &ParkChange| match change {
        ParkChange::Parked(event) => (EventKey::of(&event.record), true),
        ParkChange::Ended { topic, offset } => {
            (EventKey { topic: topic.clone(), partition, offset: *offset }, false)
        }
    };
    settlement.parking.iter().map(word).collect()
}

impl Account {
    /// An event of the same lane that should have ended before this one begins.
    fn overtaken(&self, order: Order, event: &EventKey, entry: &Entry, dedups: bool) -> Option<EventKey> {
        let lane = entry.lane(order)?;
        if let Some(running) = self.running.get(&lane).filter(|running| *running != event) {
            return Some(running.clone());
        }
        let earlier = self.events.range(..event).filter(|(key, before)| {
            key.topic == event.topic && before.lane(order).as_ref() == Some(&lane) && !before.has_ended()
        });
        earlier.map(|(key, _)| key).find(|key| !(dedups && self.is_duplicate(key))).cloned()
    }

    /// Whether another event of the same id has ended.
    fn is_duplicate(&self, event: &EventKey) -> bool {
        let Some(id) = self.events.get(event).and_then(|entry| entry.id) else { return false };
        self.events.iter().any(|(key, other)| key != event && other.id == Some(id) && other.has_ended())
    }

    /// Parked events that have ended: they were settled before, and are so for good now. Whatever is parked is settled with it, or was
    /// parked before.
    fn unparked(
        &self,
        parked: &BTreeMap<EventKey, bool>,
        newly: &[EventKey],
    ) -> Result<Vec<EventKey>, Violation> {
        let mut ended = Vec::new();
        for (event, is_parked) in parked.iter().filter(|(event, _)| !newly.contains(event)) {
            match self.events.get(event).and_then(|entry| entry.settled) {
                Some(Outcome::Parked) if *is_parked => {}
                Some(Outcome::Parked) => ended.push(event.clone()),
                how => {
                    let what = format!("{event} is parked or ceases to be, and is settled so: {how:?}");
                    return Err(Violation::new("parking", what));
                }
            }
        }
        Ok(ended)
    }

    fn keep_attempts(&mut self, settlement: &Settlement, partition: Partition) -> Result<(), Violation> {
        let failed = settlement.attempts.iter().filter_map(|change| match change {
            AttemptChange::Failed(failed) => {
                let (topic, offset) = (failed.topic.clone(), failed.offset);
                Some((EventKey { topic, partition, offset }, failed.attempts))
            }
            AttemptChange::Ended { .. } => None,
        });
        let parked = settlement.parking.iter().filter_map(|change| match change {
            ParkChange::Parked(event) => Some((EventKey::of(&event.record), event.attempts)),
            ParkChange::Ended { .. } => None,
        });
        for (event, attempts) in failed.chain(parked) {
            let Some(entry) = self.events.get_mut(&event) else { continue };
            if attempts > entry.failures {
                let (told, failures) = (attempts, entry.failures);
                let what =
                    format!("{told} failed attempts at {event} are stored, of which {failures} were made");
                return Err(Violation::new("attempts", what));
            }
            entry.kept = entry.kept.max(attempts);
        }
        Ok(())
    }

    /// What is settled now and was not before; nothing that was settled ceases to be.
    fn newly(
        &self,
        progress: &[(TopicName, Progress)],
        partition: Partition,
    ) -> Result<Vec<EventKey>, Violation> {
        let mut newly = Vec::new();
        for (topic, progress) in progress {
            let mut known = 0;
            for (event, entry) in self.events.iter().filter(|(event, _)| event.topic == *topic) {
                let settled = progress.is_settled(event.offset);
                known += u64::from(settled);
                if settled && entry.settled.is_none() {
                    newly.push(event.clone());
                }
                if !settled && entry.settled.is_some() {
                    let what = format!("{event} was settled, and is not by progress {progress}");
                    return Err(Violation::new("progress", what));
                }
            }
            let above = progress.above.iter().map(|(first, last)| last.0 - first.0 + 1).sum::<u64>();
            if progress.next.0 + above != known {
                let what = format!(
                    "{topic}/{partition}: progress {progress} passes events that were never delivered: {known} were"
                );
                return Err(Violation::new("progress", what));
            }
        }
        Ok(newly)
    }

    /// How an event has ended that is settled. A further way to end belongs here.
    fn how_ended(
        &self,
        settlement: &Settlement,
        event: &EventKey,
        dedups: bool,
        is_parked: bool,
    ) -> Result<Outcome, Violation> {
        if is_parked {
            // It may have come back by the time that this becomes real.
            return Ok(Outcome::Parked);
        }
        let now = self.events.get(event).map_or(Now::Waits, |entry| entry.now);
        if settlement.dead_letters.iter().any(|letter| EventKey::of(&letter.record) == *event) {
            return Ok(Outcome::DeadLettered);
        }
        match now {
            Now::Handled => Ok(Outcome::Succeeded),
            _ if dedups && self.is_duplicate(event) => Ok(Outcome::Duplicate),
            now => Err(Violation::new(
                "progress",
                format!("progress passes {event}, which has not ended ({now:?})"),
            )),
        }
    }

    /// The ledger tells what was settled, kind by kind.
    fn balances(&self, settlement: &Settlement) -> Result<(), Violation> {
        let of = |how| self.events.values().filter(|entry| entry.settled == Some(how)).count() as u64;
        let ledger = settlement.ledger;
        let ours =
            (of(Outcome::Succeeded), of(Outcome::Duplicate), of(Outcome::DeadLettered), of(Outcome::Parked));
        let told =
            (ledger.succeeded + ledger.filtered, ledger.duplicate, ledger.dead_lettered, ledger.parked);
        if ours == told && ledger.is_settled() {
            return Ok(());
        }
        let what = format!(
            "by the books (handled, duplicate, dead letters, parked) are {ours:?}, by the ledger {ledger:?}"
        );
        Err(Violation::new("ledger", what))
    }
}
