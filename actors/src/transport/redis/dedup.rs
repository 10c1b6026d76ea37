//! The dedup store on Redis: one round trip for each call, whatever the number of ids.
//!
//! A command for each id would cost the server most of what it can do: it would parse it, look the key up, write it to its log and
//! keep a time for it. So ids lie in a few hashes (`scripts/buckets.lua`), and a script reads or writes a thousand of them by one
//! command.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::{self, BoxFuture, FutureExt};
use pandaflow::{
    Clock, Epoch, EventId, Group, SystemClock, Timestamp,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};
use redis::{Value, cmd};

use super::{
    RedisConfig,
    keys::Keys,
    link::{Link, failed},
    script::{Input, Script},
};
use crate::transport::held::Held;

/// Ids that one call to the server takes at most: it does nothing else meanwhile, 5 to 20 ms for as many.
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
            claim: script(include_str!("scripts/claim.lua")),
            mark: script(include_str!("scripts/mark.lua")),
            fence: script(include_str!("scripts/fence.lua")),
            end: script(include_str!("scripts/end.lua")),
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
            let input = inner.input(&Owner { group: group.clone(), ..owner }).argument(millis(KEEP_FENCES));
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

    async fn claim_some(
        &self,
        owner: &Owner,
        ids: &[EventId],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Verdict>, StoreError> {
        let (until, (places, once)) = (now.after(lease), each_once(ids));
        let input = self
            .input(owner)
            .argument(now.0)
            .argument(until.0)
            .argument(millis(lease + KEEP_CLAIMS))
            .argument(self.held.digits(owner, &once))
            .bytes(bytes_of(&once));
        let answer = self.run(&self.claim, &input, format!("claiming {} ids", ids.len())).await?;
        let known = read(&answer, once.len())?;
        let (mut verdicts, mut told) = (Vec::with_capacity(ids.len()), vec![false; once.len()]);
        for place in places {
            let verdict = match known.get(&place) {
                Some(known) => *known,
                // It stands twice in this claim, and has just been claimed by it.
                None if told[place] => Verdict::Leased { until },
                None => Verdict::Fresh,
            };
            told[place] = true;
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    /// Remembers ids as done, whoever has claimed them, unless a later owner has fenced this one.
    async fn mark_all(&self, owner: &Owner, marks: &[Mark]) -> Result<Standing, StoreError> {
        let now = SystemClock.now();
        for some in marks.chunks(IDS_AT_ONCE) {
            let longest = some.iter().map(|mark| mark.expires.since(now)).max().unwrap_or_default();
            let ids: Vec<_> = some.iter().map(|mark| mark.id).collect();
            let input = self
                .input(owner)
                .argument(millis((longest + KEEP_MARKS).min(LONGEST_MARK)))
                .bytes(bytes_of(&ids))
                .bytes(some.iter().flat_map(|mark| mark.expires.0.to_be_bytes()).collect());
            let answer = self.run(&self.mark, &input, format!("marking {} ids as done", some.len())).await?;
            match standing(&answer)? {
                Standing::InForce => {}
                fenced @ Standing::Fenced { .. } => return Ok(fenced),
            }
            self.held.let_go(owner, &ids);
        }
        Ok(Standing::InForce)
    }

    async fn end_all(&self, owner: &Owner, ids: &[EventId]) -> Result<(), StoreError> {
        for ids in ids.chunks(IDS_AT_ONCE) {
            let input = self.input(owner).bytes(bytes_of(ids));
            self.run(&self.end, &input, format!("giving up {} claims", ids.len())).await?;
        }
        Ok(())
    }

    async fn run(&self, script: &Script, input: &Input, doing: String) -> Result<Value, StoreError> {
        self.link.ask(doing, |mut link| async move { script.run(&mut link, input).await }).await
    }

    /// What every script is given of an owner.
    fn input(&self, owner: &Owner) -> Input {
        let keys = Keys::of(&self.key_prefix, &owner.group).all();
        Input { keys: keys.map(String::into_bytes).into(), arguments: Vec::new() }
            .argument(owner.partition.0)
            .argument(owner.epoch.0)
    }
}

/// A script, with what all of them share before it.
fn script(code: &str) -> Script {
    Script::new(format!("{}\n{code}", include_str!("scripts/buckets.lua")))
}

/// Each id once, and for each that was asked for which of them it is.
fn each_once(ids: &[EventId]) -> (Vec<usize>, Vec<EventId>) {
    let mut once = Vec::with_capacity(ids.len());
    let mut known = HashMap::with_capacity(ids.len());
    let places = ids.iter().map(|id| {
        *known.entry(*id).or_insert_with(|| {
            once.push(*id);
            once.len() - 1
        })
    });
    (places.collect(), once)
}

fn bytes_of(ids: &[EventId]) -> Vec<u8> {
    ids.iter().flat_map(|id| *id.0.as_bytes()).collect()
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

/// The verdicts on ids that are not fresh, by place.
fn read(answer: &Value, ids: usize) -> Result<HashMap<usize, Verdict>, StoreError> {
    let unread = || failed(format!("an answer to a claim of {ids} ids that is none: {answer:?}"));
    let read = |pair: &[Value]| {
        let [Value::Int(place), verdict] = pair else { return None };
        let place = usize::try_from(*place).ok().filter(|place| *place < ids)?;
        let verdict = match verdict {
            Value::Int(1) => Verdict::Done,
            Value::BulkString(until) => {
                Verdict::Leased { until: Timestamp(str::from_utf8(until).ok()?.parse().ok()?) }
            }
            _ => return None,
        };
        Some((place, verdict))
    };
    let Value::Array(all) = answer else { return Err(unread()) };
    all.chunks(2).map(|pair| read(pair).ok_or_else(unread)).collect()
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
