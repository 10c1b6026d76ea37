//! How a client ends: a member that leaves its group, and one that failed for good and is made anew.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{
    context::MemberContext,
    work::{BEAT_EVERY, Broken, Client, NAP, Work},
};
use crate::transport::kafka::{desk::NotCommitted, failure::store_error};

/// The first and the longest wait before a client that failed for good is made anew.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How long a client has to live before the next one that fails counts as the first.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How long a commit under way may take to let a member go, and how much longer than a round the group may.
const LEAVING: Duration = Duration::from_secs(5);
/// How often in a row a client whose static name another one has taken is made anew: that one may have gone again.
const REPLACED: u32 = 3;

impl Work {
    /// A broker answers one request of a connection after the other: that we leave, it would read after the end of a round
    /// of the group's, or never, and count on us until our session is over. So the round's end comes first, if it comes soon.
    pub(super) fn may_leave(&self) -> bool {
        let joining = |client: &Client| client.callbacks.joining.load(Ordering::Acquire);
        !self.client.as_ref().is_some_and(joining) || self.leave_by.is_some_and(|by| by <= Instant::now())
    }

    /// Whether no commit is under way any more, or has had its time: with its coordinator away it may take minutes.
    pub(super) fn commits_are_over(&mut self) -> bool {
        let by = *self.commits_end.get_or_insert_with(|| Instant::now() + LEAVING);
        self.notes.commits.is_idle() || by <= Instant::now()
    }

    /// Leaves the group. What looks partitions up has the consumer, too: its last holder would have to leave for us, and a process that
    /// is gone before is counted on until its session is over. A look-up may wait behind a round of the group, so it is given
    /// as long as one may take, and [`LEAVING`] besides; so is the group. The client then leaves in its own time.
    pub(super) fn leave(&mut self) {
        let (session, heartbeat) = self.core.config.session;
        let patience = (heartbeat * 2).min(session) + LEAVING;
        let by = Instant::now() + patience;
        while self.looking > 0 && Instant::now() < by {
            self.notes.bell.wait(NAP);
            while let Some(note) = self.notes.take() {
                self.read(note);
            }
        }
        self.seats.clear();
        self.loose.clear();
        if let Some(client) = self.client.take() {
            client.callbacks.leaving.store(true, Ordering::Release);
            while let Some(decided) = client.callbacks.take() {
                let _ = decided.acknowledge(&client.consumer);
            }
            let (gone, left) = std::sync::mpsc::sync_channel(1);
            let stays_known = self.core.config.instance_id.is_some();
            let leave = move || {
                if !stays_known {
                    say_goodbye(&client.consumer);
                }
                // First whoever else has the consumer: its last holder leaves the group.
                drop(client.commits);
                drop(client.consumer);
                let _ = gone.send(());
            };
            let leaving = std::thread::Builder::new().name("kafka-leaving".into()).spawn(leave);
            if leaving.is_ok() && left.recv_timeout(patience).is_err() {
                log::warn!("kafka: {} leaves its group in its own time", self.request.group);
            }
        }
    }

    pub(super) fn rebuild(&mut self, why: &Broken) {
        if self.client.as_ref().is_some_and(|client| client.made.elapsed() > GOOD_FOR) {
            self.backoff = Duration::ZERO;
            self.replaced = 0;
        }
        let group = &self.request.group;
        match why {
            Broken::Replaced(why) if self.replaced < REPLACED => {
                self.replaced += 1;
                log::error!(
                    "kafka consumer of {group}: another member has the same KAFKA__INSTANCE_ID: joining again, for the {}. time of {REPLACED} ({why})",
                    self.replaced
                );
            }
            Broken::Replaced(why) => {
                self.assignee.failed(store_error(format!(
                    "{group}: another member has the same KAFKA__INSTANCE_ID: give each process one of its own, or none ({why})"
                )));
                // Made anew once more, it would push the other one out, and so on without end.
                self.closing = true;
            }
            Broken::Failed(why) => {
                log::error!("kafka consumer of {group}: it can't go on and is made anew: {why}")
            }
        }
        let (Broken::Replaced(why) | Broken::Failed(why)) = why;
        self.lose_all();
        self.notes.commits.give_back(&NotCommitted::Retry(format!("the client failed: {why}")));
        self.leave();
        while !self.closing {
            self.backoff = (self.backoff * 2).clamp(BACKOFF.0, BACKOFF.1);
            let over = Instant::now() + self.backoff;
            while Instant::now() < over && !self.closing {
                self.beat();
                self.notes.bell.wait(over.saturating_duration_since(Instant::now()).min(BEAT_EVERY));
                while let Some(note) = self.notes.take() {
                    self.read(note);
                }
            }
            match self.make_client() {
                Ok(client) => {
                    self.client = Some(client);
                    return;
                }
                Err(error) => log::warn!("kafka: {error}"),
            }
        }
    }
}

/// Says that a member without partitions leaves, which librdkafka 2.12 does not by itself when it is closed (cooperative
/// rounds): the group would count on it until its session is over, and every round would wait for it. A member with a static name
/// must not say so, since it may come back for its partitions (KIP-345).
fn say_goodbye(consumer: &BaseConsumer<MemberContext>) {
    if consumer.assignment().is_ok_and(|partitions| partitions.count() == 0) {
        consumer.unsubscribe();
    }
}

impl Drop for Work {
    /// Also where the thread panics: whoever holds the consumer last leaves the group, and must not wait for anybody.
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            client.callbacks.leaving.store(true, Ordering::Release);
        }
    }
}
