//! Holds every answer to the description of the API: its status must be declared for the operation, its body must be
//! of the declared form and have no field that is not declared.

use super::Answer;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

const DESCRIPTION: &str = include_str!("../../../../../docs/openapi.json");

/// The description, closed: an object has no fields besides those that are named.
static CLOSED: LazyLock<Value> = LazyLock::new(|| {
    let mut description = serde_json::from_str(DESCRIPTION).unwrap();
    close(&mut description);
    description
});

/// What answers are held to, by the place in the description where it stands.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Looks at an answer of the service.
#[track_caller]
pub(super) fn check(method: &str, path: &str, answer: &Answer) {
    let Some((template, operation)) = operation(method, path) else {
        // A path or a method that there is not; the answer says so in the one shape.
        let problem = answer.status >= 400 || method == "HEAD" || path == "/ws/webhooks";
        assert!(problem, "{method} {path}: answered {} and is not described", answer.status);
        return;
    };
    let at = format!("{method} {template}");
    let declared = &operation["responses"][answer.status.to_string()];
    assert!(!declared.is_null(), "{at}: {} is not declared: {}", answer.status, answer.body);
    let declared = match declared["$ref"].as_str() {
        Some(link) => CLOSED.pointer(link.trim_start_matches('#')).unwrap(),
        None => declared,
    };
    for header in declared["headers"].as_object().unwrap().keys().filter(|name| name.starts_with("x-")) {
        assert!(answer.headers.contains_key(header), "{at}: no {header}");
    }
    let schema = &declared["content"]["application/json"]["schema"];
    if schema.is_null() {
        return;
    }
    let validator = {
        let mut known = VALIDATORS.lock().unwrap();
        let make = || {
            let whole = json!({ "allOf": [schema], "components": CLOSED["components"] });
            Arc::new(jsonschema::validator_for(&whole).unwrap())
        };
        Arc::clone(known.entry(format!("{at} {}", answer.status)).or_insert_with(make))
    };
    let wrong: Vec<_> = validator.iter_errors(&answer.body).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{at} {}: {wrong:?}: {}", answer.status, answer.body);
}

/// The operation that a request is for, with the pattern of its path; one without placeholders goes first.
fn operation(method: &str, path: &str) -> Option<(&'static str, &'static Map<String, Value>)> {
    let paths = CLOSED["paths"].as_object()?;
    let found = paths
        .iter()
        .filter(|(template, _)| fits(template, path))
        .min_by_key(|(template, _)| template.matches('{').count())?;
    Some((found.0.as_str(), found.1.get(method.to_lowercase())?.as_object()?))
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(part, given)| (part.starts_with('{') && !given.is_empty()) || *part == given)
}

/// The description leaves room for new fields, as clients should; the service has none that it does not describe.
fn close(part: &mut Value) {
    match part {
        Value::Object(fields) => {
            // The shape of problems is put together of two parts, of which one knows all fields.
            let is_part = fields.get("properties").is_some_and(|known| {
                known.get("code").is_some() && known.as_object().is_some_and(|known| known.len() == 1)
            });
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") && !is_part {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            for (name, field) in fields.iter_mut() {
                if name != "example" && name != "examples" {
                    close(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
