//! `/api/v1/mappings…` and `/api/v1/systems/{system_id}/entities…`

use super::records::{KEY, RECORDS, answered, wishes};
use crate::api::extract::{Body, Key, Path, Query};
use crate::api::learned::Learned;
use crate::api::openapi::{ADMIN, BODY, ERP, QUERY, Refuses as _, TOKEN};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::limits;
use crate::mapping::{self, ApplyMapping, MappedRecords, MappingPage, MappingQuery, MappingView, SetMapping};
use crate::problem::{Problem, ProblemKind};
use crate::records::{self, CrudAnswer, EntityRequest};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bridge_model::SystemId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    let unknown = &[ProblemKind::SystemNotFound, ProblemKind::NotFound];
    let no_system = &[ProblemKind::SystemNotFound];
    OpenApiRouter::new()
        .routes(routes!(list).refusing(&[TOKEN, QUERY, no_system, ERP]))
        .routes(routes!(get_one).refusing(&[TOKEN, QUERY, unknown, ERP]))
        .routes(routes!(set).refusing(&[ADMIN, BODY, unknown, ERP]))
        .routes(routes!(reset).refusing(&[ADMIN, QUERY, unknown, ERP]))
        .routes(routes!(apply).refusing(&[TOKEN, BODY, unknown, ERP]))
        .routes(routes!(crud).refusing(&[TOKEN, BODY, ERP, RECORDS, KEY, unknown]))
}

/// List the entities
///
/// The words for records that are the same for every system.
#[utoipa::path(
    get,
    path = "/api/v1/mappings",
    operation_id = "listMappings",
    tag = "Field mapping",
    params(MappingQuery),
    responses((status = 200, description = "The entities, by name.", body = MappingPage))
)]
async fn list(
    State(cx): State<Context>,
    caller: Caller,
    Query(query): Query<MappingQuery>,
) -> Result<Json<MappingPage>, Problem> {
    mapping::list(&cx, &caller, &query).await.map(Json)
}

/// See the map of an entity
///
/// As it holds for a system and a version, with the tenant's own changes.
#[utoipa::path(
    get,
    path = "/api/v1/mappings/{entity}",
    operation_id = "readMapping",
    tag = "Field mapping",
    params(("entity" = String, Path, description = "The entity, `contact`."), MappingQuery),
    responses((status = 200, description = "The map.", body = MappingView))
)]
async fn get_one(
    State(cx): State<Context>,
    caller: Caller,
    Path(entity): Path<String>,
    Query(query): Query<MappingQuery>,
) -> Result<Json<MappingView>, Problem> {
    mapping::get(&cx, &caller, &entity, &query).await.map(Json)
}

/// Change the map of an entity
///
/// For admins. The changes take the place of those that there were, and must make sense in every version.
#[utoipa::path(
    put,
    path = "/api/v1/mappings/{entity}",
    operation_id = "changeMapping",
    tag = "Field mapping",
    params(("entity" = String, Path, description = "The entity, `contact`."), MappingQuery),
    request_body(content = SetMapping, example = json!({
        "fields": {
            "loyalty_points": "x_loyalty", "website": null,
            "grade": { "field": "x_grade", "values": [["gold", "1"], ["silver", "2"]] }
        }
    })),
    responses((status = 200, description = "The map, as it holds now.", body = MappingView))
)]
async fn set(
    State(cx): State<Context>,
    admin: Admin,
    Path(entity): Path<String>,
    Query(query): Query<MappingQuery>,
    Body(request): Body<SetMapping>,
) -> Result<Json<MappingView>, Problem> {
    mapping::set(&cx, &admin, &entity, &query, request).await.map(Json)
}

/// Take the changes to a map away
///
/// For admins.
#[utoipa::path(
    delete,
    path = "/api/v1/mappings/{entity}",
    operation_id = "resetMapping",
    tag = "Field mapping",
    params(("entity" = String, Path, description = "The entity, `contact`."), MappingQuery),
    responses((status = 200, description = "The map, as it holds now.", body = MappingView))
)]
async fn reset(
    State(cx): State<Context>,
    admin: Admin,
    Path(entity): Path<String>,
    Query(query): Query<MappingQuery>,
) -> Result<Json<MappingView>, Problem> {
    mapping::reset(&cx, &admin, &entity, &query).await.map(Json)
}

/// Turn records around
///
/// From universal records to the system's, or back. Nothing is read from the system and nothing written there.
#[utoipa::path(
    post,
    path = "/api/v1/mappings/{entity}/apply",
    operation_id = "applyMapping",
    tag = "Field mapping",
    params(("entity" = String, Path, description = "The entity, `contact`.")),
    request_body(content = ApplyMapping, example = json!({
        "direction": "to_system", "version": "19.0", "data": { "name": "Atlas", "kind": "company", "postal_code": "20000" }
    })),
    responses((status = 200, description = "The records.", body = MappedRecords))
)]
async fn apply(
    State(cx): State<Context>,
    caller: Caller,
    Path(entity): Path<String>,
    Body(request): Body<ApplyMapping>,
) -> Result<Json<MappedRecords>, Problem> {
    mapping::apply(&cx, &caller, &entity, request).await.map(Json)
}

/// Work with the records of an entity
///
/// As `POST /api/v1/systems/{system_id}/crud` does with those of a model, with the same rights, in words that are the same
/// for every system and version: fields, values, filters, orders and lines. `fields` and `call` are left out.
#[utoipa::path(
    post,
    path = "/api/v1/systems/{system_id}/entities/{entity}/crud",
    operation_id = "workWithEntity",
    tag = "Field mapping",
    params(
        ("system_id" = SystemId, Path, description = "The system."),
        ("entity" = String, Path, description = "The entity, `contact`."),
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]{1,128}$",
            description = "A name of the caller's own choice for a write, such as a UUID; of no use to a read."
        )
    ),
    request_body(content = EntityRequest, example = json!({
        "action": "read", "domain": [["kind", "=", "company"]], "fields": ["name", "postal_code"], "limit": 10
    })),
    responses((
        status = 200,
        description = "It is done.",
        body = CrudAnswer,
        example = json!({ "success": true, "result": [{ "id": 123, "name": "Atlas", "postal_code": "20000" }] })
    ))
)]
async fn crud(
    State(cx): State<Context>,
    caller: Caller,
    learned: Learned,
    Path((system_id, entity)): Path<(SystemId, String)>,
    headers: HeaderMap,
    Key(key): Key,
    Body(request): Body<EntityRequest>,
) -> Result<Response, Problem> {
    limits::count(&cx, learned.noted(), (&caller).into(), request.action.into()).await?;
    records::crud_entity(&cx, &caller, &system_id, &entity, request, wishes(&headers, key))
        .await
        .and_then(|answer| answered(&answer))
}
