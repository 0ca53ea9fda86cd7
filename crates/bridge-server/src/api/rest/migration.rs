//! `/api/v1/systems/{system_id}/migrate…`

use super::records::{KEY, RECORDS, answered_once};
use crate::api::extract::{Body, Key, Path};
use crate::api::openapi::{ADMIN, BODY, ERP, Refuses as _};
use crate::auth::Caller;
use crate::context::Context;
use crate::migration::{self, MigrateRequest, Migration, MigrationPlan};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bridge_model::SystemId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(plan).refusing(&[ADMIN, BODY, ERP, RECORDS]))
        .routes(routes!(migrate).refusing(&[ADMIN, BODY, ERP, RECORDS, KEY]))
}

/// See what a migration would change
///
/// A dry run. Without records it tells what the rules say of the model; with `data` or `record_ids`, what concerns those
/// records. `record_ids` are for admins.
#[utoipa::path(
    post,
    path = "/api/v1/systems/{system_id}/migrate/plan",
    operation_id = "planMigration",
    tag = "Version migration",
    params(("system_id" = SystemId, Path, description = "The system.")),
    request_body(content = MigrateRequest, example = json!({
        "model": "res.partner", "from_version": "13.0", "to_version": "19.0", "rule_pack": "documented"
    })),
    responses((status = 200, description = "What each step changes, and what is lost.", body = MigrationPlan))
)]
async fn plan(
    State(cx): State<Context>,
    caller: Caller,
    Path(system_id): Path<SystemId>,
    Body(request): Body<MigrateRequest>,
) -> Result<Json<MigrationPlan>, Problem> {
    migration::plan(&cx, &caller, &system_id, request).await.map(Json)
}

/// Carry records from one version of Odoo to another
///
/// In both directions, hop by hop. Records that come as `data` go by the rule pack `documented` unless another is named,
/// those that `record_ids` name by `odoo`; these are for admins. Only with `target_system_id` something is written, there.
///
/// What is written has an external id in the target, so that the same request may come again: no record is made a second
/// time. With an `Idempotency-Key` it gets the same answer, with `Idempotency-Replayed: true`.
#[utoipa::path(
    post,
    path = "/api/v1/systems/{system_id}/migrate",
    operation_id = "migrateRecords",
    tag = "Version migration",
    params(
        ("system_id" = SystemId, Path, description = "The system."),
        (
            "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]{1,128}$",
            description = "A name of the caller's own choice for the request, such as a UUID; of no use where nothing is \
                           written."
        )
    ),
    request_body(content = MigrateRequest, example = json!({
        "model": "res.partner", "from_version": "13.0", "to_version": "19.0",
        "data": { "name": "Ahmed Al-Saudi", "customer": true, "phone": "+966501234567", "user_id": 5 }
    })),
    responses((status = 200, description = "The records, and what was lost.", body = Migration))
)]
async fn migrate(
    State(cx): State<Context>,
    caller: Caller,
    Path(system_id): Path<SystemId>,
    Key(key): Key,
    Body(request): Body<MigrateRequest>,
) -> Result<Response, Problem> {
    let migrated = migration::migrate(&cx, &caller, &system_id, request, key).await?;
    Ok(answered_once(StatusCode::OK, migrated))
}
