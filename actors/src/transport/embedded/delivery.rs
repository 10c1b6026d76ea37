//! The thread of one subscription: assigns, reads pages of the log up to the demand, delivers, gives back.

use std::sync::Arc;

use diesel::prelude::*;
use pandaflow::{
    Epoch, Partition, Record,
    ports::{Acquired, Assignee, Assignment, Batch, Owner, StoreError, SubscriptionRequest},
};
use tokio::sync::{oneshot, watch};

use super::{
    bell::{Bell, Budget, Order, Restart},
    catalog::Topic,
    connection::failed,
    log_id::log_id,
    queue::Queue,
    rows::LogRow,
    schema::log,
    settlement::acquire,
    source::Released,
    writer::closed,
};

/// At most as many records are read at a time, so that no partition waits long for another.
const PAGE_ROWS: usize = 1024;

/// The state of a subscription's thread.
pub(super) struct Delivery {
    request: SubscriptionRequest,
    topics: Vec<Arc<Topic>>,
    assignee: Arc<dyn Assignee>,
    bell: Arc<Bell>,
    released: Arc<watch::Sender<()>>,
    connection: SqliteConnection,
    queue: Arc<Queue>,
    /// What is assigned, by partition.
    held: Vec<Held>,
    budgets: Vec<Budget>,
}

/// One assigned partition.
struct Held {
    epoch: Epoch,
    /// The next offset to read, by input.
    next: Vec<u64>,
}

impl Held {
    fn new(acquired: &Acquired) -> Self {
        let next = acquired.progress.iter().map(|(_, progress)| progress.next.0).collect();
        Self { epoch: acquired.owner.epoch, next }
    }
}

impl Delivery {
    pub(super) fn new(
        request: SubscriptionRequest,
        topics: Vec<Arc<Topic>>,
        assignee: Arc<dyn Assignee>,
        bell: Arc<Bell>,
        released: watch::Sender<()>,
        connection: SqliteConnection,
        queue: Arc<Queue>,
    ) -> Self {
        let released = Arc::new(released);
        let (held, budgets) = (Vec::new(), Vec::new());
        Self { request, topics, assignee, bell, released, connection, queue, held, budgets }
    }

    pub(super) fn run(mut self) {
        match self.assign().and_then(|()| self.deliver()) {
            Ok(Order::Close) => self.revoke(),
            Ok(Order::Lose) => {
                self.each_assigned(|assignee, partition, epoch| assignee.lost(partition, epoch))
            }
            Ok(Order::Run | Order::Stop) => {}
            Err(error) => self.assignee.failed(error),
        }
    }

    /// Acquires all partitions in one transaction, then tells of each.
    fn assign(&mut self) -> Result<(), StoreError> {
        let partitions = self.topics.first().map_or(0, |topic| topic.partitions);
        let answers: Vec<_> = (0..partitions).map(|partition| self.acquire(Partition(partition))).collect();
        let acquired: Vec<Acquired> = answers
            .into_iter()
            .map(|answer| answer.blocking_recv().unwrap_or_else(|_| Err(closed())))
            .collect::<Result<_, _>>()?;
        for acquired in acquired {
            let place = self.held.len();
            self.held.push(Held::new(&acquired));
            self.budgets.push(Budget::default());
            self.assignee.assigned(Assignment { acquired, demand: self.bell.new_demand(place) });
        }
        Ok(())
    }

    fn acquire(&self, partition: Partition) -> oneshot::Receiver<Result<Acquired, StoreError>> {
        acquire(&self.queue, self.request.group.clone(), partition, self.request.topics.clone())
    }

    /// Starts a partition over for a new owner.
    fn restart(&mut self, place: usize) -> Result<(), StoreError> {
        let answer = self.acquire(Partition(place as u32)).blocking_recv();
        let acquired = answer.unwrap_or_else(|_| Err(closed()))?;
        self.held[place] = Held::new(&acquired);
        let demand = self.bell.new_demand(place);
        self.budgets[place] = Budget::default();
        self.assignee.assigned(Assignment { acquired, demand });
        Ok(())
    }

    /// Delivers until an order ends it.
    fn deliver(&mut self) -> Result<Order, StoreError> {
        let mut delivered = false;
        loop {
            let (order, restarts) =
                if delivered { self.bell.look(&mut self.budgets) } else { self.bell.wait(&mut self.budgets) };
            if order != Order::Run {
                return Ok(order);
            }
            for Restart { place, reply } in restarts {
                let _ = reply.send(self.restart(place));
            }
            delivered = self.pass()?;
        }
    }

    /// Delivers at most one page of each input of each partition. Returns whether anything was delivered.
    fn pass(&mut self) -> Result<bool, StoreError> {
        let mut delivered = false;
        for place in 0..self.budgets.len() {
            for input in 0..self.topics.len() {
                if self.budgets[place].is_open() {
                    delivered |= self.page(place, input)?;
                }
            }
        }
        Ok(delivered)
    }

    fn page(&mut self, place: usize, input: usize) -> Result<bool, StoreError> {
        let topic = &self.topics[input];
        let partition = Partition(place as u32);
        let next = self.held[place].next[input];
        let stream = &topic.streams[place];
        let end = stream.end();
        if next >= end {
            return Ok(false);
        }
        let budget = &mut self.budgets[place];
        let there = usize::try_from(end - next).unwrap_or(usize::MAX);
        let limit = budget.events.min(PAGE_ROWS).min(there);
        let range = (log_id(stream.id, next), log_id(stream.id, end));
        let records = read_page(&mut self.connection, topic, partition, range, limit, budget)?;
        let Some(last) = records.last() else {
            // All up to the end has been pruned.
            self.held[place].next[input] = end;
            return Ok(false);
        };
        self.held[place].next[input] = last.offset.next().0;
        self.assignee.delivered(Batch { epoch: self.held[place].epoch, partition, input, records });
        Ok(true)
    }

    fn revoke(&self) {
        self.each_assigned(|assignee, partition, epoch| {
            let owner = Owner { group: self.request.group.clone(), partition, epoch };
            let released =
                Released { owner, queue: self.queue.clone(), _subscription: self.released.clone() };
            assignee.revoked(partition, epoch, Box::new(released));
        });
    }

    fn each_assigned(&self, tell: impl Fn(&dyn Assignee, Partition, Epoch)) {
        for (partition, held) in (0..).map(Partition).zip(&self.held) {
            tell(&*self.assignee, partition, held.epoch);
        }
    }
}

/// Reads up to `limit` records while the budget lasts. Rows come one by one, so that a page of large records does not
/// fill the memory.
fn read_page(
    connection: &mut SqliteConnection,
    topic: &Topic,
    partition: Partition,
    (from, to): (i64, i64),
    limit: usize,
    budget: &mut Budget,
) -> Result<Vec<Record>, StoreError> {
    let what = failed("reading the log");
    let rows = log::table
        .filter(log::id.ge(from).and(log::id.lt(to)))
        .order(log::id)
        .limit(limit as i64)
        .select((log::id, log::timestamp_ms, log::crc, log::key, log::value, log::headers))
        .load_iter::<LogRow, diesel::connection::DefaultLoadingMode>(connection)
        .map_err(&what)?;
    let mut records = Vec::with_capacity(limit);
    for row in rows {
        let record = row.map_err(&what)?.record(&topic.name, partition)?;
        budget.take(record.size());
        records.push(record);
        if !budget.is_open() {
            break;
        }
    }
    Ok(records)
}
