//! Partitions that are to be given back: drained while the others go on, then let go of.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use pandaflow::{Epoch, Partition, ports::Owner};
use rdkafka::TopicPartitionList;

use super::{context::give_back, notes::Released, seat::Stage, work::Work};

/// A lot of partitions that the group wants back.
pub(super) struct Revocation {
    list: TopicPartitionList,
    /// Owners that have not let go.
    draining: BTreeSet<(Partition, Epoch)>,
    deadline: Instant,
}

impl Work {
    /// The group wants partitions back.
    pub(super) fn revoke(&mut self, list: TopicPartitionList) {
        let mut draining = BTreeSet::new();
        for partition in partitions_of(&list) {
            if let Some(owner) = self.drain(partition) {
                draining.insert((partition, owner.epoch));
            }
        }
        let deadline = Instant::now() + self.core.config.drain;
        self.revocations.push(Revocation { list, draining, deadline });
        self.end_drains();
    }

    /// Asks the owner of a partition to drain; the owner, if it has one that drains now. One that has let go does not any more,
    /// though its partition may wait for others of its lot.
    fn drain(&mut self, partition: Partition) -> Option<Owner> {
        let seat = self.seats.get_mut(&partition)?;
        match &mut seat.stage {
            Stage::Acquiring(former) => {
                // It is not started over for the owner that has failed.
                if let Some(former) = former.take() {
                    self.assignee.lost(partition, former.epoch);
                }
                None
            }
            Stage::Draining(owner) => {
                let place = (partition, owner.epoch);
                let drains = self.revocations.iter().any(|revocation| revocation.draining.contains(&place));
                drains.then(|| owner.clone())
            }
            Stage::Owned(owner, _) => {
                let owner = owner.clone();
                seat.stage = Stage::Draining(owner.clone());
                let (core, notes) = (Arc::clone(&self.core), Arc::clone(&self.notes));
                let released = Released { core, notes, owner: owner.clone() };
                self.assignee.revoked(partition, owner.epoch, Box::new(released));
                Some(owner)
            }
        }
    }

    /// An owner has let go.
    pub(super) fn released(&mut self, partition: Partition, epoch: Epoch) {
        for revocation in &mut self.revocations {
            revocation.draining.remove(&(partition, epoch));
        }
        let ours = |stage: &Stage| matches!(stage, Stage::Draining(owner) if owner.epoch == epoch);
        if self.closing && self.seats.get(&partition).is_some_and(|seat| ours(&seat.stage)) {
            self.seats.remove(&partition);
        }
    }

    /// Gives back what has drained, and what had its time.
    pub(super) fn end_drains(&mut self) {
        let now = Instant::now();
        while let Some(place) = self
            .revocations
            .iter()
            .position(|revocation| revocation.draining.is_empty() || revocation.deadline <= now)
        {
            let Revocation { list, draining, .. } = self.revocations.remove(place);
            for (partition, epoch) in draining {
                log::warn!("kafka: {}: partition {partition} did not drain in time", self.request.group);
                self.take_away(partition, epoch);
            }
            self.let_go(&list);
        }
    }

    /// Nothing of an owner is settled any more.
    pub(super) fn take_away(&mut self, partition: Partition, epoch: Epoch) {
        self.core.owners.retire(&Owner { group: self.request.group.clone(), partition, epoch });
        self.notes.commits.withdraw(partition);
        self.assignee.lost(partition, epoch);
    }

    /// Tells the group that partitions are free.
    fn let_go(&mut self, list: &TopicPartitionList) {
        self.forget(list);
        let Some(client) = &self.client else { return };
        if let Err(error) = give_back(&client.consumer, list) {
            self.complain(&error);
        }
    }

    /// The partitions are not ours any more: neither their seats nor their queues.
    fn forget(&mut self, list: &TopicPartitionList) {
        for element in list.elements() {
            let Some(input) = self.input_of(element.topic()) else { continue };
            let partition = Partition(u32::try_from(element.partition()).unwrap_or(0));
            self.loose.remove(&(partition, input));
            if let Some(reply) = self.restarts.remove(&partition) {
                // That it was taken away is nobody's failure.
                let _ = reply.send(Ok(()));
            }
            // Other topics' partitions of this number may stay: they wait for this one to come back.
            if let Some(seat) = self.seats.remove(&partition) {
                let others = seat.channels.into_iter().enumerate().filter(|(other, _)| *other != input);
                self.loose.extend(others.map(|(other, channel)| ((partition, other), channel)));
            }
        }
    }

    /// The group has given partitions to others already.
    pub(super) fn lose(&mut self, list: &TopicPartitionList) {
        for partition in partitions_of(list) {
            self.lose_one(partition);
        }
        self.let_go(list);
    }

    fn lose_one(&mut self, partition: Partition) {
        let owner = self.seats.get_mut(&partition).and_then(|seat| match &mut seat.stage {
            Stage::Owned(owner, _) | Stage::Draining(owner) => Some(owner.clone()),
            Stage::Acquiring(former) => former.take(),
        });
        if let Some(owner) = owner {
            for revocation in &mut self.revocations {
                revocation.draining.remove(&(partition, owner.epoch));
            }
            self.take_away(partition, owner.epoch);
        }
    }

    /// The client is of no use any more.
    pub(super) fn lose_all(&mut self) {
        let partitions: Vec<Partition> = self.seats.keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.lose_one(partition));
        self.seats.clear();
        self.loose.clear();
        self.revocations.clear();
        for (_, reply) in std::mem::take(&mut self.restarts) {
            let _ = reply.send(Ok(()));
        }
    }

    /// Asks every owner to drain, for good.
    pub(super) fn give_all_back(&mut self) {
        let partitions: Vec<Partition> = self.seats.keys().copied().collect();
        let mut draining = BTreeSet::new();
        for partition in partitions {
            match self.drain(partition) {
                Some(owner) => drop(draining.insert((partition, owner.epoch))),
                None => drop(self.seats.remove(&partition)),
            }
        }
        let deadline = Instant::now() + self.core.config.drain;
        self.revocations.push(Revocation { list: TopicPartitionList::new(), draining, deadline });
    }

    /// Whether every owner has let go, or had its time.
    pub(super) fn has_given_all_back(&self) -> bool {
        self.revocations.is_empty()
    }
}

fn partitions_of(list: &TopicPartitionList) -> BTreeSet<Partition> {
    let number = |partition: i32| u32::try_from(partition).ok().map(Partition);
    list.elements().iter().filter_map(|element| number(element.partition())).collect()
}
