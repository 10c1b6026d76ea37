//! The dedup store on Redis: one round trip for each call, whatever the number of ids, and one more where ids were seen before.
//!
//! Nearly every id is one that nobody has: those are claimed by a pipeline of `SET key claim NX PX keep`. What is there already
//! is for a script to judge, which costs the server four times as much for each id. Marks are a script's: it sees whether a later
//! owner has fenced this one, and costs the server no more than a pipeline would.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::future::{self, BoxFuture, FutureExt};
use pandaflow::{
    Clock, Epoch, EventId, Group, SystemClock, Timestamp,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};
use redis::{Value, cmd, pipe};

use super::{
    RedisConfig,
    keys::Keys,
    link::{Link, failed},
    script::{Input, Script},
};
use crate::transport::held::Held;

/// Ids that one call to the server takes at most: it does nothing else meanwhile, about 15 ms for as many in a script.
const IDS_AT_ONCE: usize = 4096;
/// How much longer Redis keeps a claim than its lease: its owner may be at the event still, and ask.
const KEEP_CLAIMS: Duration = Duration::from_secs(24 * 3600);
/// The longest lease that Redis keeps.
const LONGEST_LEASE: Duration = Duration::from_secs(5 * 24 * 3600);
/// How long Redis keeps fences: longer than any claim.
const KEEP_FENCES: Duration = Duration::from_secs(7 * 24 * 3600);
/// How much longer Redis keeps a mark than it counts, for clocks that differ.
const KEEP_MARKS: Duration = Duration::from_secs(60);
/// The longest that Redis keeps a mark.
const LONGEST_MARK: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// [`DedupStore`] on Redis. A clone is the same store.
#[derive(Clone)]
pub struct RedisDedupStore(Arc<Inner>);

struct Inner {
    link: Link,
    key_prefix: String,
    held: Held,
    claim: Script,
    mark: Script,
    fence: Script,
    end: Script,
}

impl RedisDedupStore {
    /// A store that connects at its first call; [`check`](Self::check) connects now.
    ///
    /// # Errors
    /// The URL is not one that this client takes, or its thread can't be started.
    pub fn open(config: &RedisConfig) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Inner {
            link: Link::open(config)?,
            key_prefix: config.key_prefix.clone(),
            held: Held::default(),
            claim: Script::new(include_str!("scripts/claim.lua")),
            mark: Script::new(include_str!("scripts/mark.lua")),
            fence: Script::new(include_str!("scripts/fence.lua")),
            end: Script::new(include_str!("scripts/end.lua")),
        })))
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// It can't be reached, doesn't answer in time, or refuses the user or the password.
    pub fn check(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let inner = Arc::clone(&self.0);
        let ping = async move {
            let ping = |mut link| async move { cmd("PING").exec_async(&mut link).await };
            inner.link.ask("asking for a sign of life".into(), ping).await
        };
        self.0.link.run(ping, |()| ())
    }
}

impl DedupStore for RedisDedupStore {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        let (inner, heard) = (Arc::clone(&self.0), Arc::clone(&self.0));
        let (owner, ids) = (claim.owner.clone(), claim.ids.clone());
        // Claims whose answer nobody hears are not held; the next claim of the same owner gets them.
        let unheard = move |verdicts: Vec<_>| heard.held.unheard(&owner, &ids, &verdicts);
        self.0.link.run(async move { inner.claim_all(&claim).await }, unheard)
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let inner = Arc::clone(&self.0);
        self.0.link.run(async move { inner.mark_all(&owner, &marks).await }, |_| ())
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        // A mark has taken the place of its claim, so that there is nothing left to end as a rule.
        let held = self.0.held.let_go(&owner, &ids);
        if held.is_empty() { future::ready(Ok(())).boxed() } else { self.end(owner, held) }
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.held.let_go(&owner, &ids);
        self.end(owner, ids)
    }

    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let inner = Arc::clone(&self.0);
        let fence = async move {
            let input = Input { keys: vec![inner.keys(&group).fences()], arguments: Vec::new() }
                .argument(owner.partition.0)
                .argument(owner.epoch.0)
                .argument(millis(KEEP_FENCES));
            let doing = format!("fencing partition {} of {group}", owner.partition);
            standing(&inner.run(&inner.fence, &input, doing).await?)
        };
        self.0.link.run(fence, |_| ())
    }
}

impl RedisDedupStore {
    fn end(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        let inner = Arc::clone(&self.0);
        self.0.link.run(async move { inner.end_all(&owner, &ids).await }, |()| ())
    }
}

