//! `/api/v1/auth/…`

use crate::api::extract::{Body, RawBody, bearer, parse};
use crate::api::learned::Learned;
use crate::api::openapi::{BODY, Refuses as _, TOKEN};
use crate::api::peer::Peer;
use crate::audit::Origin;
use crate::auth::{self, Caller, LoginRequest, Me, RefreshRequest, Tokens, UpdateMe};
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(login).refusing(&[BODY, &[ProblemKind::InvalidCredentials]]))
        .routes(routes!(refresh).refusing(&[
            TOKEN,
            &[
                ProblemKind::MalformedJson,
                ProblemKind::Invalid,
                ProblemKind::Conflict,
                ProblemKind::RequestTimeout,
                ProblemKind::PayloadTooLarge,
            ],
        ]))
        .routes(routes!(logout).refusing(&[TOKEN]))
        .routes(routes!(me).refusing(&[TOKEN]))
        .routes(routes!(update_me).refusing(&[TOKEN, BODY]))
}

/// Log in
///
/// Opens a session. A wrong name and a wrong password get the same answer after the same time. Log-ins with one name from
/// one address are limited, right ones as well.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    operation_id = "logIn",
    tag = "Accounts",
    security(()),
    request_body(content = LoginRequest, example = json!({ "username": "admin", "password": "correct horse battery staple" })),
    responses((status = 200, description = "The tokens of a new session.", body = Tokens, example = json!({
        "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "refresh_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "token_type": "bearer", "expires_in": 1800
    })))
)]
async fn login(
    State(cx): State<Context>,
    Peer(peer): Peer,
    origin: Origin,
    learned: Learned,
    Body(request): Body<LoginRequest>,
) -> Result<Json<Tokens>, Problem> {
    auth::login(&cx, learned.noted(), request, peer, origin).await.map(Json)
}

/// Get a new access token
///
/// The refresh token comes as bearer or in the body. With `rotate` a new refresh token replaces the one that is used; a
/// replaced token that is used again ends the session, except within 10 seconds, when the answer may have been lost.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    operation_id = "refreshTokens",
    tag = "Accounts",
    security((), ("refresh_token" = [])),
    request_body(content = Option<RefreshRequest>, example = json!({ "rotate": true })),
    responses((status = 200, description = "A new access token; with `rotate` a new refresh token too.", body = Tokens))
)]
async fn refresh(
    State(cx): State<Context>,
    headers: HeaderMap,
    origin: Origin,
    learned: Learned,
    RawBody(body): RawBody,
) -> Result<Json<Tokens>, Problem> {
    // The documented request has no body at all.
    let request = if body.is_empty() { RefreshRequest::default() } else { parse(&body)? };
    auth::refresh(&cx, learned.noted(), bearer(&headers), request, origin).await.map(Json)
}

/// Log out
///
/// Ends the session: both of its tokens hold no more.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    operation_id = "logOut",
    tag = "Accounts",
    responses((status = 200, description = "The session has ended.", body = LoggedOut))
)]
async fn logout(State(cx): State<Context>, caller: Caller) -> Result<Json<LoggedOut>, Problem> {
    auth::logout(&cx, &caller).await?;
    let message = cx.texts.say(caller.speaks(), &Message::logged_out());
    Ok(Json(LoggedOut { success: true, message }))
}

/// See who you are
#[utoipa::path(
    get,
    path = "/api/v1/auth/me",
    operation_id = "whoAmI",
    tag = "Accounts",
    responses((status = 200, description = "The user behind the token.", body = Me))
)]
async fn me(State(cx): State<Context>, caller: Caller) -> Result<Json<Me>, Problem> {
    auth::me(&cx, caller).await.map(Json)
}

/// Choose the language of messages
///
/// What the user has chosen counts more than `Accept-Language`. This session sees the change at once, the user's others
/// within `security.session_cache_ms`.
#[utoipa::path(
    put,
    path = "/api/v1/auth/me",
    operation_id = "chooseLanguage",
    tag = "Accounts",
    request_body(content = UpdateMe, example = json!({ "language": "ar" })),
    responses((status = 200, description = "The user behind the token, as changed.", body = Me))
)]
async fn update_me(
    State(cx): State<Context>,
    caller: Caller,
    Body(request): Body<UpdateMe>,
) -> Result<Json<Me>, Problem> {
    auth::update_me(&cx, caller, request).await.map(Json)
}

/// The answer to a log-out.
#[derive(Debug, Serialize, ToSchema)]
struct LoggedOut {
    /// Always true; failures have the error shape.
    success: bool,
    /// A sentence for people, in the caller's language.
    message: String,
}
