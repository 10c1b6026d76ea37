//! The HTTP server of a process: readiness, liveness, the whole health report and the metrics, for the machine
//! it runs on only.

mod loopback;
mod routes;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, dev::ServerHandle, middleware, web};
use pandaflow::Clock;

use self::routes::Wires;
use crate::{health::HealthHandle, metrics::MetricsHandle};

/// How the HTTP server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where to listen: a loopback address. Port 0, the default, takes one that is free; see [`HttpServer::addr`].
    pub bind: SocketAddr,
    /// How long health and metrics may take for an answer; 2 s by default. After that the answer is 503.
    pub timeout: Duration,
    /// Connections at once; 64 by default. Later ones wait.
    pub connections: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { bind, timeout: Duration::from_secs(2), connections: 64 }
    }
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address can be reached from other machines.
    #[error(
        "{address} is no loopback address; health and metrics are for this machine only: use 127.0.0.1 or ::1"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}; use another port, or 0 for one that is free")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The running server. Dropping this leaves it running; [`HttpServer::stop`] ends it.
#[derive(Debug, Clone)]
pub struct HttpServer {
    addr: SocketAddr,
    server: ServerHandle,
}

impl HttpServer {
    /// Starts it, with one worker thread.
    ///
    /// # Errors
    /// The address is not a loopback one, or can't be listened on.
    ///
    /// # Panics
    /// If no actix system runs on this thread.
    pub fn start(
        config: HttpConfig,
        health: HealthHandle,
        metrics: MetricsHandle,
        clock: Arc<dyn Clock>,
        log: &slog::Logger,
    ) -> Result<Self, HttpError> {
        let (listener, addr) = listen(config.bind)?;
        let failed = |source| HttpError::Bind { address: config.bind, source };
        let wires = web::Data::new(Wires { health, metrics, clock, timeout: config.timeout });
        let app = move || {
            App::new()
                .app_data(wires.clone())
                .wrap(middleware::DefaultHeaders::new().add(("Cache-Control", "no-store")))
                .wrap(middleware::from_fn(loopback::only_for_this_machine))
                .configure(routes::routes)
        };
        let server = actix_web::HttpServer::new(app)
            .workers(1)
            .max_connections(config.connections)
            .disable_signals()
            .shutdown_timeout(config.timeout.as_secs().max(1))
            .listen(listener)
            .map_err(failed)?
            .run();
        let handle = server.handle();
        actix_rt::spawn(server);
        slog::info!(log, "health and metrics are served"; "address" => %addr);
        Ok(Self { addr, server: handle })
    }

    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more requests, and returns when those under way are answered.
    pub async fn stop(&self) {
        self.server.stop(true).await;
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), HttpError> {
    if !address.ip().is_loopback() {
        return Err(HttpError::NotLoopback { address });
    }
    let failed = |source| HttpError::Bind { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let taken = listener.local_addr().map_err(failed)?;
    Ok((listener, taken))
}

#[cfg(test)]
mod tests;
