//! The description of the API, and the page that shows it.

use crate::api::extract::Path;
use crate::api::openapi::{DESCRIPTION, Refuses as _};
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use axum::Extension;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bridge_model::entropy::hex;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::Config;

/// The routes of this file; they need [`Pages`] as an extension.
pub(in crate::api) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(description).refusing(&[]))
        .routes(routes!(to_page).refusing(&[]))
        .routes(routes!(page).refusing(&[]))
        .routes(routes!(file).refusing(&[&[ProblemKind::Invalid, ProblemKind::NotFound]]))
}

/// What these routes show.
#[derive(Clone)]
pub(in crate::api) struct Pages(Arc<Shown>);

struct Shown {
    description_tag: HeaderValue,
    page: Arc<Config<'static>>,
}

impl Pages {
    /// The pages of this version.
    pub(in crate::api) fn new() -> Self {
        let tag = format!("\"{}\"", hex(&Sha256::digest(DESCRIPTION)[..16]));
        // Beside the page, whatever path a proxy puts before both. No other server is asked to judge the description.
        let page = Config::from("../openapi.json").validator_url("none").display_request_duration(true);
        Self(Arc::new(Shown {
            description_tag: HeaderValue::try_from(tag).unwrap_or_else(|_| FILES_TAG.clone()),
            page: Arc::new(page),
        }))
    }
}

/// How long a browser may show what it has without asking, in seconds: an update is seen within five minutes.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The files of the page are those of this version of the service.
const FILES_TAG: HeaderValue = HeaderValue::from_static(concat!("\"", env!("CARGO_PKG_VERSION"), "\""));

/// The page may load, show and ask for nothing that does not come from this service. Its own styles set sizes and
/// colours on elements, and its icons are `data:` addresses.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Read this description
///
/// OpenAPI 3.1. Its text is the same as that of `docs/openapi.json` of this version.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "readDescription",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "The description of the API.", body = Object, content_type = "application/json"),
        (status = 304, description = "What the client has is still right.")
    )
)]
async fn description(Extension(pages): Extension<Pages>, headers: HeaderMap) -> Response {
    let tag = &pages.0.description_tag;
    if is_known(&headers, tag) {
        return not_modified(tag);
    }
    let json = HeaderValue::from_static("application/json");
    with_headers(tag, json, DESCRIPTION.into_response())
}

/// Find the page
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "findPage",
    tag = "Service",
    security(()),
    responses((status = 308, description = "The page is at `/docs/`."))
)]
async fn to_page() -> Response {
    // Relative, so that it holds behind a proxy that adds a path.
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, HeaderValue::from_static("docs/"))]).into_response()
}

/// Read this description as a page
///
/// The page loads nothing from anywhere else.
#[utoipa::path(
    get,
    path = "/docs/",
    operation_id = "showPage",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 304, description = "What the client has is still right.")
    )
)]
async fn page(Extension(pages): Extension<Pages>, headers: HeaderMap) -> Result<Response, Problem> {
    answer(&pages, "index.html", &headers)
}

/// Load a file of the page
#[utoipa::path(
    get,
    path = "/docs/{file}",
    operation_id = "loadFileOfPage",
    tag = "Service",
    security(()),
    params(("file" = String, Path, description = "The name of the file.", example = "swagger-ui.css")),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "text/*"),
        (status = 304, description = "What the client has is still right.")
    )
)]
async fn file(
    Extension(pages): Extension<Pages>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&pages, &file, &headers)
}

fn answer(pages: &Pages, name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let found = utoipa_swagger_ui::serve(name, Arc::clone(&pages.0.page))
        .map_err(|error| Problem::new(ProblemKind::Internal, Message::page_not_shown()).caused_by(error.to_string()))?;
    let Some(found) = found else {
        return Err(Problem::new(ProblemKind::NotFound, Message::no_such_file()).with("file", name));
    };
    if is_known(headers, &FILES_TAG) {
        return Ok(not_modified(&FILES_TAG));
    }
    let kind = HeaderValue::try_from(found.content_type).unwrap_or_else(|_| BYTES.clone());
    let mut response = with_headers(&FILES_TAG, kind, found.bytes.into_owned().into_response());
    if found.gzpipped {
        // All browsers take it, and nobody else needs the files.
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(|known| known.trim().trim_start_matches("W/"));
    known.any(|known| known == "*" || known.as_bytes() == tag.as_bytes())
}

fn not_modified(tag: &HeaderValue) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, CACHE)]).into_response()
}

fn with_headers(tag: &HeaderValue, kind: HeaderValue, mut response: Response) -> Response {
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, CACHE),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ] {
        response.headers_mut().insert(name, value);
    }
    response
}
