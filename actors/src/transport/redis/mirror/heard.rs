//! A source that tells the mirror of each partition that is assigned, and passes everything on as it is.

use std::sync::Arc;

use pandaflow::{
    Epoch, Partition,
    ports::{Assignee, Assignment, Batch, Source, StoreError, Subscription, SubscriptionRequest},
};

use super::Mirror;

pub(super) struct HeardSource {
    pub(super) source: Arc<dyn Source>,
    pub(super) mirror: Arc<Mirror>,
}

impl Source for HeardSource {
    fn subscribe(
        &self,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
    ) -> Result<Arc<dyn Subscription>, StoreError> {
        if self.mirror.place(&request.group).is_none() {
            return self.source.subscribe(request, assignee);
        }
        let heard = HeardAssignee { assignee, mirror: Arc::clone(&self.mirror) };
        self.source.subscribe(request, Arc::new(heard))
    }
}

struct HeardAssignee {
    assignee: Arc<dyn Assignee>,
    mirror: Arc<Mirror>,
}

impl Assignee for HeardAssignee {
    fn assigned(&self, assignment: Assignment) {
        self.mirror.assigned(&assignment.acquired);
        self.assignee.assigned(assignment);
    }

    fn delivered(&self, batch: Batch) {
        self.assignee.delivered(batch);
    }

    fn revoked(&self, partition: Partition, epoch: Epoch, released: Box<dyn Send>) {
        self.assignee.revoked(partition, epoch, released);
    }

    fn lost(&self, partition: Partition, epoch: Epoch) {
        self.assignee.lost(partition, epoch);
    }

    fn beat(&self) {
        self.assignee.beat();
    }

    fn failed(&self, error: StoreError) {
        self.assignee.failed(error);
    }
}
