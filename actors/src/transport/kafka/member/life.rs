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
        let Some(seat) = self.seats.get_mut(&partition).filter(|_| !self.closing) else {
            let message = format!("{} doesn't own partition {partition} any more", self.request.group);
            let _ = reply.send(Err(store_error(message)));
            return;
        };
        let Stage::Owned(owner, _) = &seat.stage else {
            // It has been taken away, which its assignee has been told, or starts over already.
            let _ = reply.send(Ok(()));
            return;
        };
        let former = Some(owner.clone());
        self.seat_numbers += 1;
        seat.start_over(self.seat_numbers, former);
        self.restarts.insert(partition, reply);
        self.look_up(vec![(partition, self.seat_numbers)]);
    }
}
