//! `/api/v1/systems/{system_id}/crud`

use crate::api::extract::{Body, Key, Path};
use crate::api::learned::Learned;
use crate::api::openapi::{BODY, ERP, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::context::Context;
use crate::limits;
use crate::problem::{Problem, ProblemKind};
use crate::records::{self, CrudAnswer, CrudRequest, Freshness, IdempotencyKey, Once, Wishes};
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bridge_model::SystemId;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What an ERP can answer to work with its records, besides what it can answer to anything.
pub(super) const RECORDS: &[ProblemKind] = &[
    ProblemKind::Forbidden,
    ProblemKind::ErpAccessDenied,
    ProblemKind::ErpLinkRefused,
    ProblemKind::SystemNotFound,
    ProblemKind::RecordNotFound,
    ProblemKind::ModelNotFound,
    ProblemKind::MethodNotFound,
    ProblemKind::ErpValidation,
    ProblemKind::ErpRefused,
    ProblemKind::OutcomeUnknown,
];

/// What a key of a write can be refused for.
pub(super) const KEY: &[ProblemKind] = &[ProblemKind::IdempotencyKeyInUse, ProblemKind::IdempotencyKeyReused];

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(crud).refusing(&[TOKEN, BODY, ERP, RECORDS, KEY]))
}

/// Work with records
///
/// `create`, `read`, `update`, `delete`, `search`, `count`, `fields` or `call`, for any model. It is done with the
/// caller's own credential where they have linked one (`POST /api/v1/users/{user_id}/links`), and then the ERP judges
/// what they may do; otherwise with the system's, and then only what an admin has opened
/// (`PUT /api/v1/systems/{system_id}/allowed`). Admins may read whatever the system's credential may.
///
/// What is read may come out of the cache, which never answers what was before a change in the log. The header `x-cache`
/// says so: `hit`, `miss` (asked for, and kept now) or `bypass` (none that is kept). `Cache-Control: no-cache` has it
/// asked for, `no-store` keeps it out of the cache as well.
///
/// A write with an `Idempotency-Key` is done once: the same request with the same key gets the same answer, with
/// `Idempotency-Replayed: true`, for 24 hours unless the settings say otherwise. What was not done leaves its key free.
#[utoipa::path(
    post,
    path = "/api/v1/systems/{system_id}/crud",
    operation_id = "workWithRecords",
    tag = "Records",
    params(
        ("system_id" = SystemId, Path, description = "The system."),
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]{1,128}$",
            description = "A name of the caller's own choice for a write, such as a UUID; of no use to a read."
        )
    ),
    request_body(content = CrudRequest, example = json!({
        "action": "read", "model": "res.partner", "domain": [["is_company", "=", false]],
        "fields": ["name", "email", "phone"], "limit": 10, "offset": 0
    })),
    responses((
        status = 200,
        description = "It is done.",
        body = CrudAnswer,
        example = json!({
            "success": true,
            "result": [{"id": 123, "name": "Ahmed Al-Saudi", "email": "ahmed@example.com", "phone": "+966501234567"}]
        })
    ))
)]
async fn crud(
    State(cx): State<Context>,
    caller: Caller,
    learned: Learned,
    Path(system_id): Path<SystemId>,
    headers: HeaderMap,
    Key(key): Key,
    Body(request): Body<CrudRequest>,
) -> Result<Response, Problem> {
    limits::count(&cx, learned.noted(), (&caller).into(), request.action.into()).await?;
    records::crud(&cx, &caller, &system_id, request, wishes(&headers, key)).await.and_then(|answer| answered(&answer))
}

/// The answer, with what the cache and the key had to do with it.
pub(super) fn answered(answer: &CrudAnswer) -> Result<Response, Problem> {
    let cache = answer.cache.map(|cache| (X_CACHE, HeaderValue::from_static(cache.as_str())));
    let replayed = answer.is_replayed.then_some((REPLAYED, HeaderValue::from_static("true")));
    let mut response =
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer.to_json()?).into_response();
    response.headers_mut().extend(cache.into_iter().chain(replayed));
    Ok(response)
}

/// Says what the cache had to do with an answer.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Says that an answer is that of an earlier request with the same key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What became of a request with a key, as its answer.
pub(super) fn answered_once<T: Serialize>(status: StatusCode, outcome: Once<T>) -> Response {
    match outcome {
        Once::Done(answer) => (status, Json(answer)).into_response(),
        Once::Replayed(kept) => (status, [(REPLAYED, HeaderValue::from_static("true"))], Json(kept)).into_response(),
    }
}

/// What the caller wishes besides.
pub(super) fn wishes(headers: &HeaderMap, key: Option<IdempotencyKey>) -> Wishes {
    Wishes { freshness: freshness(headers), key, ends_at: None }
}

fn freshness(headers: &HeaderMap) -> Freshness {
    let wishes = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut freshness = Freshness::Any;
    for wish in wishes.flat_map(|value| value.split(',')).map(str::trim) {
        if wish.eq_ignore_ascii_case("no-store") {
            return Freshness::Unkept;
        }
        if wish.eq_ignore_ascii_case("no-cache") {
            freshness = Freshness::Asked;
        }
    }
    freshness
}
