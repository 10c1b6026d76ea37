//! How the dedup store on Redis is opened.

use std::time::Duration;

use pandaflow::settings::{Redis, RedisUrl};

/// Where Redis is, and how long it may take.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// The server (REDIS__URL); `redis://localhost:6379/0` by default.
    pub url: RedisUrl,
    /// How long a call may take, a new connection included (REDIS__TIMEOUT); 5 s by default.
    pub timeout: Duration,
    /// What the keys begin with; `pandaflow` by default. Installations that share a server must differ in it or in their groups.
    pub key_prefix: String,
}

impl From<&Redis> for RedisConfig {
    fn from(settings: &Redis) -> Self {
        Self { url: settings.url.clone(), timeout: settings.timeout, key_prefix: "pandaflow".into() }
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self::from(&Redis::default())
    }
}
