//! A member of a group, as a check drives it: what the source tells it comes one by one.

use std::sync::Arc;

use pandaflow::{
    Epoch, Partition, Record,
    ports::{
        Acquired, Assignee, Assignment, Batch, Demand, Settlement, Source, StoreError, Subscription,
        SubscriptionRequest,
    },
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::stage::{effects, within};

/// What a source told.
pub enum Notice {
    /// A partition is ours.
    Assigned(Task),
    /// Records have come.
    Delivered(Batch),
    /// A partition is to be given back.
    Revoked {
        /// Which.
        partition: Partition,
        /// In which assignment.
        epoch: Epoch,
        /// To be dropped once drained.
        released: Box<dyn Send>,
    },
    /// A partition was lost.
    Lost {
        /// Which.
        partition: Partition,
        /// In which assignment.
        epoch: Epoch,
    },
    /// The source can't go on.
    Failed(StoreError),
}

/// An assigned partition.
pub struct Task {
    /// Owner, progress, ledger and attempts.
    pub acquired: Acquired,
    demand: Arc<dyn Demand>,
}

impl Task {
    /// Asks for records of any size.
    pub fn request(&self, events: usize) {
        self.demand.request(events, 1 << 40);
    }

    /// Asks for records up to some bytes.
    pub fn request_bytes(&self, events: usize, bytes: usize) {
        self.demand.request(events, bytes);
    }

    /// Nothing yet of what this owner may settle.
    #[must_use]
    pub fn effects(&self) -> Settlement {
        effects(&self.acquired.owner)
    }

    /// The partition's number.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.acquired.owner.partition
    }
}

/// A subscription, and what its source tells.
pub struct Member {
    subscription: Arc<dyn Subscription>,
    inbox: UnboundedReceiver<Notice>,
}

struct Recorder(UnboundedSender<Notice>);

impl Recorder {
    fn note(&self, notice: Notice) {
        // A check that has seen enough hangs up.
        drop(self.0.send(notice));
    }
}

impl Assignee for Recorder {
    fn assigned(&self, Assignment { acquired, demand }: Assignment) {
        self.note(Notice::Assigned(Task { acquired, demand }));
    }

    fn delivered(&self, batch: Batch) {
        self.note(Notice::Delivered(batch));
    }

    fn revoked(&self, partition: Partition, epoch: Epoch, released: Box<dyn Send>) {
        self.note(Notice::Revoked { partition, epoch, released });
    }

    fn lost(&self, partition: Partition, epoch: Epoch) {
        self.note(Notice::Lost { partition, epoch });
    }

    fn failed(&self, error: StoreError) {
        self.note(Notice::Failed(error));
    }
}

impl Member {
    /// Joins a group.
    ///
    /// # Errors
    /// What the source says.
    pub fn join(source: &dyn Source, request: SubscriptionRequest) -> Result<Self, StoreError> {
        let (sender, inbox) = unbounded_channel();
        let subscription = source.subscribe(request, Arc::new(Recorder(sender)))?;
        Ok(Self { subscription, inbox })
    }

    /// The subscription.
    #[must_use]
    pub fn subscription(&self) -> &dyn Subscription {
        &*self.subscription
    }

    /// What is told next.
    pub async fn next(&mut self) -> Notice {
        within(self.inbox.recv()).await.expect("the source holds on to its assignee")
    }

    /// The next `count` assignments, by partition.
    pub async fn assigned(&mut self, count: usize) -> Vec<Task> {
        let mut tasks = Vec::new();
        while tasks.len() < count {
            match self.next().await {
                Notice::Assigned(task) => tasks.push(task),
                other => panic!("an assignment should come, not {}", other.name()),
            }
        }
        tasks.sort_by_key(Task::partition);
        tasks
    }

    /// The only assignment.
    pub async fn assigned_one(&mut self) -> Task {
        self.assigned(1).await.pop().expect("one was waited for")
    }

    /// The next batch.
    pub async fn batch(&mut self) -> Batch {
        match self.next().await {
            Notice::Delivered(batch) => batch,
            other => panic!("a delivery should come, not {}", other.name()),
        }
    }

    /// The next batch, if one has come already.
    pub(super) fn next_now(&mut self) -> Option<Batch> {
        match self.inbox.try_recv().ok()? {
            Notice::Delivered(batch) => Some(batch),
            other => panic!("a delivery should come, not {}", other.name()),
        }
    }

    /// The next records, exactly as many.
    pub async fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(self.batch().await.records);
        }
        assert_eq!(records.len(), count, "more was delivered than was waited for");
        records
    }

    /// Leaves the group, letting go of every partition at once; what was delivered and not looked at yet.
    pub async fn finish(mut self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut closed = self.subscription.close();
        within(async {
            loop {
                tokio::select! {
                    biased;
                    Some(notice) = self.inbox.recv() => notice.leftover(&mut records),
                    () = &mut closed => break,
                }
            }
        })
        .await;
        while let Ok(notice) = self.inbox.try_recv() {
            notice.leftover(&mut records);
        }
        records
    }
}

impl Notice {
    /// What kind of notice it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Assigned(_) => "an assignment",
            Self::Delivered(_) => "a delivery",
            Self::Revoked { .. } => "a revocation",
            Self::Lost { .. } => "a loss",
            Self::Failed(_) => "a failure",
        }
    }

    fn leftover(self, records: &mut Vec<Record>) {
        match self {
            Self::Delivered(batch) => records.extend(batch.records),
            Self::Lost { .. } | Self::Failed(_) => panic!("{} on leaving the group", self.name()),
            Self::Assigned(_) | Self::Revoked { .. } => {}
        }
    }
}
