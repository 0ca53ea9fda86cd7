//! What is said once for the whole description, and put everywhere it belongs.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The fields that an answer can be without. All others are always there, `null` where there is nothing to say.
pub(super) const SOMETIMES: &[(&str, &str)] = &[
    ("Tokens", "refresh_token"),
    ("System", "push_key"),
    ("Change", "payload"),
    ("Change", "old_data"),
    ("Change", "new_data"),
    ("ListedChange", "payload"),
    ("ListedChange", "old_data"),
    ("ListedChange", "new_data"),
    ("PullAnswer", "records"),
    ("PullAnswer", "include_error"),
    ("SnapshotPage", "left_out"),
    ("Migration", "data"),
    ("Migration", "records"),
    ("CrudAnswer", "result"),
    ("CrudAnswer", "message"),
    ("OperationResult", "result"),
    ("OperationResult", "message"),
    ("OperationResult", "error"),
    ("Task", "results"),
    ("Migration", "stopped"),
    ("Migration", "remaining"),
    ("Migration", "left_out"),
    ("Migration", "written"),
];

const SCHEMAS: &str = "#/components/schemas/";

/// Completes a description.
pub(super) fn finish(description: &mut Value) {
    flatten(description);
    tell_left_out_from_null(description);
    require_what_is_always_there(description);
    add_headers(description);
    share_problems(description);
}

/// Joins the parts of a schema that is put together from others, so that it reads as the one object that it is.
fn flatten(description: &mut Value) {
    let Some(schemas) = description["components"]["schemas"].as_object() else { return };
    let known = schemas.clone();
    let mut parts = BTreeSet::new();
    let joined: Map<_, _> =
        known.iter().map(|(name, schema)| (name.clone(), joined(schema, &known, &mut parts))).collect();
    description["components"]["schemas"] = joined.into();
    // What was a part of another schema, and is named nowhere else.
    for part in parts {
        let link = Value::from(format!("{SCHEMAS}{part}")).to_string();
        if !description.to_string().contains(&link) {
            description["components"]["schemas"].as_object_mut().and_then(|schemas| schemas.remove(&part));
        }
    }
}

fn joined(schema: &Value, known: &Map<String, Value>, parts: &mut BTreeSet<String>) -> Value {
    let Some(all) = schema["allOf"].as_array() else { return schema.clone() };
    let mut whole = json!({ "type": "object", "properties": {}, "required": [] });
    for part in all {
        let part = match part["$ref"].as_str().and_then(|link| link.strip_prefix(SCHEMAS)) {
            Some(name) => {
                parts.insert(name.to_owned());
                joined(&known[name], known, parts)
            }
            None => part.clone(),
        };
        for (name, property) in part["properties"].as_object().into_iter().flatten() {
            whole["properties"][name] = property.clone();
        }
        if let (Some(all), Some(more)) = (whole["required"].as_array_mut(), part["required"].as_array()) {
            all.extend(more.iter().cloned());
        }
    }
    whole["description"] = schema["description"].clone();
    whole
}

/// What may be left out has no default of null: in a partial change that would be another wish. A body that may be left
/// out is an object where it is there.
fn tell_left_out_from_null(description: &mut Value) {
    let schemas = description["components"]["schemas"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for property in schemas.filter_map(|schema| schema.get_mut("properties")?.as_object_mut()).flat_map(Map::values_mut)
    {
        if let Some(property) = property.as_object_mut()
            && property.get("default").is_some_and(Value::is_null)
        {
            property.remove("default");
        }
    }
    let items = description["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in items.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some(content) = operation.pointer_mut("/requestBody/content/application~1json") else {
            continue;
        };
        let choices = content["schema"]["oneOf"].as_array();
        let object = choices.and_then(|choices| choices.iter().find(|choice| choice["$ref"].is_string()).cloned());
        if let Some(object) = object {
            content["schema"] = object;
        }
    }
}

/// Where a field may be null, the macros take it for one that may be missing.
fn require_what_is_always_there(description: &mut Value) {
    let mut sent = BTreeSet::new();
    let mut received = BTreeSet::new();
    for operation in operations(description) {
        names_in(&operation["requestBody"], description, &mut sent);
        names_in(&operation["responses"], description, &mut received);
    }
    let Some(schemas) = description["components"]["schemas"].as_object_mut() else { return };
    for name in received.difference(&sent) {
        let Some(schema) = schemas.get_mut(name) else { continue };
        let Some(properties) = schema["properties"].as_object() else { continue };
        let always: Vec<&String> = properties
            .keys()
            .filter(|field| !SOMETIMES.iter().any(|(of, sometimes)| of == name && sometimes == field))
            .collect();
        schema["required"] = json!(always);
    }
}

