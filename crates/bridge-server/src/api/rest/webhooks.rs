//! What ERPs call.

use crate::api::extract::{RawBody, bearer};
use crate::api::learned::Learned;
use crate::api::openapi::{Refuses as _, TOKEN};
use crate::api::peer::Peer;
use crate::auth;
use crate::context::Context;
use crate::ingest::push;
use crate::language::Message;
use crate::limits::{self, Class, Who};
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::{FromRequest, State};
use axum::http::HeaderMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(receive).refusing(&[
        TOKEN,
        &[
            ProblemKind::AddressNotAllowed,
            ProblemKind::MalformedJson,
            ProblemKind::Invalid,
            ProblemKind::RequestTimeout,
            ProblemKind::PayloadTooLarge,
        ],
    ]))
}

/// Take events from an ERP
///
/// One event, or an array of at most `ingest.push_events_max`. The push key decides the tenant and the system. The answer
/// comes when everything is durable. What can't be understood is kept as a dead letter and named in `rejected`; if that
/// is all there was, the answer is a 400.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/receive",
    operation_id = "receiveEvents",
    tag = "Webhooks",
    security(("push_key" = []), ("push_key_as_bearer" = [])),
    request_body(content = push::Pushed, example = json!({
        "model": "sale.order", "record_id": 456, "event": "write", "priority": "high",
        "timestamp": "2025-11-16T10:30:00Z", "changed_fields": ["state"], "user_id": 2, "payload": { "state": "sale" },
        "_webhook_metadata": { "event_id": 501 }
    })),
    responses((status = 200, description = "What became of the events.", body = push::Received, example = json!({
        "success": true, "message": "Event queued for processing", "accepted": 1, "duplicates": 0, "deferred": 0,
        "ignored": 0, "rejected": []
    })))
)]
async fn receive(
    State(cx): State<Context>,
    Peer(peer): Peer,
    request: axum::extract::Request,
) -> Result<Json<push::Received>, Problem> {
    let key = push_key(request.headers())
        .ok_or_else(|| Problem::new(ProblemKind::Unauthenticated, Message::push_key_needed()))?;
    let source = auth::push_key(&cx, key, peer).await?;
    let who = Who::PushKey(source.tenant, source.system.key);
    limits::count(&cx, Learned::with(request.extensions()).noted(), who, Class::WebhookReceive).await?;
    let RawBody(body) = RawBody::from_request(request, &cx).await?;
    push::receive(&cx, &source.system, &body).await.map(Json)
}

fn push_key(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get("x-api-key")?.to_str().ok()).filter(|key| !key.is_empty())
}