impl Inner {
    async fn claim_all(&self, claim: &Claim) -> Result<Vec<Verdict>, StoreError> {
        let Claim { owner, ids, now, lease } = claim;
        let lease = (*lease).min(LONGEST_LEASE);
        let mut verdicts = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS_AT_ONCE) {
            verdicts.extend(self.claim_some(owner, ids, *now, lease).await?);
        }
        // Not before all have been answered for: what the caller does not hear of is not held.
        self.held.told(owner, ids, &verdicts);
        Ok(verdicts)
    }

    /// Claims what nobody has, and has the script judge the rest.
    async fn claim_some(
        &self,
        owner: &Owner,
        ids: &[EventId],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Verdict>, StoreError> {
        let (keys, until) = (self.keys(&owner.group), now.after(lease));
        let claimed = format!("c{}:{}:{}", owner.partition.0, owner.epoch.0, until.0);
        let mut claims = pipe();
        for id in ids {
            claims
                .cmd("SET")
                .arg(keys.id(*id))
                .arg(&claimed)
                .arg("NX")
                .arg("PX")
                .arg(millis(lease + KEEP_CLAIMS));
        }
        let doing = format!("claiming {} ids", ids.len());
        let ask = |mut link| async move { claims.query_async::<Vec<Option<String>>>(&mut link).await };
        let answers = self.link.ask(doing, ask).await?;
        if answers.len() != ids.len() {
            return Err(failed(format!("{} answers to a claim of {} ids", answers.len(), ids.len())));
        }
        let free = answers.iter().map(Option::is_some);
        if free.clone().all(|free| free) {
            return Ok(vec![Verdict::Fresh; ids.len()]);
        }
        let here: HashSet<EventId> =
            ids.iter().zip(free.clone()).filter(|(_, free)| *free).map(|(id, _)| *id).collect();
        // One that stands twice in this claim has just been claimed by it.
        let known: Vec<EventId> = ids
            .iter()
            .zip(free.clone())
            .filter(|(id, free)| !free && !here.contains(*id))
            .map(|(id, _)| *id)
            .collect();
        let mut judged = self.judge(owner, &known, now, lease).await?.into_iter();
        let verdict = |(id, free): (&EventId, bool)| match free {
            true => Some(Verdict::Fresh),
            false if here.contains(id) => Some(Verdict::Leased { until }),
            false => judged.next(),
        };
        Ok(ids.iter().zip(free).filter_map(verdict).collect())
    }

    /// The verdicts on ids that have been claimed or marked before; those that are free by now are claimed.
    async fn judge(
        &self,
        owner: &Owner,
        ids: &[EventId],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Verdict>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.keys(&owner.group);
        let all = std::iter::once(keys.fences()).chain(ids.iter().map(|id| keys.id(*id)));
        let input = Input { keys: all.collect(), arguments: Vec::new() }
            .argument(owner.partition.0)
            .argument(owner.epoch.0)
            .argument(now.0)
            .argument(now.after(lease).0)
            .argument(millis(lease + KEEP_CLAIMS))
            .argument(self.held.digits(owner, ids));
        let answer = self.run(&self.claim, &input, format!("claiming {} ids", ids.len())).await?;
        read(&answer, ids.len())
    }

    /// Remembers ids as done, whoever has claimed them, unless a later owner has fenced this one.
    async fn mark_all(&self, owner: &Owner, marks: &[Mark]) -> Result<Standing, StoreError> {
        let (keys, now) = (self.keys(&owner.group), SystemClock.now());
        for some in marks.chunks(IDS_AT_ONCE) {
            let all = std::iter::once(keys.fences()).chain(some.iter().map(|mark| keys.id(mark.id)));
            let mut input = Input { keys: all.collect(), arguments: Vec::with_capacity(2 + 2 * some.len()) }
                .argument(owner.partition.0)
                .argument(owner.epoch.0);
            for mark in some {
                let keep = (mark.expires.since(now) + KEEP_MARKS).min(LONGEST_MARK);
                input = input.argument(mark.expires.0).argument(millis(keep));
            }
            let answer = self.run(&self.mark, &input, format!("marking {} ids as done", some.len())).await?;
            match standing(&answer)? {
                Standing::InForce => {}
                fenced @ Standing::Fenced { .. } => return Ok(fenced),
            }
            let ids: Vec<_> = some.iter().map(|mark| mark.id).collect();
            self.held.let_go(owner, &ids);
        }
        Ok(Standing::InForce)
    }

    async fn end_all(&self, owner: &Owner, ids: &[EventId]) -> Result<(), StoreError> {
        let keys = self.keys(&owner.group);
        for ids in ids.chunks(IDS_AT_ONCE) {
            let keys = ids.iter().map(|id| keys.id(*id)).collect();
            let input = Input { keys, arguments: Vec::new() };
            let input = input.argument(owner.partition.0).argument(owner.epoch.0);
            self.run(&self.end, &input, format!("giving up {} claims", ids.len())).await?;
        }
        Ok(())
    }

    async fn run(&self, script: &Script, input: &Input, doing: String) -> Result<Value, StoreError> {
        self.link.ask(doing, |mut link| async move { script.run(&mut link, input).await }).await
    }

    fn keys(&self, group: &Group) -> Keys {
        Keys::of(&self.key_prefix, group)
    }
}

/// What a script says of the owner: nothing, or the epoch of one that has fenced it.
fn standing(answer: &Value) -> Result<Standing, StoreError> {
    let epoch = match answer {
        Value::Nil => return Ok(Standing::InForce),
        Value::BulkString(epoch) => str::from_utf8(epoch).ok().and_then(|epoch| epoch.parse().ok()),
        _ => None,
    };
    let by = epoch.map(Epoch).ok_or_else(|| failed(format!("a fence that is none: {answer:?}")))?;
    Ok(Standing::Fenced { by })
}

/// The verdicts that the script gave.
fn read(answer: &Value, ids: usize) -> Result<Vec<Verdict>, StoreError> {
    let read = |value: &Value| match value {
        Value::Int(0) => Some(Verdict::Fresh),
        Value::Int(1) => Some(Verdict::Done),
        Value::BulkString(until) => {
            let until = str::from_utf8(until).ok()?.parse().ok()?;
            Some(Verdict::Leased { until: Timestamp(until) })
        }
        _ => None,
    };
    let verdicts: Option<Vec<_>> = match answer {
        Value::Array(all) if all.len() == ids => all.iter().map(read).collect(),
        _ => None,
    };
    verdicts.ok_or_else(|| failed(format!("an answer to a claim of {ids} ids that is none: {answer:?}")))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