/// The names of the schemas that `part` leads to.
fn names_in(part: &Value, description: &Value, names: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|link| link.strip_prefix(SCHEMAS))
                && names.insert(name.to_owned())
            {
                names_in(&description["components"]["schemas"][name], description, names);
            }
            fields.values().for_each(|field| names_in(field, description, names));
        }
        Value::Array(items) => items.iter().for_each(|item| names_in(item, description, names)),
        _ => {}
    }
}

fn operations(description: &Value) -> impl Iterator<Item = &Value> {
    let items = description["paths"].as_object().into_iter().flat_map(Map::values);
    items.filter_map(Value::as_object).flat_map(Map::values)
}

fn add_headers(description: &mut Value) {
    description["components"]["parameters"] = json!({
        "RequestId": {
            "name": "x-request-id", "in": "header", "required": false,
            "description": "Your own id of the request, for the logs of both sides: 8 to 64 letters, digits, `-` or `_`. \
                One of another form is replaced.",
            "schema": { "type": "string" }, "example": "order-app-7f3a9c01",
        },
        "Language": {
            "name": "Accept-Language", "in": "header", "required": false,
            "description": "The language of messages, `en`, `ar` or `fr`, where the user has not chosen one.",
            "schema": { "type": "string" }, "example": "ar-SA, en;q=0.5",
        },
    });
    description["components"]["headers"] = json!({
        "RequestId": {
            "description": "The id of the request, in the service's log too.", "required": true,
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$" },
        },
        "ApiVersion": {
            "description": "The version of the API that answered.", "required": true,
            "schema": { "type": "string", "enum": ["1", "2"] },
        },
        "Language": {
            "description": "The language of `message`.", "required": true,
            "schema": { "type": "string", "enum": ["en", "ar", "fr"] },
        },
        "RetryAfter": {
            "description": "After how many seconds a repetition makes sense, where it does.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "RateLimit-Limit": {
            "description": "How many requests of this kind the limit that is nearest allows within its window; left out, as \
                the other two, where nothing is limited.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "RateLimit-Remaining": {
            "description": "How many may follow at once.", "schema": { "type": "integer", "minimum": 0 },
        },
        "RateLimit-Reset": {
            "description": "In how many seconds all of them may, if none follows meanwhile.",
            "schema": { "type": "integer", "minimum": 0 },
        },
    });
    let items = description["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in items.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        for name in ["RequestId", "Language"] {
            let parameter = json!({ "$ref": format!("#/components/parameters/{name}") });
            match operation["parameters"].as_array_mut() {
                Some(parameters) => parameters.push(parameter),
                None => operation["parameters"] = json!([parameter]),
            }
        }
        let is_limited = operation["responses"].get("429").is_some();
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            if is_limited && (status.starts_with('2') || status == "429") {
                for name in ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"] {
                    response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
                }
            }
            response["headers"]["x-request-id"] = json!({ "$ref": "#/components/headers/RequestId" });
            response["headers"]["x-api-version"] = json!({ "$ref": "#/components/headers/ApiVersion" });
            if status.starts_with(['4', '5']) {
                response["headers"]["Content-Language"] = json!({ "$ref": "#/components/headers/Language" });
            }
            if matches!(status.as_str(), "429" | "502" | "503" | "504") {
                response["headers"]["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" });
            }
        }
    }
}

/// Many operations can be refused in the same way: each way stands there once.
fn share_problems(description: &mut Value) {
    let mut shared = Map::new();
    let items = description["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in items.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            let Some(codes) = response["content"]["application/json"]["examples"].as_object() else { continue };
            let codes: Vec<_> = codes.keys().map(String::as_str).collect();
            let name = format!("{status}.{}", codes.join("."));
            let link = json!({ "$ref": format!("#/components/responses/{name}") });
            shared.insert(name, std::mem::replace(response, link));
        }
    }
    description["components"]["responses"] = shared.into();
}
