//! `/api/v1/users…`

use crate::admin::users::{self, CreateUser, LinkPage, LinkUser, LinkView, ListUsers, UpdateUser, UserPage, UserView};
use crate::api::extract::{Body, Path, Query};
use crate::api::openapi::{ADMIN, BODY, ERP, QUERY, Refuses as _};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bridge_model::{SystemId, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    let unknown = &[ProblemKind::NotFound];
    let conflict = &[ProblemKind::Conflict];
    let unknown_system = &[ProblemKind::SystemNotFound];
    let refused = &[ProblemKind::ErpLinkRefused];
    OpenApiRouter::new()
        .routes(routes!(list).refusing(&[ADMIN, QUERY]))
        .routes(routes!(create).refusing(&[ADMIN, BODY, conflict]))
        .routes(routes!(get_one).refusing(&[ADMIN, QUERY, unknown]))
        .routes(routes!(update).refusing(&[ADMIN, BODY, unknown, conflict]))
        .routes(routes!(delete).refusing(&[ADMIN, QUERY, unknown, conflict]))
        .routes(routes!(link).refusing(&[ADMIN, BODY, unknown, unknown_system, refused, ERP]))
        .routes(routes!(links).refusing(&[ADMIN, QUERY, unknown]))
        .routes(routes!(unlink).refusing(&[ADMIN, QUERY, unknown, unknown_system]))
}

/// List users
///
/// For admins.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    operation_id = "listUsers",
    tag = "Accounts",
    params(ListUsers),
    responses((status = 200, description = "A page of users.", body = UserPage))
)]
async fn list(
    State(cx): State<Context>,
    admin: Admin,
    Query(query): Query<ListUsers>,
) -> Result<Json<UserPage>, Problem> {
    users::list(&cx, &admin, query).await.map(Json)
}

/// Add a user
///
/// For admins.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    operation_id = "createUser",
    tag = "Accounts",
    request_body(content = CreateUser, example = json!({
        "username": "amina", "password": "correct horse battery staple", "role": "user", "odoo_user_id": 7, "language": "ar"
    })),
    responses((status = 201, description = "The user.", body = UserView))
)]
async fn create(
    State(cx): State<Context>,
    admin: Admin,
    Body(request): Body<CreateUser>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    Ok((StatusCode::CREATED, Json(users::create(&cx, &admin, request).await?)))
}

/// See a user
///
/// Oneself, or for admins anybody of the tenant.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user_id}",
    operation_id = "readUser",
    tag = "Accounts",
    params(("user_id" = UserId, Path, description = "The user.")),
    responses((status = 200, description = "The user.", body = UserView))
)]
async fn get_one(State(cx): State<Context>, caller: Caller, Path(id): Path<UserId>) -> Result<Json<UserView>, Problem> {
    users::get(&cx, &caller, id).await.map(Json)
}

/// Change a user
///
/// For admins. What is left out stays as it is. A new password and `"is_active": false` end the user's sessions.
#[utoipa::path(
    put,
    path = "/api/v1/users/{user_id}",
    operation_id = "changeUser",
    tag = "Accounts",
    params(("user_id" = UserId, Path, description = "The user.")),
    request_body(content = UpdateUser, example = json!({ "odoo_user_id": 7, "language": null })),
    responses((status = 200, description = "The user.", body = UserView))
)]
async fn update(
    State(cx): State<Context>,
    admin: Admin,
    Path(id): Path<UserId>,
    Body(request): Body<UpdateUser>,
) -> Result<Json<UserView>, Problem> {
    users::update(&cx, &admin, id, request).await.map(Json)
}

/// Delete a user
///
/// For admins. Sessions and sync states go with the user.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user_id}",
    operation_id = "deleteUser",
    tag = "Accounts",
    params(("user_id" = UserId, Path, description = "The user.")),
    responses((status = 200, description = "The user is gone.", body = UserDeleted))
)]
async fn delete(State(cx): State<Context>, admin: Admin, Path(id): Path<UserId>) -> Result<Json<UserDeleted>, Problem> {
    users::delete(&cx, &admin, id).await?;
    Ok(Json(UserDeleted { success: true, id }))
}

/// Link a user's own credential
///
/// Oneself, or for admins anybody of the tenant. The system is asked at once whether it accepts the credential, which is
/// kept encrypted and never shown again. From then on the user's requests for records are made with it, so that the
/// ERP's own rights hold. A credential that was linked before is replaced.
#[utoipa::path(
    post,
    path = "/api/v1/users/{user_id}/links",
    operation_id = "linkUser",
    tag = "Accounts",
    params(("user_id" = UserId, Path, description = "The user.")),
    request_body(content = LinkUser, example = json!({
        "system_id": "odoo_main", "username": "amina@example.com", "password": "3f8a-an-api-key-works-here"
    })),
    responses((status = 201, description = "The link, without its secret.", body = LinkView))
)]
async fn link(
    State(cx): State<Context>,
    caller: Caller,
    Path(id): Path<UserId>,
    Body(request): Body<LinkUser>,
) -> Result<(StatusCode, Json<LinkView>), Problem> {
    Ok((StatusCode::CREATED, Json(users::link(&cx, &caller, id, request).await?)))
}

/// List a user's links
///
/// Oneself, or for admins anybody of the tenant. Secrets are never shown.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user_id}/links",
    operation_id = "listUserLinks",
    tag = "Accounts",
    params(("user_id" = UserId, Path, description = "The user.")),
    responses((status = 200, description = "The links.", body = LinkPage))
)]
async fn links(State(cx): State<Context>, caller: Caller, Path(id): Path<UserId>) -> Result<Json<LinkPage>, Problem> {
    users::links(&cx, &caller, id).await.map(Json)
}

/// Forget a user's own credential
///
/// Oneself, or for admins anybody of the tenant.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user_id}/links/{system_id}",
    operation_id = "unlinkUser",
    tag = "Accounts",
    params(
        ("user_id" = UserId, Path, description = "The user."),
        ("system_id" = SystemId, Path, description = "The system."),
    ),
    responses((status = 200, description = "The credential is forgotten.", body = LinkDeleted))
)]
async fn unlink(
    State(cx): State<Context>,
    caller: Caller,
    Path((id, system_id)): Path<(UserId, SystemId)>,
) -> Result<Json<LinkDeleted>, Problem> {
    users::unlink(&cx, &caller, id, &system_id).await?;
    Ok(Json(LinkDeleted { success: true, system_id }))
}

/// The answer to a forgotten link.
#[derive(Debug, Serialize, ToSchema)]
struct LinkDeleted {
    /// Always true; failures have the error shape.
    success: bool,
    /// The system that the user was linked to.
    system_id: SystemId,
}

/// The answer to a deletion.
#[derive(Debug, Serialize, ToSchema)]
struct UserDeleted {
    /// Always true; failures have the error shape.
    success: bool,
    /// The user who was deleted.
    id: UserId,
}
