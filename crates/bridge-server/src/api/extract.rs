//! Decoding: what a handler asks for in its arguments, each with errors in the documented shape.

use super::explain;
use super::learned::Learned;
use super::limited::{Counted, counted};
use super::peer::Peer;
use crate::audit::Origin;
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::files::too_large;
use crate::language::{Message, Reason};
use crate::limits::{self, Who};
use crate::problem::{Problem, ProblemKind, decoding};
use crate::records::IdempotencyKey;
use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Context> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, cx: &Context) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, Message::body_not_sent_as_json()));
        }
        let RawBody(bytes) = RawBody::from_request(request, cx).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads a JSON object; malformed text and a wrong shape are told apart.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be taken for the object's fields in their order.
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    if is_object && let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    // An enum's wrong kind of value is reported like a mistake of syntax, so that the text is looked at by itself.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        return Err(decoding::not_json(&error));
    }
    if !is_object {
        return Err(Problem::new(ProblemKind::Invalid, Message::body_not_object()));
    }
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(bytes))
        .map_err(|error| explain::body(&error))
}

/// A body as it came, within the limit.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl FromRequest<Context> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, cx: &Context) -> Result<Self, Problem> {
        let bytes_max = cx.config.server.body_bytes_max;
        Bytes::from_request(request, cx).await.map(Self).map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::new(ProblemKind::PayloadTooLarge, Message::body_too_large(bytes_max))
                    .with("body_bytes_max", bytes_max)
            } else {
                Problem::new(ProblemKind::MalformedJson, Message::body_unread()).caused_by(rejection)
            }
        })
    }
}

/// A form with a file in it, read piece by piece.
#[derive(Debug)]
pub struct Form(Multipart);

impl FromRequest<Context> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, cx: &Context) -> Result<Self, Problem> {
        if !has_type(request.headers(), |kind| kind == "multipart/form-data") {
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, Message::body_not_sent_as_form()));
        }
        Multipart::from_request(request, cx)
            .await
            .map(Self)
            .map_err(|rejection| Problem::new(ProblemKind::Invalid, Message::form_unreadable()).caused_by(rejection))
    }
}

impl Form {
    /// The next field, if there is one. What is left of the one before is passed over.
    pub async fn next(&mut self, cx: &Context) -> Result<Option<Field<'_>>, Problem> {
        self.0.next_field().await.map_err(|error| of_form(error, cx))
    }
}

/// The next piece of a field, as it arrives.
pub async fn piece(field: &mut Field<'_>, cx: &Context) -> Result<Option<Bytes>, Problem> {
    field.chunk().await.map_err(|error| of_form(error, cx))
}

fn of_form(error: MultipartError, cx: &Context) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large(&cx.config.files);
    }
    Problem::new(ProblemKind::Invalid, Message::form_unreadable()).caused_by(error)
}

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Context> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, cx)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| explain::query(&rejection))
    }
}

/// The parts of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Context> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, cx).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => {
                let all = RawPathParams::from_request_parts(parts, cx).await.ok();
                let mut names = all.iter().flatten().map(|(name, _)| name);
                Err(explain::path(rejection, names.next().filter(|_| names.next().is_none())))
            }
        }
    }
}

impl FromRequestParts<Context> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)
            .ok_or_else(|| Problem::new(ProblemKind::Unauthenticated, Message::access_token_needed()))?;
        let learned = Learned::with(&parts.extensions);
        let caller = crate::auth::caller(cx, token, learned.asked()).await?;
        learned.note(&caller);
        let pattern = parts.extensions.get().map_or("", MatchedPath::as_str);
        if let Counted::Of(class) = counted(parts.method.as_str(), pattern) {
            limits::count(cx, learned.noted(), Who::from(&caller), class).await?;
        }
        Ok(Self { origin: origin_of(parts), ..caller })
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(origin_of(parts))
    }
}

fn origin_of(parts: &Parts) -> Origin {
    let request_id = parts.extensions.get().cloned();
    let address = parts.extensions.get().and_then(|Peer(address)| *address);
    Origin { request_id, address }
}

impl FromRequestParts<Context> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, cx).await?.into_admin()
    }
}

/// The `Idempotency-Key` of a request, if it has one.
#[derive(Debug)]
pub struct Key(pub Option<IdempotencyKey>);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all(IdempotencyKey::HEADER).iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            return if parts.headers.contains_key(IdempotencyKey::HEADER) {
                Err(Problem::field(IdempotencyKey::HEADER, Reason::given_twice()))
            } else {
                Ok(Self(None))
            };
        };
        IdempotencyKey::parse(value.to_str().unwrap_or_default()).map(|key| Self(Some(key)))
    }
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

fn is_json(headers: &HeaderMap) -> bool {
    has_type(headers, |kind| {
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

fn has_type(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    is_wanted(&kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}
