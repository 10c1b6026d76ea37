//! What the HTTP server answers.

use std::{fmt::Display, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse,
    http::{StatusCode, header::ContentType},
    web::{self, Data, ServiceConfig},
};
use pandaflow::Clock;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    health::{HealthHandle, HealthReport},
    mailbox::MailboxError,
    metrics::MetricsHandle,
};

/// Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the answers come from.
pub(super) struct Wires {
    pub(super) health: HealthHandle,
    pub(super) metrics: MetricsHandle,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timeout: Duration,
}

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(web::resource("/health").get(whole))
        .service(web::resource("/health/ready").get(ready))
        .service(web::resource("/health/live").get(live))
        .service(web::resource("/metrics").get(metrics));
}

async fn whole(wires: Data<Wires>) -> HttpResponse {
    answer(&wires, |_| true).await
}

async fn ready(wires: Data<Wires>) -> HttpResponse {
    answer(&wires, |report| report.ready).await
}

async fn live(wires: Data<Wires>) -> HttpResponse {
    answer(&wires, |report| report.alive).await
}

async fn metrics(wires: Data<Wires>) -> HttpResponse {
    match timeout(wires.timeout, wires.metrics.render()).await {
        Ok(Ok(text)) => HttpResponse::Ok().content_type(PROMETHEUS).body(text),
        Ok(Err(closed)) => unavailable(closed),
        Err(_) => unavailable(late("metrics", wires.timeout)),
    }
}

async fn answer(wires: &Wires, good: impl Fn(&HealthReport) -> bool) -> HttpResponse {
    match read(wires).await {
        Ok(Ok(report)) => {
            let status = if good(&report) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            HttpResponse::build(status).content_type(ContentType::json()).json(report)
        }
        Ok(Err(closed)) => unavailable(closed),
        Err(late) => unavailable(late),
    }
}

async fn read(wires: &Wires) -> Result<Result<HealthReport, MailboxError>, String> {
    let report = wires.health.read(wires.clock.now());
    timeout(wires.timeout, report).await.map_err(|_| late("health", wires.timeout))
}

fn late(actor: &str, limit: Duration) -> String {
    format!("the {actor} actor did not answer within {limit:?}: it is stuck, or its arbiter is blocked")
}

fn unavailable(error: impl Display) -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({ "error": error.to_string() }))
}
