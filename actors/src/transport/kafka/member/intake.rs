//! Partitions that the group gives us: set up, looked up, and handed to the assignee.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use pandaflow::{
    Offset, Partition,
    ports::{Assignment, StoreError, SubscriptionRequest},
};
use rdkafka::{
    Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::BorrowedMessage,
    topic_partition_list::Offset as At,
};

use super::{
    context::{Decided, MemberContext, give_back, take_over},
    notes::{Note, Wants},
    seat::{Channel, Seat, Stage},
    work::{Broken, Work},
};
use crate::transport::kafka::{
    acquire::{Found, Purpose, Search, look_up},
    core::Core,
    failure::failed,
    owners::{Committer, Former},
    topics::number,
};

/// How long to wait before a failed look-up is tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a partition may take that is to be read from before what was committed.
const REWIND: Duration = Duration::from_secs(5);

impl Decided {
    /// Tells the group that it was heard, when nobody cares any more what it was.
    pub(super) fn acknowledge(
        &self,
        consumer: &BaseConsumer<MemberContext>,
    ) -> rdkafka::error::KafkaResult<()> {
        match self {
            Self::Assign(list) => take_over(consumer, list),
            Self::Revoke(list) | Self::Lost(list) => give_back(consumer, list),
        }
    }
}

impl Work {
    /// Does what the group has decided.
    pub(super) fn take_decision(&mut self, decided: Decided) {
        match decided {
            Decided::Assign(list) => self.assign(&list),
            Decided::Revoke(list) => self.revoke(list),
            Decided::Lost(list) => self.lose(&list),
        }
    }

    fn assign(&mut self, list: &TopicPartitionList) {
        self.is_well();
        let Some(client) = &self.client else { return };
        let consumer = Arc::clone(&client.consumer);
        for element in list.elements() {
            let Some(input) = self.input_of(element.topic()) else { continue };
            let partition = Partition(u32::try_from(element.partition()).unwrap_or(0));
            // Before it is assigned, so that nothing comes past it.
            let Some(mut queue) = consumer.split_partition_queue(element.topic(), element.partition()) else {
                let why = format!("{}[{partition}] has no queue", element.topic());
                self.broken = Some(Broken::Failed(why));
                continue;
            };
            let filled = Arc::new(AtomicBool::new(true));
            let (bell, ringing) = (Arc::clone(&self.notes.bell), Arc::clone(&filled));
            queue.set_nonempty_callback(move || {
                ringing.store(true, Ordering::Release);
                bell.ring();
            });
            self.loose.insert((partition, input), Channel::new(self.topic(input), queue, filled));
        }
        if let Err(error) = take_over(&consumer, list) {
            self.complain(&error);
        }
        // One that was paused when it was revoked comes back paused.
        if let Err(error) = consumer.resume(list) {
            self.complain(&error);
        }
        if !self.closing {
            self.seat_complete();
        }
    }

    /// Numbers of which every topic's partition is ours are looked up, all in one go.
    fn seat_complete(&mut self) {
        let inputs = self.names.len();
        let mut complete: Vec<Partition> = self.loose.keys().map(|(partition, _)| *partition).collect();
        complete.dedup();
        complete.retain(|partition| (0..inputs).all(|input| self.loose.contains_key(&(*partition, input))));
        let mut wanted = Vec::new();
        for partition in complete {
            let channels = (0..inputs).filter_map(|input| self.loose.remove(&(partition, input))).collect();
            self.seat_numbers += 1;
            self.seats.insert(partition, Seat::new(partition, self.seat_numbers, channels));
            wanted.push((partition, self.seat_numbers));
        }
        self.look_up(wanted);
    }

    /// Looks partitions up once their earlier owners have nothing under way any more.
    pub(super) fn look_up(&mut self, wanted: Vec<(Partition, u64)>) {
        let Some(client) = self.client.as_ref().filter(|_| !wanted.is_empty()) else { return };
        let (core, consumer) = (Arc::clone(&self.core), Arc::clone(&client.consumer));
        let (notes, request) = (Arc::clone(&self.notes), self.request.clone());
        // Here and now: while it waits, the partition may be taken away, come back, and have an owner that is none of its.
        let take = |(partition, _): &(Partition, u64)| core.owners.take(&request.group, *partition);
        let former: Vec<Former> = wanted.iter().map(take).collect();
        let seat_of = |(partition, _): &(Partition, u64)| {
            self.seats.get(partition).map(|seat| (*partition, Arc::downgrade(&seat.wanted)))
        };
        let seats: HashMap<Partition, Weak<()>> = wanted.iter().filter_map(seat_of).collect();
        self.looking += 1;
        let looked_up = async move {
            Former::wait_for(former).await;
            let partitions: Vec<Partition> = wanted.iter().map(|(partition, _)| *partition).collect();
            let found = search(core, consumer, request, partitions, seats).await;
            notes.leave(Note::Found(wanted, found));
        };
        self.core.background.spawn(looked_up);
    }

    pub(super) fn found(&mut self, wanted: Vec<(Partition, u64)>, found: Result<Vec<Found>, StoreError>) {
        self.looking = self.looking.saturating_sub(1);
        match found {
            Ok(found) => {
                for found in found {
                    let number = wanted.iter().find(|(partition, _)| *partition == found.partition);
                    if let Some((partition, number)) = number
                        && self.is_awaited(*partition, *number)
                    {
                        self.begin(found);
                    }
                }
            }
            Err(error) => {
                let mut wanted = wanted;
                wanted.retain(|(partition, number)| self.is_awaited(*partition, *number));
                if wanted.is_empty() {
                    return;
                }
                log::warn!("kafka: {}: {error}: trying again", self.request.group);
                let at = Instant::now() + LOOK_AGAIN;
                // In two lots, and so on: a partition that has no leader must not hold up the others for good.
                let rest = wanted.split_off(wanted.len() / 2);
                self.look_again.extend([wanted, rest].into_iter().map(|lot| (at, lot)));
            }
        }
    }

