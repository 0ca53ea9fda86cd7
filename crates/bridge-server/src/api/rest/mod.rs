//! The REST routes, a file for each resource.

mod alerts;
mod audit;
mod auth;
mod barcode;
mod batch;
mod cache;
mod description;
mod devices;
mod files;
mod health;
mod mappings;
mod metrics;
mod migration;
mod records;
mod sync;
mod systems;
mod tasks;
mod users;
mod webhook_events;
mod webhooks;

use crate::context::Context;
use utoipa_axum::router::OpenApiRouter;

pub(super) use description::{Pages, routes as description_routes};
pub(super) use files::routes as file_routes;
pub(super) use metrics::routes as metrics_routes;

/// All of them, but for files, which have bounds of their own, for the metrics, which are answered also when there are
/// too many requests, and for the description of them all.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .merge(alerts::routes())
        .merge(audit::routes())
        .merge(auth::routes())
        .merge(barcode::routes())
        .merge(batch::routes())
        .merge(cache::routes())
        .merge(devices::routes())
        .merge(health::routes())
        .merge(mappings::routes())
        .merge(migration::routes())
        .merge(records::routes())
        .merge(sync::routes())
        .merge(systems::routes())
        .merge(tasks::routes())
        .merge(users::routes())
        .merge(webhook_events::routes())
        .merge(webhooks::routes())
}
