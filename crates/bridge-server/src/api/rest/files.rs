//! `/api/v1/files/…`

use super::records::{KEY, RECORDS, answered_once};
use crate::api::extract::{Form, Key, Path, piece};
use crate::api::openapi::{BODY, ERP, QUERY, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::context::Context;
use crate::files::{self, Contents, FileDeleted, Found, Incoming, Target, Uploaded};
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::State;
use axum::extract::multipart::Field;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bridge_model::{ModelName, SystemId};
use http_range_header::parse_range_header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::ops::Range;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The longest value of a field that is no file, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// What may stand as it is in the name of a file in a header (RFC 8187, `attr-char`).
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What may come beside an uploaded file.
const FIELDS: [&str; 4] = ["system_id", "model", "record_id", "image_downscale"];

/// The routes of this file.
pub(in crate::api) fn routes() -> OpenApiRouter<Context> {
    let ranges = &[ProblemKind::NotFound, ProblemKind::PayloadTooLarge, ProblemKind::RangeNotSatisfiable];
    OpenApiRouter::new()
        .routes(routes!(upload).refusing(&[TOKEN, BODY, ERP, RECORDS, KEY]))
        .routes(routes!(download).refusing(&[TOKEN, QUERY, ERP, RECORDS, ranges]))
        .routes(routes!(delete).refusing(&[TOKEN, QUERY, ERP, RECORDS, &[ProblemKind::NotFound]]))
}

/// What is uploaded, as `multipart/form-data`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is there for the description; the form is read piece by piece")]
struct FileForm {
    /// The file, with its name.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The system; the primary one if left out.
    system_id: Option<SystemId>,
    /// The model of the record that the file is put onto.
    model: ModelName,
    /// The record.
    record_id: i64,
    /// Whether the ERP may make a large picture smaller, as it does with those that its own users attach. Where the service
    /// keeps the file, it stays as it is.
    #[schema(default = false)]
    image_downscale: Option<bool>,
}

/// Put a file onto a record
///
/// It becomes an attachment of the record in the ERP, or the service itself keeps it, as `files.storage` says. The caller
/// needs the right to change the record. The type of a file is told by its contents, where they tell it; `files.types` and
/// `files.bytes_max` of the service say what is taken.
/// With an `Idempotency-Key` it is put there once.
#[utoipa::path(
    post,
    path = "/api/v1/files/upload",
    operation_id = "uploadFile",
    tag = "Files",
    params((
        "Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]{1,128}$",
        description = "A name of the caller's own choice for the upload, such as a UUID."
    )),
    request_body(content = FileForm, content_type = "multipart/form-data", example = json!({
        "file": "product-image.jpg", "system_id": "odoo_main", "model": "product.product", "record_id": 456
    })),
    responses((
        status = 200,
        description = "It is there.",
        body = Uploaded,
        example = json!({
            "success": true, "file_id": "odoo_main-8812", "filename": "product-image.jpg", "size": 52341,
            "content_type": "image/jpeg", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "system_id": "odoo_main", "model": "product.product", "record_id": 456, "is_unchanged": true
        })
    ))
)]
async fn upload(State(cx): State<Context>, caller: Caller, Key(key): Key, mut form: Form) -> Result<Response, Problem> {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut file: Option<(Incoming, String, Option<String>)> = None;
    while let Some(mut field) = form.next(&cx).await? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" && file.is_none() {
            let Some(given) = field.file_name().map(str::to_owned) else {
                return Err(Problem::field("file", Reason::file_name(files::NAME_BYTES_MAX)));
            };
            let declared = field.content_type().map(str::to_owned);
            let mut incoming = Incoming::begin(&cx.storages).await?;
            while let Some(piece) = piece(&mut field, &cx).await? {
                incoming.push(&piece, &cx.config.files).await?;
            }
            file = Some((incoming, given, declared));
            continue;
        }
        let known = FIELDS.iter().find(|known| **known == name && !texts.contains_key(**known));
        let Some(known) = known else {
            let reason = if name == "file" || FIELDS.contains(&name.as_str()) {
                Reason::given_twice()
            } else {
                Reason::one_of(format!("file, {}", FIELDS.join(", ")))
            };
            return Err(Problem::field(&name, reason));
        };
        let text = text(&cx, &mut field, known).await?;
        texts.insert(known, text);
    }
    let target = target(&texts)?;
    let Some((file, name, declared)) = file else { return Err(Problem::field("file", Reason::is_missing())) };
    let uploaded = files::upload(&cx, &caller, target, file, &name, declared.as_deref(), key).await?;
    Ok(answered_once(StatusCode::OK, uploaded))
}