    fn is_awaited(&self, partition: Partition, number: u64) -> bool {
        let seat = self.seats.get(&partition);
        seat.is_some_and(|seat| seat.number == number && matches!(seat.stage, Stage::Acquiring(_)))
    }

    pub(super) fn retry_look_ups(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.look_again.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, mut lot) in due {
            lot.retain(|(partition, number)| self.is_awaited(*partition, *number));
            self.look_up(lot);
        }
    }

    /// A partition has its new owner.
    fn begin(&mut self, mut found: Found) {
        let partition = found.partition;
        let Some(seat) = self.seats.get_mut(&partition) else { return };
        for (input, offset, read) in std::mem::take(&mut seat.back) {
            if found.ends.get(input).is_some_and(|end| *end < read) {
                found.begin_log_anew(input, offset);
            }
        }
        // What the client has handed out for an owner before may have been given back: it goes on behind that by itself.
        let again = found.rewind
            || seat.channels.iter().any(|channel| channel.read)
            || self.restarts.contains_key(&partition);
        if again {
            self.seek(&found);
        }
        let guarantee = self.guarantee();
        let Some(seat) = self.seats.get_mut(&partition) else { return };
        for (channel, (_, progress)) in seat.channels.iter_mut().zip(&found.progress) {
            if again {
                channel.forget();
            }
            channel.begin(progress.next);
        }
        let committer = Committer::Member(Arc::clone(&self.notes.commits));
        let acquired = self.core.owners.begin(&self.core, &self.request.group, found, guarantee, committer);
        let wants = Wants::new(&self.notes.bell);
        seat.stage = Stage::Owned(acquired.owner.clone(), Arc::clone(&wants));
        self.assignee.assigned(Assignment { acquired, demand: wants });
        if let Some(reply) = self.restarts.remove(&partition) {
            let _ = reply.send(Ok(()));
        }
    }

    /// An input goes on below what was read of it. Its partition is started over: from what was settled, unless its log turns out
    /// to end before what was read, and so to be another one.
    pub(super) fn went_back(&mut self, partition: Partition, input: usize, offset: Offset) {
        let Some(seat) = self.seats.get_mut(&partition) else { return };
        let Stage::Owned(owner, _) = &seat.stage else { return };
        let (epoch, read) = (owner.epoch, seat.channels[input].next);
        log::error!(
            "kafka: {}: {}[{partition}] goes on at {offset} after it was read up to {read}: the partition is started over",
            self.request.group,
            self.request.topics[input],
        );
        seat.back.push((input, offset, read));
        self.seat_numbers += 1;
        seat.start_over(self.seat_numbers, None);
        self.take_away(partition, epoch);
        self.look_up(vec![(partition, self.seat_numbers)]);
    }

    /// Goes back to what was committed. Everything that was fetched before is out of date from here on.
    fn seek(&mut self, found: &Found) {
        let Some(client) = &self.client else { return };
        for (name, (_, progress)) in self.names.iter().zip(&found.progress) {
            let at = match i64::try_from(progress.next.0) {
                Ok(0) | Err(_) => At::Beginning,
                Ok(offset) => At::Offset(offset),
            };
            // With no time to wait it doesn't tell whether the partition has begun to be read; one that has not begins at
            // what was committed anyway. Where that would be too far, it has to tell.
            let patience = if found.rewind { REWIND } else { Duration::ZERO };
            if let Err(error) = client.consumer.seek(name, number(found.partition.0), at, patience) {
                log::warn!("kafka: {}: seeking {name}[{}]: {error}", self.request.group, found.partition);
            }
        }
    }

    /// A record that did not come through its partition's queue.
    pub(super) fn came_astray(&mut self, message: &BorrowedMessage<'_>) {
        let Some(input) = self.input_of(message.topic()) else { return };
        let partition = Partition(u32::try_from(message.partition()).unwrap_or(0));
        let seated = self.seats.get_mut(&partition).and_then(|seat| seat.channels.get_mut(input));
        if let Some(channel) = seated.or_else(|| self.loose.get_mut(&(partition, input))) {
            channel.went_astray(message);
        }
    }
}

/// Looks partitions up, with all that has to be there for them.
async fn search(
    core: Arc<Core>,
    consumer: Arc<BaseConsumer<MemberContext>>,
    request: SubscriptionRequest,
    partitions: Vec<Partition>,
    seats: HashMap<Partition, Weak<()>>,
) -> Result<Vec<Found>, StoreError> {
    // Inputs may have grown since, and another member may have written state of their new partitions already.
    if let Some(last) = partitions.iter().map(|partition| partition.0).max()
        && core.config.settle_in.is_none()
    {
        core.changelog_for(&request.group, last, last + 1).await?;
    }
    let timeout = core.config.request_timeout;
    let committed =
        move |list| consumer.committed_offsets(list, timeout).map_err(failed("reading committed offsets"));
    let search = Search {
        group: request.group,
        partitions,
        topics: request.topics,
        purpose: Purpose::Reading,
        marks: request.marks,
        wanted: Arc::new(move |partition| seats.get(&partition).is_some_and(|seat| seat.strong_count() > 0)),
    };
    look_up(&core, committed, search).await
}
