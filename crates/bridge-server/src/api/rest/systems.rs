//! `/api/v1/systems…`

use crate::admin::systems::{self, RegisterSystem, SystemPage, SystemStatus, SystemTest, SystemView, UpdateSystem};
use crate::api::extract::{Body, Path};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bridge_model::SystemId;
use serde_json::{Value, json};

/// The routes of this file.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/systems", get(list).post(register))
        .route("/api/v1/systems/{system_id}", get(get_one).put(update).delete(delete))
        .route("/api/v1/systems/{system_id}/test", post(test))
        .route("/api/v1/systems/{system_id}/status", get(status))
}

async fn list(State(cx): State<Context>, caller: Caller) -> Result<Json<SystemPage>, Problem> {
    systems::list(&cx, &caller).await.map(Json)
}

async fn register(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<RegisterSystem>,
) -> Result<(StatusCode, Json<SystemView>), Problem> {
    Ok((StatusCode::CREATED, Json(systems::register(&cx, &admin, request).await?)))
}

async fn get_one(
    State(cx): State<Context>,
    caller: Caller,
    Path(system_id): Path<SystemId>,
) -> Result<Json<SystemView>, Problem> {
    systems::get(&cx, &caller, &system_id).await.map(Json)
}

async fn update(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
    Body(request): Body<UpdateSystem>,
) -> Result<Json<SystemView>, Problem> {
    systems::update(&cx, &admin, &system_id, request).await.map(Json)
}

async fn delete(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
) -> Result<Json<Value>, Problem> {
    systems::delete(&cx, &admin, &system_id).await?;
    Ok(Json(json!({ "success": true, "system_id": system_id })))
}

async fn test(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
) -> Result<Json<SystemTest>, Problem> {
    systems::test(&cx, &admin, &system_id).await.map(Json)
}

async fn status(
    State(cx): State<Context>,
    caller: Caller,
    Path(system_id): Path<SystemId>,
) -> Result<Json<SystemStatus>, Problem> {
    systems::status(&cx, &caller, &system_id).await.map(Json)
}
