//! JSON-2: `POST /json/2/{model}/{method}` with an API key and arguments by name.

use super::answers::{Reply, page, wrong_type};
use super::listener::Peer;
use super::services::{self, Request};
use super::through;
use crate::fake::Shared;
use crate::fake::call::Outcome;
use crate::fake::keys;
use crate::fake::refusal::Refusal;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The methods that work on a model and not on records of it.
const OF_THE_MODEL: [&str; 23] = [
    "bridgecore_info",
    "check_access_rights",
    "context_get",
    "create",
    "default_get",
    "events_by_ids",
    "fields_get",
    "formatted_read_group",
    "get_or_create_state",
    "get_statistics",
    "load",
    "mark_batch_as_processed",
    "mirror_states",
    "name_create",
    "name_search",
    "pull_events",
    "read_group",
    "readable_models",
    "reset_sync_state",
    "search",
    "search_count",
    "search_read",
    "update_sync_state",
];

/// The one address.
pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if text(&headers, "x-odoo-database").is_some_and(|database| database != shared.database) {
        return page(StatusCode::NOT_FOUND, "Not Found");
    }
    let Some((model, name)) = path.split_once('/').filter(|_| method == Method::POST) else {
        let words = "Did you mean POST /json/2/<model>/<method>?";
        return werkzeug(StatusCode::NOT_FOUND, "NotFound", words).into_response();
    };
    let kind = text(&headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if kind.split(';').next().is_none_or(|kind| kind.trim() != "application/json") {
        return wrong_type("/json/2/&lt;__model__&gt;/&lt;__method__&gt;", "json2");
    }
    through(&shared, &peer, (model, name), |work| {
        let request = if work { request(&shared, (model, name), &headers, &body) } else { Err(refused_key()) };
        match request {
            Ok(request) => encode(services::serve(&shared, request).0),
            Err(reply) => reply,
        }
    })
    .await
}

fn request(shared: &Shared, (model, name): (&str, &str), headers: &HeaderMap, body: &[u8]) -> Result<Request, Reply> {
    let Some(credential) = text(headers, header::AUTHORIZATION.as_str()) else {
        let words = if headers.contains_key(header::COOKIE) {
            "Missing \"Authorization\" or Sec-headers for interactive usage."
        } else {
            NOT_AUTHENTICATED
        };
        return Err(werkzeug(StatusCode::UNAUTHORIZED, "Unauthorized", words));
    };
    let Some((_, key)) = credential.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return Err(werkzeug(StatusCode::UNAUTHORIZED, "Unauthorized", NOT_AUTHENTICATED));
    };
    let uid = shared
        .read(|state| services::key_user(state, &json!(key.trim()), shared.clock.now()))
        .ok_or_else(refused_key)?;
    let mut arguments = match serde_json::from_slice::<Value>(if body.is_empty() { b"{}" } else { body }) {
        Ok(Value::Object(arguments)) => arguments,
        Ok(_) => return Err(werkzeug(StatusCode::BAD_REQUEST, "BadRequest", "the body is no object")),
        Err(error) => {
            let words = format!("could not parse the body as json: {error}");
            return Err(werkzeug(StatusCode::BAD_REQUEST, "BadRequest", &words));
        }
    };
    if shared.read(|state| state.schema.find(model).is_none() && !keys::is_known(model)) {
        let words = format!("the model '{model}' does not exist");
        return Err(werkzeug(StatusCode::NOT_FOUND, "NotFound", &words));
    }
    let ids = arguments.remove("ids");
    let args = if OF_THE_MODEL.contains(&name) {
        if ids.is_some_and(|ids| ids.as_array().is_none_or(|ids| !ids.is_empty())) {
            let words = format!("cannot call {model}.{name} with ids");
            return Err(werkzeug(StatusCode::UNPROCESSABLE_ENTITY, "UnprocessableEntity", &words));
        }
        Vec::new()
    } else {
        vec![ids.unwrap_or_else(|| json!([]))]
    };
    // Creating answers a list even for one record.
    if name == "create"
        && let Some(values) = arguments.get_mut("vals_list").filter(|values| values.is_object())
    {
        *values = json!([values.take()]);
    }
    Ok(Request::Known { uid, model: model.to_owned(), method: name.to_owned(), args, kwargs: arguments })
}

const NOT_AUTHENTICATED: &str = "User not authenticated, use an API Key with a Bearer Authorization header.";

fn refused_key() -> Reply {
    werkzeug(StatusCode::UNAUTHORIZED, "Unauthorized", "Invalid apikey")
}

fn encode(outcome: Outcome) -> Reply {
    match outcome {
        Ok(result) => Reply::json(StatusCode::OK, &result.unwrap_or_default()),
        Err(refusal) => encode_refusal(&refusal),
    }
}

fn encode_refusal(refusal: &Refusal) -> Reply {
    let Refusal { name, message } = refusal;
    let status = match *name {
        "odoo.exceptions.AccessError" | "odoo.exceptions.AccessDenied" => StatusCode::FORBIDDEN,
        "odoo.exceptions.MissingError" => StatusCode::NOT_FOUND,
        "odoo.exceptions.UserError" | "odoo.exceptions.ValidationError" => StatusCode::UNPROCESSABLE_ENTITY,
        // The method and its arguments are looked at before anything runs, and refused in the web's own words.
        "builtins.AttributeError" if message.starts_with("The method '") => {
            return werkzeug(StatusCode::NOT_FOUND, "NotFound", message);
        }
        "builtins.TypeError" => {
            if let Some(at) = message.find("got an unexpected keyword argument") {
                return werkzeug(StatusCode::UNPROCESSABLE_ENTITY, "UnprocessableEntity", &message[at..]);
            }
            if let Some((_, argument)) = message.split_once("required positional argument: ") {
                let words = format!("missing a required argument: {argument}");
                return werkzeug(StatusCode::UNPROCESSABLE_ENTITY, "UnprocessableEntity", &words);
            }
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    body(status, name, message, &json!([message]))
}

/// A refusal by the web framework under Odoo.
fn werkzeug(status: StatusCode, name: &str, message: &str) -> Reply {
    body(status, &format!("werkzeug.exceptions.{name}"), message, &json!([message, status.as_u16()]))
}

fn body(status: StatusCode, name: &str, message: &str, arguments: &Value) -> Reply {
    let debug = format!("Traceback (most recent call last):\n  ...\n{name}: {message}");
    let context = Map::new();
    let refusal = json!({"name": name, "message": message, "arguments": arguments, "context": context, "debug": debug});
    Reply::json(status, &refusal)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
