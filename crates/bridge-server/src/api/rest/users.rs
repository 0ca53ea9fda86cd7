//! `/api/v1/users…`

use crate::admin::users::{self, CreateUser, ListUsers, UpdateUser, UserPage, UserView};
use crate::api::extract::{Body, Path, Query};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use bridge_model::UserId;
use serde_json::{Value, json};

/// The routes of this file.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/users", get(list).post(create))
        .route("/api/v1/users/{user_id}", get(get_one).put(update).delete(delete))
}

async fn list(
    State(cx): State<Context>,
    admin: Admin,
    Query(query): Query<ListUsers>,
) -> Result<Json<UserPage>, Problem> {
    users::list(&cx, &admin, query).await.map(Json)
}

async fn create(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<CreateUser>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    Ok((StatusCode::CREATED, Json(users::create(&cx, &admin, request).await?)))
}

async fn get_one(State(cx): State<Context>, caller: Caller, Path(id): Path<UserId>) -> Result<Json<UserView>, Problem> {
    users::get(&cx, &caller, id).await.map(Json)
}

async fn update(
    State(cx): State<Context>,
    admin: Admin,
    Path(id): Path<UserId>,
    Body(request): Body<UpdateUser>,
) -> Result<Json<UserView>, Problem> {
    users::update(&cx, &admin, id, request).await.map(Json)
}

async fn delete(State(cx): State<Context>, admin: Admin, Path(id): Path<UserId>) -> Result<Json<Value>, Problem> {
    users::delete(&cx, &admin, id).await?;
    Ok(Json(json!({ "success": true, "id": id })))
}
