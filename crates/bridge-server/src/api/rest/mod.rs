//! The REST routes, a file for each resource.

mod auth;
mod devices;
mod health;
mod metrics;
mod sync;
mod systems;
mod users;
mod webhook_events;
mod webhooks;

use crate::context::Context;
use axum::Router;

pub(super) use metrics::routes as metrics_routes;

/// All of them, but for the metrics: those are answered also when there are too many requests.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .merge(auth::routes())
        .merge(devices::routes())
        .merge(health::routes())
        .merge(sync::routes())
        .merge(systems::routes())
        .merge(users::routes())
        .merge(webhook_events::routes())
        .merge(webhooks::routes())
}
