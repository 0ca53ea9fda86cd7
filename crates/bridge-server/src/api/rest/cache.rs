//! `/api/v1/cache`

use crate::admin::cache::{self, CacheCleared, CacheStatistics, ClearCache};
use crate::api::extract::Query;
use crate::api::openapi::{QUERY, Refuses as _, TOKEN};
use crate::auth::Admin;
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Context> {
    let admins = &[ProblemKind::Forbidden];
    OpenApiRouter::new().routes(routes!(statistics).refusing(&[TOKEN, admins])).routes(routes!(clear).refusing(&[
        TOKEN,
        QUERY,
        admins,
        &[ProblemKind::SystemNotFound],
    ]))
}

/// See what the cache holds
///
/// For admins. What is kept for the tenant on the node that answers, by system and model.
#[utoipa::path(
    get,
    path = "/api/v1/cache",
    operation_id = "readCacheStatistics",
    tag = "Records",
    responses((status = 200, description = "What is kept.", body = CacheStatistics))
)]
async fn statistics(State(cx): State<Context>, admin: Admin) -> Result<Json<CacheStatistics>, Problem> {
    cache::statistics(&cx, &admin).await.map(Json)
}

/// Clear the cache
///
/// For admins. What is kept for the tenant on the node that answers is dropped, of a system, of a model, or all of it.
/// Nobody needs to do this after a change: that ends what it makes worthless by itself.
#[utoipa::path(
    delete,
    path = "/api/v1/cache",
    operation_id = "clearCache",
    tag = "Records",
    params(ClearCache),
    responses((status = 200, description = "It is dropped.", body = CacheCleared))
)]
async fn clear(
    State(cx): State<Context>,
    admin: Admin,
    Query(request): Query<ClearCache>,
) -> Result<Json<CacheCleared>, Problem> {
    cache::clear(&cx, &admin, request).await.map(Json)
}
