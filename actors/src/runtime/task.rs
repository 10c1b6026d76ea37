//! The task: one processor, one namespace, one partition number of all its inputs.
//!
//! Batches come in from the source, go through the dedup claim to the lanes, and what the lanes end is settled
//! in batches. The task owns its lanes, the watermark of each input and the ledger; all of it runs on one
//! arbiter, so nothing here is locked.

mod commit;
mod drain;
mod ended;
mod halted;
mod in_place;
mod intake;
mod park;
mod settle;
mod turn;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as PollContext, Poll},
    time::Duration,
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, Recipient, fut::ActorFuture};
use futures_util::{
    future::{BoxFuture, LocalBoxFuture},
    stream::FuturesUnordered,
};
use pandaflow::{
    Epoch, EventId, Offset, Partition, StreamProcessor, TopicName,
    policy::{
        dead_letter_budget::DeadLetterLimits,
        ledger::Ledger,
        parking::{Parking, ParkingLimits, Turns},
        watermark::Watermark,
    },
    ports::{Applied, Batch, Demand, FailedAttempts, ParkedEvent, SettlementStore, Unsettled},
};

use self::{commit::Committing, drain::Drainage, in_place::WaitInPlace, intake::Prepared, settle::Under};
use super::{
    applied::AppliedEvents,
    attempt::{self, Ended, Work},
    delivery::{Arrival, Deliveries, Delivery},
    env::{Env, Trouble},
    lanes::{LaneNo, Lanes},
    open_settlement::OpenSettlement,
    permits::Permit,
    seats::{Seats, seats},
};

/// How often a task tells metrics and health what it did.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Limits of one task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskLimits {
    /// Events taken in and not settled, at most.
    pub(crate) events: usize,
    /// Bytes of their records, at most (one record may go over).
    pub(crate) bytes: usize,
    /// Events in one settlement, at most, while more are ready.
    pub(crate) settle_events: usize,
    /// What may be parked.
    pub(crate) parking: ParkingLimits,
    /// How many dead letters it may make.
    pub(crate) dead_letters: DeadLetterLimits,
}

/// Everything that a task is made of beside the user's processor.
pub(crate) struct TaskParts<P: StreamProcessor> {
    pub(crate) env: Rc<Env<P>>,
    pub(crate) inputs: Vec<(TopicName, Watermark)>,
    pub(crate) ledger: Ledger,
    pub(crate) failed: Vec<FailedAttempts>,
    pub(crate) applied: Vec<Applied>,
    pub(crate) parked: Vec<ParkedEvent>,
    pub(crate) settlement: Arc<dyn SettlementStore>,
    pub(crate) demand: Arc<dyn Demand>,
    pub(crate) limits: TaskLimits,
    pub(crate) host: Recipient<TaskEnded>,
    pub(crate) concurrency: usize,
}

/// Records for the task. Bounded by what the task asked its source for.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver(pub(crate) Batch);

/// Stop taking in, end what has begun, settle it, then let `released` go.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drain {
    pub(crate) deadline: Duration,
    pub(crate) released: Option<Box<dyn Send>>,
}

/// The partition is lost: stop, and settle nothing more.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Lose;

/// A task is over; sent to its host exactly once, also after a panic.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct TaskEnded {
    pub(crate) partition: Partition,
    pub(crate) epoch: Epoch,
    pub(crate) how: HowTaskEnded,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HowTaskEnded {
    /// It drained, or its partition went to somebody else.
    Released,
    /// It can't go on, for this reason.
    Failed(String),
    /// What it had under way is lost through no fault of its events, for this reason: it is to begin again.
    StartsOver(String),
}

/// A settlement on its way, and how it ended.
type Settling = BoxFuture<'static, (u64, Result<(), Box<Unsettled>>)>;

