//! A client that asks about topics.
//!
//! librdkafka 2.12 may keep for good that a partition has no leader, once it has heard so while the broker was out of
//! reach, and answers from what it keeps. Only another client is free of that.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use pandaflow::ports::StoreError;
use rdkafka::{ClientConfig, consumer::BaseConsumer};

use super::{failure::failed, quiet::Quiet};

/// How long a client may say that there is no leader before another one is asked.
pub(super) const LEADER_SHOULD_BE_KNOWN: Duration = Duration::from_secs(1);

/// The client, which can be made anew.
pub(super) struct Asking {
    config: ClientConfig,
    quiet: Quiet,
    client: RwLock<Arc<BaseConsumer<Quiet>>>,
}

impl Asking {
    pub(super) fn new(config: ClientConfig, quiet: Quiet) -> Result<Self, StoreError> {
        let client = RwLock::new(Arc::new(make(&config, &quiet)?));
        Ok(Self { config, quiet, client })
    }

    /// The client as it is now.
    pub(super) fn get(&self) -> Arc<BaseConsumer<Quiet>> {
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another client in the place of this one, unless somebody has done so already.
    pub(super) fn renew(&self, stale: &Arc<BaseConsumer<Quiet>>) -> Result<(), StoreError> {
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&client, stale) {
            *client = Arc::new(make(&self.config, &self.quiet)?);
        }
        Ok(())
    }
}

fn make(config: &ClientConfig, quiet: &Quiet) -> Result<BaseConsumer<Quiet>, StoreError> {
    config.create_with_context(quiet.clone()).map_err(failed("making a client"))
}
