//! Decoding: what a handler asks for in its arguments, each with errors in the documented shape.

use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Context> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, cx: &Context) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, "The body must be sent as application/json"));
        }
        let RawBody(bytes) = RawBody::from_request(request, cx).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads JSON; malformed text and a wrong shape are told apart.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            Problem::new(ProblemKind::Invalid, format!("The body does not have the expected form: {error}"))
        } else {
            Problem::new(ProblemKind::MalformedJson, format!("The body is not JSON: {error}"))
        }
    })
}

/// A body as it came, within the limit.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl FromRequest<Context> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, cx: &Context) -> Result<Self, Problem> {
        let bytes_max = cx.config.server.body_bytes_max;
        let mut body = request.into_body();
        let mut kept = Vec::new();
        let mut read = 0_usize;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Problem::new(ProblemKind::MalformedJson, "The body could not be read").caused_by(error)
            })?;
            let Ok(bytes) = frame.into_data() else { continue };
            read = read.saturating_add(bytes.len());
            if read <= bytes_max {
                kept.extend_from_slice(&bytes);
            } else {
                kept = Vec::new();
            }
            // The rest of a body that is too large is read and thrown away: a connection that is closed while its
            // client still sends is reset, and the client would never see the answer.
            if read > bytes_max.saturating_mul(DISCARD_FACTOR) {
                break;
            }
        }
        if read > bytes_max {
            return Err(Problem::new(
                ProblemKind::PayloadTooLarge,
                format!("The body is larger than {bytes_max} bytes"),
            )
            .with("body_bytes_max", bytes_max));
        }
        Ok(Self(kept.into()))
    }
}

/// How many times the largest body is read of one that is larger, before its connection is closed.
const DISCARD_FACTOR: usize = 16;

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Context> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, cx)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| Problem::new(ProblemKind::Invalid, rejection.body_text()))
    }
}

/// The parts of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Context> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, cx)
            .await
            .map(|axum::extract::Path(path)| Self(path))
            .map_err(|rejection| Problem::new(ProblemKind::Invalid, rejection.body_text()))
    }
}

impl FromRequestParts<Context> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(|| {
            Problem::new(ProblemKind::Unauthenticated, "An access token is needed: Authorization: Bearer …")
        })?;
        crate::auth::caller(cx, token).await
    }
}

impl FromRequestParts<Context> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, cx).await?.into_admin()
    }
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
