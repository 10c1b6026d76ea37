//! What others ask of the thread.

use std::time::Instant;

use pandaflow::{Partition, ports::StoreError};
use tokio::sync::oneshot;

use super::{notes::Note, seat::Stage, work::Work};
use crate::transport::kafka::failure::{closed, store_error};

impl Work {
    /// Does what a note says.
    pub(super) fn read(&mut self, note: Note) {
        match note {
            Note::Restart(partition, reply) => self.restart(partition, reply),
            Note::Found(wanted, found) => self.found(wanted, found),
            Note::Heard(answer) => self.heard(answer),
            Note::Released(partition, epoch) => self.released(partition, epoch),
            Note::Close if self.closing => {}
            Note::Close => {
                self.closing = true;
                // The others hear of a round at their next heartbeat.
                let (session, heartbeat) = self.core.config.session;
                self.leave_by = Some(Instant::now() + (heartbeat * 2).min(session));
                self.give_all_back();
                for (_, reply) in std::mem::take(&mut self.restarts) {
                    let _ = reply.send(Err(closed()));
                }
            }
        }
    }

    fn restart(&mut self, partition: Partition, reply: oneshot::Sender<Result<(), StoreError>>) {
        let group = &self.request.group;
        let seat = self.seats.get_mut(&partition).filter(|_| !self.closing);
        let Some((seat, owner)) = seat.and_then(|seat| match &seat.stage {
            Stage::Owned(owner, _) => {
                let owner = owner.clone();
                Some((seat, owner))
            }
            Stage::Acquiring | Stage::Draining(_) => None,
        }) else {
            let message = format!("{group} doesn't own partition {partition} any more");
            let _ = reply.send(Err(store_error(message)));
            return;
        };
        self.core.owners.stop(&owner);
        seat.stage = Stage::Acquiring;
        self.seat_numbers += 1;
        seat.number = self.seat_numbers;
        self.restarts.insert(partition, reply);
        self.look_up(vec![(partition, self.seat_numbers)]);
    }
}