async fn text(cx: &Context, field: &mut Field<'_>, name: &str) -> Result<String, Problem> {
    let mut text = Vec::new();
    while let Some(piece) = piece(field, cx).await? {
        text.extend_from_slice(&piece);
        if text.len() > TEXT_BYTES_MAX {
            return Err(Problem::field(name, Reason::chars(1, TEXT_BYTES_MAX)));
        }
    }
    String::from_utf8(text).map_err(|_| Problem::field(name, Reason::utf8()))
}

fn target(texts: &BTreeMap<&str, String>) -> Result<Target, Problem> {
    let required = |name: &str| texts.get(name).ok_or_else(|| Problem::field(name, Reason::is_missing()));
    let system_id = match texts.get("system_id") {
        Some(text) => Some(SystemId::parse(text).map_err(|_| Problem::field("system_id", Reason::system_id_form()))?),
        None => None,
    };
    let model = ModelName::parse(required("model")?).map_err(|_| Problem::field("model", Reason::model_form()))?;
    let record_id = required("record_id")?.parse().ok().filter(|id| *id > 0);
    let record_id = record_id.ok_or_else(|| Problem::field("record_id", Reason::whole_number_in_range()))?;
    let image_downscale = match texts.get("image_downscale").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::field("image_downscale", Reason::true_or_false())),
    };
    Ok(Target { system_id, model, record_id, image_downscale })
}

/// Download a file
///
/// Part of it, if the request names one range (`Range: bytes=0-1023`). `If-None-Match` and `If-Range` compare with the
/// answer's `ETag`. The caller needs the right to read the record that the file is on.
#[utoipa::path(
    get,
    path = "/api/v1/files/download/{file_id}",
    operation_id = "downloadFile",
    tag = "Files",
    params(
        ("file_id" = String, Path, description = "The file, as the upload named it."),
        ("Range" = Option<String>, Header, description = "The part that is wanted.")
    ),
    responses(
        (status = 200, description = "The file.", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The part.", body = String, content_type = "application/octet-stream"),
        (status = 304, description = "What the client has is still right.")
    )
)]
async fn download(
    State(cx): State<Context>,
    caller: Caller,
    Path(file_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = files::find(&cx, &caller, &file_id).await?;
    if let Some(tag) = found.tag()
        && names(&headers, &header::IF_NONE_MATCH, &tag)
    {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let choose = |tag: &str, size| match range {
        // A part of another file than the one that the client has begun with would spoil it.
        Some(range) if !headers.contains_key(header::IF_RANGE) || names(&headers, &header::IF_RANGE, tag) => {
            part(range, size)
        }
        _ => Ok(None),
    };
    let contents = found.open(&cx, choose).await?;
    Ok(answer(&found, contents))
}

/// Delete a file
///
/// The caller needs the right to change the record that the file is on.
#[utoipa::path(
    delete,
    path = "/api/v1/files/{file_id}",
    operation_id = "deleteFile",
    tag = "Files",
    params(("file_id" = String, Path, description = "The file, as the upload named it.")),
    responses((
        status = 200,
        description = "It is gone.",
        body = FileDeleted,
        example = json!({ "success": true, "file_id": "odoo_main-8812" })
    ))
)]
async fn delete(
    State(cx): State<Context>,
    caller: Caller,
    Path(file_id): Path<String>,
) -> Result<Json<FileDeleted>, Problem> {
    files::delete(&cx, &caller, &file_id).await.map(Json)
}

/// Whether a header names an entity tag.
fn names(headers: &HeaderMap, header: &header::HeaderName, tag: &str) -> bool {
    let Some(given) = headers.get(header).and_then(|given| given.to_str().ok()) else { return false };
    given.split(',').any(|one| one.trim() == tag || one.trim() == "*")
}

/// The range that is asked for; `None` for all, also where there are several, which nobody needs.
fn part(range: &str, size: u64) -> Result<Option<Range<u64>>, Problem> {
    // What is no range is as if it was not there (RFC 9110, section 14.2).
    let Ok(ranges) = parse_range_header(range) else { return Ok(None) };
    let ranges = ranges
        .validate(size)
        .map_err(|_| Problem::new(ProblemKind::RangeNotSatisfiable, Message::range_beyond_file()).with("size", size))?;
    Ok(match ranges.as_slice() {
        [one] => Some(*one.start()..one.end().saturating_add(1)),
        _ => None,
    })
}

fn answer(found: &Found, contents: Contents) -> Response {
    let Contents { body, tag, size, part } = contents;
    let mut response = match part {
        Some(part) => {
            let says = [(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1)))];
            (StatusCode::PARTIAL_CONTENT, says, body).into_response()
        }
        None => body.into_response(),
    };
    let name = utf8_percent_encode(found.name(), NAME);
    let kind = found.content_type().and_then(|kind| HeaderValue::from_str(kind).ok());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    // Whatever somebody has attached, no browser runs it here.
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename*=UTF-8''{name}")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
