//! `GET /api/v1/webhooks/health`.

use crate::context::Context;
use crate::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether webhooks can be taken and asked about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhooksHealth)]
pub struct Health {
    /// Always `healthy`; otherwise the answer is a problem.
    pub status: &'static str,
    /// Which part of the service this is about.
    pub service: &'static str,
    /// The version of its API.
    pub version: &'static str,
    /// What it can do.
    pub features: [&'static str; 5],
}

/// Healthy if the database answers, without which nothing can be taken. It says nothing of any tenant, so that it needs
/// no token.
pub async fn health(cx: &Context) -> Result<Health, Problem> {
    cx.store.ping().await?;
    Ok(Health {
        status: "healthy",
        service: "webhooks",
        version: "1.0.0",
        features: ["receive", "events", "check-updates", "dead-letters and retry", "statistics"],
    })
}
