//! `/api/v1/auth/…`

use crate::api::extract::{Body, Peer, RawBody, bearer, parse};
use crate::auth::{self, Caller, LoginRequest, Me, RefreshRequest, Tokens};
use crate::context::Context;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// The routes of this file.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/auth/login", post(login))
        .route("/api/v1/auth/refresh", post(refresh))
        .route("/api/v1/auth/logout", post(logout))
        .route("/api/v1/auth/me", get(me))
}

async fn login(
    State(cx): State<Context>,
    Peer(peer): Peer,
    Body(request): Body<LoginRequest>,
) -> Result<Json<Tokens>, Problem> {
    auth::login(&cx, request, peer).await.map(Json)
}

async fn refresh(
    State(cx): State<Context>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Tokens>, Problem> {
    // The documented request has no body at all.
    let request = if body.is_empty() { RefreshRequest::default() } else { parse(&body)? };
    auth::refresh(&cx, bearer(&headers), request).await.map(Json)
}

async fn logout(State(cx): State<Context>, caller: Caller) -> Result<Json<Value>, Problem> {
    auth::logout(&cx, &caller).await?;
    Ok(Json(json!({ "success": true, "message": "Logged out" })))
}

async fn me(State(cx): State<Context>, caller: Caller) -> Result<Json<Me>, Problem> {
    auth::me(&cx, caller).await.map(Json)
}
