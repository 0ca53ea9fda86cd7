//! `/api/v1/systems…`

use crate::admin::systems::{
    self, Allowed, DetectionView, FieldPage, ModelPage, ModelsQuery, RegisterSystem, SetAllowed, SetDetection,
    SystemPage, SystemStatus, SystemTest, SystemView, UpdateSystem,
};
use crate::api::extract::{Body, Path, Query};
use crate::api::openapi::{ADMIN, BODY, ERP, QUERY, Refuses as _, TOKEN};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bridge_model::{ModelName, SystemId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    let unknown = &[ProblemKind::SystemNotFound];
    let conflict = &[ProblemKind::Conflict];
    OpenApiRouter::new()
        .routes(routes!(list).refusing(&[TOKEN]))
        .routes(routes!(register).refusing(&[ADMIN, BODY, conflict]))
        .routes(routes!(get_one).refusing(&[TOKEN, QUERY, unknown]))
        .routes(routes!(update).refusing(&[ADMIN, BODY, unknown, conflict]))
        .routes(routes!(delete).refusing(&[ADMIN, QUERY, unknown, conflict]))
        .routes(routes!(test).refusing(&[ADMIN, QUERY, unknown]))
        .routes(routes!(status).refusing(&[TOKEN, QUERY, unknown]))
        .routes(routes!(models).refusing(&[ADMIN, QUERY, unknown]))
        .routes(routes!(fields).refusing(&[ADMIN, QUERY, unknown, ERP]))
        .routes(routes!(detection).refusing(&[ADMIN, QUERY, unknown]))
        .routes(routes!(set_detection).refusing(&[ADMIN, BODY, unknown]))
        .routes(routes!(allowed).refusing(&[ADMIN, QUERY, unknown]))
        .routes(routes!(set_allowed).refusing(&[ADMIN, BODY, unknown]))
}

/// List the systems
#[utoipa::path(
    get,
    path = "/api/v1/systems",
    operation_id = "listSystems",
    tag = "Systems",
    responses((status = 200, description = "All systems of the tenant.", body = SystemPage))
)]
async fn list(State(cx): State<Context>, caller: Caller) -> Result<Json<SystemPage>, Problem> {
    systems::list(&cx, &caller).await.map(Json)
}

/// Register a system
///
/// For admins. Nothing is sent to the system, which may be down; `POST /api/v1/systems/{system_id}/test` tells whether it
/// can be reached. The first system of a tenant is its primary one.
#[utoipa::path(
    post,
    path = "/api/v1/systems",
    operation_id = "registerSystem",
    tag = "Systems",
    request_body(content = RegisterSystem, example = json!({
        "system_id": "odoo_main", "system_type": "odoo", "system_version": "19.0", "name": "Head office",
        "connection_config": {
            "url": "https://odoo.example.com", "database": "production", "username": "bridge@example.com",
            "password": "3f8a-an-api-key-works-here"
        }
    })),
    responses((status = 201, description = "The system, with its push key, which is shown only now.", body = SystemView))
)]
async fn register(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<RegisterSystem>,
) -> Result<(StatusCode, Json<SystemView>), Problem> {
    Ok((StatusCode::CREATED, Json(systems::register(&cx, &admin, request).await?)))
}

/// See a system
///
/// Its credential is never shown.
#[utoipa::path(
    get,
    path = "/api/v1/systems/{system_id}",
    operation_id = "readSystem",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system.")),
    responses((status = 200, description = "The system.", body = SystemView))
)]
async fn get_one(
    State(cx): State<Context>,
    caller: Caller,
    Path(system_id): Path<SystemId>,
) -> Result<Json<SystemView>, Problem> {
    systems::get(&cx, &caller, &system_id).await.map(Json)
}

/// Change a system
///
/// For admins. What is left out stays as it is.
#[utoipa::path(
    put,
    path = "/api/v1/systems/{system_id}",
    operation_id = "changeSystem",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system.")),
    request_body(content = UpdateSystem, example = json!({ "name": "Head office", "rotate_push_key": true })),
    responses((status = 200, description = "The system, with its new push key if there is one.", body = SystemView))
)]
async fn update(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
    Body(request): Body<UpdateSystem>,
) -> Result<Json<SystemView>, Problem> {
    systems::update(&cx, &admin, &system_id, request).await.map(Json)
}

/// Delete a system
///
/// For admins. Its changes stay in the log until they are trimmed. The primary one of several can't be deleted.
#[utoipa::path(
    delete,
    path = "/api/v1/systems/{system_id}",
    operation_id = "deleteSystem",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system.")),
    responses((status = 200, description = "The system is gone.", body = SystemDeleted))
)]
async fn delete(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
) -> Result<Json<SystemDeleted>, Problem> {
    systems::delete(&cx, &admin, &system_id).await?;
    Ok(Json(SystemDeleted { success: true, system_id }))
}

/// Try a system out
///
/// For admins. Connects with the stored settings. What does not work is a fact in the answer, not a failure of the
/// request.
#[utoipa::path(
    post,
    path = "/api/v1/systems/{system_id}/test",
    operation_id = "testSystem",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system.")),
    responses((status = 200, description = "What was found, step by step.", body = SystemTest))
)]
async fn test(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
) -> Result<Json<SystemTest>, Problem> {
    systems::test(&cx, &admin, &system_id).await.map(Json)
}