/// The actor.
pub(crate) struct Task<P: StreamProcessor> {
    env: Rc<Env<P>>,
    inputs: Vec<(TopicName, Watermark)>,
    ledger: Ledger,
    /// What has gone into a state in earlier lives; emptied as the events come.
    applied: AppliedEvents,
    /// Attempts of earlier lives; emptied as the events come.
    failed: HashMap<(usize, Offset), FailedAttempts>,
    settlement: Arc<dyn SettlementStore>,
    demand: Arc<dyn Demand>,
    limits: TaskLimits,
    host: Recipient<TaskEnded>,
    deliveries: Deliveries,
    /// Batches as they came, in order.
    intake: VecDeque<Batch>,
    /// The batch that comes next into the lanes.
    next_batch: Vec<Delivery>,
    /// Whether it has its claims, and its state is at hand.
    next_is_prepared: bool,
    /// The claim, or the loading of state, that it waits for.
    preparing: Option<LocalBoxFuture<'static, Prepared<P::State>>>,
    /// Events taken in by this task.
    arrivals: Arrival,
    /// Events that come into their lanes now.
    entering: std::vec::IntoIter<Delivery>,
    lanes: Lanes<P>,
    /// Where events begin.
    seats: Box<dyn Seats<Work<P>, Ended<P>>>,
    /// Lanes that are idle and have events, the one whose event came first on top.
    ready: BinaryHeap<Reverse<(Arrival, LaneNo)>>,
    /// A permit that is waited for.
    asking: Option<LocalBoxFuture<'static, Option<Permit>>>,
    /// Events whose handler waits for something.
    waiting: FuturesUnordered<LocalBoxFuture<'static, Option<Ended<P>>>>,
    /// Whether some of them have not been polled since they began to wait.
    began_to_wait: bool,
    /// Events between two attempts.
    in_place: WaitInPlace<P>,
    open: OpenSettlement,
    /// Events that have ended in a transaction of their handler's, which is to be committed with them. Their lanes wait.
    committing: VecDeque<Box<Committing<P>>>,
    /// Events that wait beside the partition.
    parking: Parking,
    /// Those that the log brings once more: their parking became real, and the progress behind it did not.
    unsettled_parked: BTreeMap<(usize, Offset), ParkedEvent>,
    /// Parked events that went into a state in an earlier life.
    applied_parked: HashSet<(TopicName, Offset)>,
    /// Whether those or fresh ones come next.
    turns: Turns,
    /// Claims of events that were parked since: they are released before anything is claimed again. Other owners wait for them no
    /// longer than the lease; the partition's next one, not at all.
    unclaimed: Vec<EventId>,
    /// Wakes the task when the first of them is due.
    alarm: Option<park::Alarm>,
    /// Told to health while the parking has no room.
    parking_full: Option<Trouble>,
    /// Told to health once the processor takes no more events.
    halted: Option<Trouble>,
    /// Of those in `waiting` that were begun, how many came from parking.
    released_begun: usize,
    /// Settlements on their way, by number.
    under: BTreeMap<u64, Under<P>>,
    settling: FuturesUnordered<Settling>,
    next_settlement: u64,
    retry: settle::Retry,
    drainage: Option<Drainage>,
    /// Why it can't go on, once that is so.
    failure: Option<String>,
    /// Whether that is no fault of its events.
    starts_over: bool,
    /// Another owner has the partition.
    fenced: bool,
    /// Something that had ended will never be settled: nothing after it may be.
    barred: bool,
    ended: bool,
}

