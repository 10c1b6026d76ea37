//! The writer of the mirror: takes what waits, writes it in batches, and tries again for as long as Redis is down.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use pandaflow::ports::{StateStore, StoreError};

use super::{
    Fields, Mirror,
    pending::{Change, Placed, Version},
};
use crate::transport::redis::{
    RedisConfig,
    link::Link,
    script::{Input, Script},
};

/// Entries that one script writes at most: the server does nothing else meanwhile.
const AT_ONCE: usize = 256;
/// The first and the longest wait before what failed is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How long the version of a removed entry is kept, against a late write.
const KEEP_REMOVED: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Writer {
    link: Link,
    script: Script,
    /// The writing, until its end.
    ended: Mutex<Option<BoxFuture<'static, Result<(), StoreError>>>>,
}

impl Writer {
    pub(super) fn open(config: &RedisConfig) -> Result<Self, StoreError> {
        Ok(Self {
            link: Link::open(config)?,
            script: Script::new(include_str!("../scripts/mirror.lua")),
            ended: Mutex::default(),
        })
    }

    /// Writes on the link's thread from now on, until the mirror is closed.
    pub(super) fn start(&self, mirror: &Arc<Mirror>, states: Arc<dyn StateStore>) {
        let ended = self.link.run(run(Arc::clone(mirror), states), |()| ());
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }

    /// Waits until what waited is written, or could not be.
    pub(super) async fn finish(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(ended) = ended else { return };
        if let Err(error) = ended.await {
            log::warn!(
                "redis: the mirror of states is behind until its partitions are assigned again: {error}"
            );
        }
    }

    /// Takes in all keys of the partitions that have been assigned, as their owners find them.
    async fn take_in_assigned(&self, mirror: &Mirror, states: &dyn StateStore) -> Result<(), StoreError> {
        let mut assigned = mirror.pending.take_assigned();
        while let Some(((place, partition), epoch)) = assigned.pop() {
            let group = &mirror.mirrored[place].group;
            let read = async {
                let keys: Vec<Bytes> =
                    states.scan(group.clone()).await?.into_iter().map(|(key, _)| key).collect();
                // Keys of other partitions have no state in this one.
                let found = states.load(group.clone(), partition, keys.clone()).await?;
                Ok(keys.into_iter().zip(found))
            };
            let found: Result<_, StoreError> = read.await;
            match found {
                Ok(found) => mirror.pending.put(found.filter_map(|(key, state)| {
                    let version = Version { epoch, settlement: 0 };
                    Some(((place, key), Change { version, state: Some(state?) }))
                })),
                Err(error) => {
                    assigned.push(((place, partition), epoch));
                    for ((place, partition), epoch) in assigned {
                        mirror.pending.assigned(place, partition, epoch);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Writes a batch; what can't be written waits on.
    async fn write_some(&self, mirror: &Mirror) -> Result<(), StoreError> {
        let taken = mirror.pending.take(AT_ONCE);
        for place in 0..mirror.mirrored.len() {
            let of_place: Vec<&Placed> = taken.iter().filter(|((at, _), _)| *at == place).collect();
            if of_place.is_empty() {
                continue;
            }
            let (input, entries) = input(mirror, place, &of_place);
            let doing = format!("mirroring {entries} states");
            let written =
                self.link.ask(doing, |mut link| async move { self.script.run(&mut link, &input).await });
            if let Err(error) = written.await {
                mirror.pending.put(taken);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Writes whatever comes, until the mirror is closed; then the rest, and fails if that can't be written.
async fn run(mirror: Arc<Mirror>, states: Arc<dyn StateStore>) -> Result<(), StoreError> {
    let (writer, pending) = (&mirror.writer, &mirror.pending);
    let mut wait = Duration::ZERO;
    loop {
        pending.more_or_closed().await;
        let closed = pending.is_closed();
        let written = async {
            if !closed {
                writer.take_in_assigned(&mirror, &*states).await?;
            }
            writer.write_some(&mirror).await
        };
        match written.await {
            Ok(()) if closed && pending.is_empty() => return Ok(()),
            Ok(()) => wait = Duration::ZERO,
            Err(error) if closed => return Err(error),
            Err(error) => {
                if wait.is_zero() {
                    log::warn!("redis: the mirror of states is behind: {error}");
                }
                wait = (wait * 2).clamp(BACKOFF.0, BACKOFF.1);
                let _ = tokio::time::timeout(wait, pending.closed()).await;
            }
        }
    }
}

/// What the script is given for these changes, and how many entries that makes.
fn input(mirror: &Mirror, place: usize, changes: &[&Placed]) -> (Input, usize) {
    let mirrored = &mirror.mirrored[place];
    let prefix = mirrored.prefix.as_bytes();
    let mut input = Input { keys: vec![[prefix, b"#keys"].concat()], arguments: Vec::new() }
        .argument(KEEP_REMOVED.as_millis());
    for ((_, key), change) in changes {
        let shown = change.state.as_ref().map(|state| (mirrored.show)(key, state)).transpose();
        let fields: Option<Fields> = match shown {
            Ok(shown) => shown.flatten(),
            Err(error) => {
                log::warn!("redis: the state of {:?} is not mirrored: {error}", String::from_utf8_lossy(key));
                continue;
            }
        };
        input.keys.push([prefix, key].concat());
        input.arguments.push(key.to_vec());
        input = input.argument(change.version);
        match fields {
            None => input = input.argument(-1),
            Some(fields) => {
                input = input.argument(fields.len());
                for (name, value) in fields {
                    input = input.argument(name).argument(value);
                }
            }
        }
    }
    let entries = input.keys.len() - 1;
    (input, entries)
}