/// See how a system is doing
///
/// Asks the system, and tells how far its event table has been read. What does not work is a fact in the answer.
#[utoipa::path(
    get,
    path = "/api/v1/systems/{system_id}/status",
    operation_id = "readSystemStatus",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system.")),
    responses((status = 200, description = "The state at this moment.", body = SystemStatus))
)]
async fn status(
    State(cx): State<Context>,
    caller: Caller,
    Path(system_id): Path<SystemId>,
) -> Result<Json<SystemStatus>, Problem> {
    systems::status(&cx, &caller, &system_id).await.map(Json)
}

/// List the models of a system
///
/// For admins. Each with its class, the strategies that can see its changes, the one in charge, and what that one
/// promises.
#[utoipa::path(
    get,
    path = "/api/v1/systems/{system_id}/models",
    operation_id = "listModels",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system."), ModelsQuery),
    responses((status = 200, description = "A page of models, by name.", body = ModelPage))
)]
async fn models(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
    Query(query): Query<ModelsQuery>,
) -> Result<Json<ModelPage>, Problem> {
    systems::models(&cx, &admin, &system_id, &query).await.map(Json)
}

/// List the fields of a model
///
/// For admins. The system is asked now, with its own credential.
#[utoipa::path(
    get,
    path = "/api/v1/systems/{system_id}/models/{model}/fields",
    operation_id = "listFields",
    tag = "Systems",
    params(
        ("system_id" = SystemId, Path, description = "The system."),
        ("model" = ModelName, Path, description = "The model."),
    ),
    responses((status = 200, description = "The fields, by name.", body = FieldPage))
)]
async fn fields(
    State(cx): State<Context>,
    admin: Admin,
    Path((system_id, model)): Path<(SystemId, ModelName)>,
) -> Result<Json<FieldPage>, Problem> {
    systems::fields(&cx, &admin, &system_id, &model).await.map(Json)
}

/// See how changes are seen
///
/// For admins. Which strategies work, how many models each owns, and what was chosen.
#[utoipa::path(
    get,
    path = "/api/v1/systems/{system_id}/detection",
    operation_id = "readDetection",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system.")),
    responses((status = 200, description = "How changes are seen.", body = DetectionView))
)]
async fn detection(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
) -> Result<Json<DetectionView>, Problem> {
    systems::detection(&cx, &admin, &system_id).await.map(Json)
}

/// Choose how changes are seen
///
/// For admins. For single models, and for all that nothing was chosen for: a strategy, `auto` or `none`. Models change
/// hands soon afterwards, and nothing is lost on the way.
#[utoipa::path(
    put,
    path = "/api/v1/systems/{system_id}/detection",
    operation_id = "chooseDetection",
    tag = "Systems",
    params(("system_id" = SystemId, Path, description = "The system.")),
    request_body(content = SetDetection, example = json!({ "models": { "res.partner": "poll" }, "default": "auto" })),
    responses((status = 200, description = "How changes are seen now.", body = DetectionView))
)]
async fn set_detection(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
    Body(request): Body<SetDetection>,
) -> Result<Json<DetectionView>, Problem> {
    systems::set_detection(&cx, &admin, &system_id, request).await.map(Json)
}

/// See what is open
///
/// For admins. Which models and operations are open to users who act with the system's own credential, since they have
/// not linked one of theirs.
#[utoipa::path(
    get,
    path = "/api/v1/systems/{system_id}/allowed",
    operation_id = "readAllowed",
    tag = "Records",
    params(("system_id" = SystemId, Path, description = "The system.")),
    responses((status = 200, description = "What is open.", body = Allowed))
)]
async fn allowed(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
) -> Result<Json<Allowed>, Problem> {
    systems::allowed(&cx, &admin, &system_id).await.map(Json)
}

/// Choose what is open
///
/// For admins. The list is replaced as a whole; at first it is empty. Everybody of the tenant who has linked no credential
/// of their own can then do this, whichever records it is about, with the rights of the system's credential. Lines are
/// records of their own model, and so is what a filter's path leads through: these must be open too. Admins read
/// everything, and write what is open.
#[utoipa::path(
    put,
    path = "/api/v1/systems/{system_id}/allowed",
    operation_id = "chooseAllowed",
    tag = "Records",
    params(("system_id" = SystemId, Path, description = "The system.")),
    request_body(content = SetAllowed, example = json!({ "models": {
        "res.partner": { "operations": ["read", "create", "update"], "methods": [] },
        "sale.order": { "operations": ["read"], "methods": ["action_confirm"] }
    } })),
    responses((status = 200, description = "What is open now.", body = Allowed))
)]
async fn set_allowed(
    State(cx): State<Context>,
    admin: Admin,
    Path(system_id): Path<SystemId>,
    Body(request): Body<SetAllowed>,
) -> Result<Json<Allowed>, Problem> {
    systems::set_allowed(&cx, &admin, &system_id, request).await.map(Json)
}

/// The answer to a deletion.
#[derive(Debug, Serialize, ToSchema)]
struct SystemDeleted {
    /// Always true; failures have the error shape.
    success: bool,
    /// The system that was deleted.
    system_id: SystemId,
}
