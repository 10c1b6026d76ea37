//! A dedup store that does what a test says, call by call, and else says yes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use futures_util::future::BoxFuture;
use pandaflow::{
    EventId, Group,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};
use tokio::sync::watch;

use crate::testkit::mock_mailbox::Gate;

pub(super) enum Call {
    Fail,
    Panic,
    /// Answers a claim so.
    Say(Vec<Verdict>),
    /// Answers a claim so once the gate is open.
    After(Gate, Vec<Verdict>),
    /// Answers another call once the gate is open.
    AfterDone(Gate),
}

#[derive(Default)]
pub(super) struct FakeStore {
    next: Mutex<VecDeque<Call>>,
    calls: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl FakeStore {
    pub(super) fn next(&self, calls: impl IntoIterator<Item = Call>) {
        lock(&self.next).extend(calls);
    }

    pub(super) fn calls(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }

    pub(super) async fn called(&self, times: usize) {
        let mut count = self.count.subscribe();
        let wait = count.wait_for(|so_far| *so_far >= times);
        let called = tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok();
        assert!(called, "waits for {times} calls; there were {:?}", self.calls());
    }

    fn call(&self, name: &str, owner: &Owner, ids: &[EventId]) -> Option<Call> {
        let ids: Vec<_> = ids.iter().map(|id| id.0.as_u128()).collect();
        let ids = if ids.is_empty() { String::new() } else { format!(" {ids:?}") };
        lock(&self.calls).push(format!("{name} {}{ids}", owner.partition));
        self.count.send_modify(|so_far| *so_far += 1);
        lock(&self.next).pop_front()
    }

    fn plain(
        &self,
        name: &str,
        owner: &Owner,
        ids: &[EventId],
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let call = self.call(name, owner, ids);
        Box::pin(async move {
            match call {
                Some(Call::Fail) => Err(down()),
                Some(Call::AfterDone(gate)) => {
                    gate.passed().await;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }
}

impl DedupStore for FakeStore {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        let call = self.call("claim", &claim.owner, &claim.ids);
        Box::pin(async move {
            match call {
                Some(Call::Fail) => Err(down()),
                Some(Call::Panic) => panic!("the fake store panics, as told"),
                Some(Call::Say(verdicts)) => Ok(verdicts),
                Some(Call::After(gate, verdicts)) => {
                    gate.passed().await;
                    Ok(verdicts)
                }
                _ => Ok(vec![Verdict::Fresh; claim.ids.len()]),
            }
        })
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let ids: Vec<EventId> = marks.iter().map(|mark| mark.id).collect();
        in_force(self.plain("mark", &owner, &ids))
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.plain("done", &owner, &ids)
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.plain("release", &owner, &ids)
    }

    fn fence(&self, _group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        in_force(self.plain("fence", &owner, &[]))
    }
}

fn in_force(
    done: BoxFuture<'static, Result<(), StoreError>>,
) -> BoxFuture<'static, Result<Standing, StoreError>> {
    Box::pin(async { done.await.map(|()| Standing::InForce) })
}

fn down() -> StoreError {
    StoreError { store: "fake", message: "down".into() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
