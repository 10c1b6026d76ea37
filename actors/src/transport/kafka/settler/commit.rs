//! At-least-once: a settlement's offsets are committed while records of the next ones are on their way already, so that outputs never
//! wait for a commit. What is written meanwhile goes with the next commit.
//!
//! If a commit fails, what was written behind it comes back as well: its offsets would pass those that failed.

use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, select};
use pandaflow::ports::{SettleErrorKind, Settlement};

use super::{Job, Settler, Why, at_least_once, behind, let_go};

/// What is written and not yet committed, in the order of the calls.
#[derive(Default)]
pub(super) struct Commits {
    under_way: Option<Commit>,
    /// Goes with the next commit.
    ready: Vec<Job>,
    /// Came back, to be tried again, though their outputs are on the broker already: going out once more they would be there
    /// twice.
    written: Vec<Settlement>,
    /// Why a commit failed while the next settlement was written.
    broke: Option<Why>,
}

struct Commit {
    jobs: Vec<Job>,
    answer: BoxFuture<'static, Result<(), Why>>,
}

impl Settler {
    /// Waits for something, and follows commits meanwhile.
    pub(super) async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let Some(commit) = &mut self.commits.under_way else { return work.await };
            match select(work.as_mut(), &mut commit.answer).await {
                Either::Left((done, _)) => return done,
                Either::Right((committed, _)) => self.committed(committed).await,
            }
        }
    }

    /// Writes the records of jobs, and lets them be committed.
    pub(super) async fn write(&mut self, jobs: Vec<Job>) -> Result<(), Why> {
        let settlements: Vec<&Settlement> = jobs.iter().filter_map(Job::settlement).collect();
        let mut before = std::mem::take(&mut self.commits.written);
        let known = common(&settlements, &before);
        self.commits.broke = None;
        let (core, life) = (Arc::clone(&self.core), Arc::clone(&self.life));
        // Those that were written behind these may have changed the same states since: an older one must not be the last on the log.
        let behind_these = if known == settlements.len() { &before[known..] } else { &[] };
        let all: Vec<&Settlement> = settlements.iter().copied().chain(behind_these).collect();
        let written = self.alongside(at_least_once::write(&core, &life, &settlements[known..], &all)).await;
        let written = match (written, &self.commits.broke) {
            (Ok(()), Some(why)) => Err((true, behind(why))),
            (written, _) => written,
        };
        match &written {
            Ok(()) if known == settlements.len() => drop(before.drain(..known)),
            Err((true, (SettleErrorKind::Retry, _))) if known < settlements.len() => {
                before = settlements.iter().map(|settlement| (*settlement).clone()).collect();
            }
            Err((_, (SettleErrorKind::Retry, _))) => {}
            _ => before.clear(),
        }
        // Behind those whose commit has failed meanwhile.
        self.commits.written.append(&mut before);
        match written {
            Ok(()) => {
                self.commits.ready.extend(jobs);
                self.begin_commit().await;
                Ok(())
            }
            Err((_, why)) => Err(self.not_begun(jobs, why)),
        }
    }

    /// Gives back jobs behind those that have failed meanwhile, if some have: these are to be tried again first.
    fn not_begun(&mut self, jobs: Vec<Job>, why: Why) -> Why {
        if self.commits.broke.is_some() {
            jobs.into_iter().for_each(|job| job.give_back(why.clone()));
        } else {
            self.not_real(jobs, &why);
        }
        why
    }

    /// Commits what is written, unless a commit is under way.
    async fn begin_commit(&mut self) {
        if self.commits.under_way.is_some() || self.commits.ready.is_empty() {
            return;
        }
        let jobs = std::mem::take(&mut self.commits.ready);
        let settlements: Vec<&Settlement> = jobs.iter().filter_map(Job::settlement).collect();
        match at_least_once::commit(&self.core, &self.life, &settlements).await {
            Ok(Some(answer)) => self.commits.under_way = Some(Commit { jobs, answer }),
            // There is nothing to commit.
            Ok(None) => jobs.into_iter().for_each(Job::confirm),
            Err(why) => self.not_committed(jobs, why),
        }
    }

    async fn committed(&mut self, committed: Result<(), Why>) {
        let Some(Commit { jobs, .. }) = self.commits.under_way.take() else { return };
        match committed {
            Ok(()) => {
                let_go(&self.life, &jobs.iter().filter_map(Job::settlement).collect::<Vec<_>>());
                jobs.into_iter().for_each(Job::confirm);
                self.begin_commit().await;
            }
            Err(why) => self.not_committed(jobs, why),
        }
    }

    fn not_committed(&mut self, jobs: Vec<Job>, why: Why) {
        let mut ready = std::mem::take(&mut self.commits.ready);
        if why.0 == SettleErrorKind::Retry {
            let written = jobs.iter().chain(&ready).filter_map(Job::settlement).cloned();
            let written: Vec<_> = written.chain(self.commits.written.drain(..)).collect();
            self.commits.written = written;
        } else {
            self.commits.written.clear();
        }
        self.not_real(jobs, &why);
        ready.drain(..).for_each(|job| job.give_back(behind(&why)));
        self.commits.broke = Some(why);
    }

    /// Waits for what is under way, and what goes with the next.
    pub(super) async fn finish_commits(&mut self) {
        while let Some(commit) = &mut self.commits.under_way {
            let committed = (&mut commit.answer).await;
            self.committed(committed).await;
        }
    }
}

/// How many settlements at the front are those that were written before.
fn common(settlements: &[&Settlement], written: &[Settlement]) -> usize {
    settlements.iter().zip(written).take_while(|(settlement, written)| **settlement == *written).count()
}

#[cfg(all(test, feature = "testkit"))]
mod tests;