impl<P: StreamProcessor> Task<P> {
    pub(crate) fn new(parts: TaskParts<P>) -> Self {
        let order = Env::<P>::DECLARATION.order;
        let place = |topic: &TopicName| parts.inputs.iter().position(|(input, _)| input == topic);
        let failed = parts
            .failed
            .into_iter()
            .filter_map(|failed| Some(((place(&failed.topic)?, failed.offset), failed)))
            .collect();
        let applied = AppliedEvents::new(parts.applied, place);
        let env = parts.env.clone();
        let (mut ledger, limits) = (parts.ledger, parts.limits);
        let found = park::found(parts.parked, limits.parking, order, &parts.inputs, &applied, &mut ledger);
        let open = OpenSettlement { ledger_corrected: found.corrected, ..OpenSettlement::default() };
        Self {
            parking: found.parking,
            unsettled_parked: found.unsettled,
            applied_parked: found.applied,
            turns: Turns::default(),
            unclaimed: Vec::new(),
            alarm: None,
            parking_full: None,
            halted: None,
            released_begun: 0,
            applied,
            lanes: Lanes::new(order, parts.concurrency),
            seats: seats(move |work| attempt::run(env.clone(), work)),
            env: parts.env,
            inputs: parts.inputs,
            ledger,
            failed,
            settlement: parts.settlement,
            demand: parts.demand,
            limits,
            host: parts.host,
            deliveries: Deliveries::default(),
            intake: VecDeque::new(),
            next_batch: Vec::new(),
            next_is_prepared: false,
            arrivals: 0,
            entering: Vec::new().into_iter(),
            preparing: None,
            ready: BinaryHeap::new(),
            asking: None,
            waiting: FuturesUnordered::new(),
            began_to_wait: false,
            in_place: WaitInPlace::default(),
            open,
            committing: VecDeque::new(),
            under: BTreeMap::new(),
            settling: FuturesUnordered::new(),
            next_settlement: 0,
            retry: settle::Retry::default(),
            drainage: None,
            failure: None,
            starts_over: false,
            fenced: false,
            barred: false,
            ended: false,
        }
    }

    fn owner_partition(&self) -> Partition {
        self.env.owner.partition
    }

    /// Says how it ended, once, and stops.
    fn finish(&mut self, how: HowTaskEnded, ctx: &mut Context<Self>) {
        self.report_end(how);
        ctx.stop();
    }

    fn report_end(&mut self, how: HowTaskEnded) {
        if !std::mem::replace(&mut self.ended, true) {
            self.forget_trouble();
            self.env.telemetry.borrow().forget(&self.env.health);
            let ended = TaskEnded { partition: self.owner_partition(), epoch: self.env.owner.epoch, how };
            self.host.do_send(ended);
        }
    }

    fn tell(&mut self) {
        self.tell_halt();
        let cached = self.env.cache.borrow().len();
        let parked = self.parking.count();
        let halted = self.halted.is_some();
        self.env.telemetry.borrow_mut().tell(&self.ledger, cached, parked, halted, self.env.clock.now());
    }

    /// Claims of events that end without being handled.
    fn release_claims(&self, deliveries: &[Delivery]) {
        let ids: Vec<EventId> = deliveries.iter().filter_map(|delivery| delivery.claimed).collect();
        if !ids.is_empty() {
            let released = self.env.dedup.release(self.env.owner.clone(), ids);
            // If it fails, the claims end with their lease.
            actix_rt::spawn(async move { drop(released.await) });
        }
    }
}

impl<P: StreamProcessor> Actor for Task<P> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // What may be in the mailbox at once is bounded by the demand; each batch has an event at least.
        ctx.set_mailbox_capacity(self.limits.events + 16);
        ctx.spawn(Drive);
        ctx.run_interval(TELL_EVERY, |task, _| task.tell());
        self.demand.request(self.limits.events, self.limits.bytes);
    }
}

impl<P: StreamProcessor> Drop for Task<P> {
    fn drop(&mut self) {
        self.report_end(HowTaskEnded::Failed("its task panicked".into()));
    }
}

impl<P: StreamProcessor> Handler<Deliver> for Task<P> {
    type Result = ();

    fn handle(&mut self, Deliver(batch): Deliver, ctx: &mut Self::Context) {
        self.env.telemetry.borrow().took_batch();
        if batch.epoch == self.env.owner.epoch
            && self.drainage.is_none()
            && let Err(reason) = self.take(batch)
        {
            self.finish(HowTaskEnded::Failed(reason), ctx);
        }
    }
}

/// Polls the task's own futures whenever its actor is polled: after every message, and when one of them wakes it.
struct Drive;

impl<P: StreamProcessor> ActorFuture<Task<P>> for Drive {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        task: &mut Task<P>,
        ctx: &mut Context<Task<P>>,
        cx: &mut PollContext<'_>,
    ) -> Poll<()> {
        if task.ended {
            return Poll::Ready(());
        }
        let metrics = task.env.metrics.clone();
        metrics.record(|| task.turn(cx));
        if let Some(how) = task.over(cx) {
            task.finish(how, ctx);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
