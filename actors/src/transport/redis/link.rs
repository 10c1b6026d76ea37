//! The connection to Redis. It connects by itself, at the first call and after each break.

use std::{future::Future, time::Duration};

use futures_util::future::BoxFuture;
use pandaflow::{ports::StoreError, settings::RedisUrl};
use redis::{
    Client, IntoConnectionInfo, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};

use super::RedisConfig;
use crate::transport::side_thread::SideThread;

/// How long to wait at most before a broken connection is made anew.
const RECONNECT_WITHIN: Duration = Duration::from_millis(500);

pub(super) struct Link {
    connection: ConnectionManager,
    server: Server,
    thread: SideThread,
}

/// Which server it is, as errors name it.
#[derive(Debug, Clone)]
struct Server {
    url: RedisUrl,
    timeout: Duration,
}

impl Link {
    pub(super) fn open(config: &RedisConfig) -> Result<Self, StoreError> {
        let server = Server { url: config.url.clone(), timeout: config.timeout };
        let client = client(config).map_err(|error| server.failed(&error))?;
        let thread = SideThread::start("redis")
            .map_err(|error| failed(format!("its thread can't be started: {error}")))?;
        let manager = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(config.timeout))
            // The limit of a call holds for all of it, so there is no other for the answer.
            .set_response_timeout(None)
            .set_number_of_retries(1)
            .set_max_delay(RECONNECT_WITHIN);
        let connection = {
            let _inside = thread.enter();
            ConnectionManager::new_lazy_with_config(client, manager).map_err(|error| server.failed(&error))?
        };
        Ok(Self { connection, server, thread })
    }

    /// Asks the server something, within the time limit.
    pub(super) async fn ask<T, F>(
        &self,
        doing: String,
        work: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        match tokio::time::timeout(self.server.timeout, work(self.connection.clone())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.server.failed_at(&doing, &error)),
            Err(_) => Err(self.server.too_late(&doing)),
        }
    }

    /// Runs `work` on the link's thread.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        unheard: impl FnOnce(T) + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        self.thread.run(work, unheard)
    }
}

fn client(config: &RedisConfig) -> RedisResult<Client> {
    let tcp = TcpSettings::default().set_nodelay(true);
    // A connection whose other end has gone without a word ends as well.
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(config.timeout);
    Client::open(config.url.reveal().into_connection_info()?.set_tcp_settings(tcp))
}

impl Server {
    fn failed(&self, error: &RedisError) -> StoreError {
        failed(format!("{}: {error}. REDIS__URL says where it is", self.url))
    }

    fn failed_at(&self, doing: &str, error: &RedisError) -> StoreError {
        failed(format!("{}, {doing}: {error}. REDIS__URL says where it is", self.url))
    }

    fn too_late(&self, doing: &str) -> StoreError {
        let timeout = self.timeout;
        failed(format!(
            "{}, {doing}: no answer within {timeout:?}, which REDIS__TIMEOUT says. REDIS__URL says where it is",
            self.url
        ))
    }
}

pub(super) fn failed(message: String) -> StoreError {
    StoreError { store: "redis", message }
}
