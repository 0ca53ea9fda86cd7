//! What ERPs call.

use crate::api::extract::{RawBody, bearer};
use crate::auth;
use crate::context::Context;
use crate::ingest::push;
use crate::problem::{Problem, ProblemKind};
use axum::extract::{FromRequest, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/api/v1/webhooks/receive", post(receive))
}

/// The push key decides the tenant and the system; the body is read only after it holds.
async fn receive(
    State(cx): State<Context>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Json<push::Received>, Problem> {
    let key = push_key(&headers).ok_or_else(|| {
        Problem::new(ProblemKind::Unauthenticated, "A push key is needed: Authorization: Bearer … or X-API-Key: …")
    })?;
    let source = auth::push_key(&cx, key).await?;
    let RawBody(body) = RawBody::from_request(request, &cx).await?;
    push::receive(&cx, &source.system, &body).await.map(Json)
}

fn push_key(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get("x-api-key")?.to_str().ok()).filter(|key| !key.is_empty())
}
