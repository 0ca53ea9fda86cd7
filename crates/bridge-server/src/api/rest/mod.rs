//! The REST routes, a file for each resource.

mod auth;
mod health;
mod sync;
mod systems;
mod users;
mod webhooks;

use crate::context::Context;
use axum::Router;

/// All of them.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .merge(auth::routes())
        .merge(health::routes())
        .merge(sync::routes())
        .merge(systems::routes())
        .merge(users::routes())
        .merge(webhooks::routes())
}
