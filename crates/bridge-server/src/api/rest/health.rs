//! Whether the service lives and can work.

use crate::context::Context;
use crate::problem::Problem;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/health", get(ready)).route("/health/ready", get(ready)).route("/health/live", get(live))
}

/// The process answers: restarting it would mend nothing.
async fn live() -> Json<Value> {
    Json(json!({ "status": "healthy" }))
}

/// The database answers too: requests can be served. It does not depend on any ERP.
async fn ready(State(cx): State<Context>) -> Result<Json<Value>, Problem> {
    cx.store.ping().await?;
    Ok(Json(json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION"), "database": cx.store.kind() })))
}
