use super::super::rest;
use super::described;
use super::finish::SOMETIMES;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Set to write the file instead of comparing it.
const WRITE_VARIABLE: &str = "BRIDGECORE_WRITE_DOCS";

fn description() -> Value {
    described().1
}

/// Method, path and operation.
fn operations(description: &Value) -> Vec<(String, String, &Map<String, Value>)> {
    let mut all = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.as_object().unwrap()));
        }
    }
    all
}

/// What a link leads to; anything else is itself.
fn resolved<'a>(part: &'a Value, description: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(link) => description.pointer(link.strip_prefix('#').unwrap()).unwrap(),
        None => part,
    }
}

#[test]
fn the_description_in_docs_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let text = format!("{:#}\n", description());
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "docs/openapi.json is stale: {WRITE_VARIABLE}=1 cargo test -p bridge-server --lib openapi");
}

/// What a router has, from what it shows of itself when it is debugged: the one way in which it tells.
fn routed(router: &axum::Router<crate::Context>) -> BTreeSet<(String, String)> {
    let shown = format!("{router:?}");
    // What answers where nothing is routed numbers its own routes.
    let shown = shown.split("fallback_router").next().unwrap();
    // `paths: {RouteId(0): "/a", …}` and `RouteId(0): MethodRouter(MethodRouter { get: BoxedHandler(…), put: None, …`.
    let paths: BTreeMap<&str, &str> = shown
        .split("RouteId(")
        .filter_map(|part| part.split_once("): \""))
        .filter(|(id, _)| id.bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|(id, rest)| Some((id, rest.split('"').next()?)))
        .collect();
    let mut all = BTreeSet::new();
    for part in shown.split("RouteId(") {
        let Some((id, endpoint)) = part.split_once("): MethodRouter") else { continue };
        for method in ["get", "put", "post", "delete", "patch", "options", "trace"] {
            let (_, taken) = endpoint.split_once(&format!(" {method}: ")).unwrap();
            if !taken.starts_with("None") {
                all.insert((method.to_uppercase(), paths[id].to_owned()));
            }
        }
    }
    all
}

#[test]
fn what_is_routed_is_described_and_the_other_way_round() {
    let (rest, description) = described();
    let mut routed_paths = routed(&rest);
    routed_paths.extend(routed(&rest::file_routes().split_for_parts().0));
    routed_paths.extend(routed(&rest::metrics_routes().split_for_parts().0));
    let described: BTreeSet<_> = operations(&description).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert!(described.len() > 30, "{described:?}");
    assert_eq!(routed_paths, described);
    // The same holds for a route that somebody adds by hand.
    let forgotten = rest.route("/api/v1/forgotten", axum::routing::patch(|| async {}));
    let more: Vec<_> = routed(&forgotten).into_iter().filter(|route| !described.contains(route)).collect();
    assert_eq!(more, [("PATCH".to_owned(), "/api/v1/forgotten".to_owned())]);
}

#[test]
fn every_operation_says_what_it_does_and_what_can_go_wrong() {
    let description = description();
    let tags: Vec<_> = description["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&description) {
        let at = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.len() > 5), "{at}");
        assert!(tags.contains(&&operation["tags"][0]), "{at}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{at}: the id is taken");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status < &"400".to_owned()), "{at}");
        for status in ["500", "503"] {
            assert!(responses.contains_key(status), "{at}: no .refusing(…)");
        }
        let needs_token = operation.get("security").is_none();
        assert_eq!(needs_token, responses.contains_key("401") && needs_token, "{at}");
        for (status, response) in responses {
            let response = resolved(response, &description);
            assert!(response["description"].as_str().is_some_and(|text| text.len() > 5), "{at} {status}");
            assert!(response["headers"]["x-request-id"].is_object(), "{at} {status}");
        }
    }
}

/// Every value under this key, wherever it is.
fn all_of<'a>(part: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match part {
        Value::Object(fields) => {
            found.extend(fields.get(key));
            fields.values().for_each(|field| all_of(field, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| all_of(item, key, found)),
        _ => {}
    }
}

#[test]
fn every_link_leads_somewhere_and_every_schema_is_used() {
    let description = description();
    let mut links = Vec::new();
    all_of(&description, "$ref", &mut links);
    let links: BTreeSet<_> = links.into_iter().filter_map(Value::as_str).collect();
    for link in &links {
        assert!(description.pointer(link.strip_prefix('#').unwrap()).is_some(), "{link}");
    }
    for name in description["components"]["schemas"].as_object().unwrap().keys() {
        assert!(links.contains(format!("#/components/schemas/{name}").as_str()), "{name}");
    }
}

#[test]
fn the_fields_that_may_be_missing_are_fields() {
    let description = description();
    for (schema, field) in SOMETIMES {
        assert!(description["components"]["schemas"][schema]["properties"][field].is_object(), "{schema} {field}");
    }
}

#[test]
fn every_example_is_one() {
    let description = description();
    let mut count = 0;
    let mut check = |content: &Value, at: &str| {
        let schema = json!({ "allOf": [content["schema"]], "components": description["components"] });
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{at}: {error}"));
        let named = content["examples"].as_object().into_iter().flat_map(Map::values).map(|example| &example["value"]);
        for example in content.get("example").into_iter().chain(named) {
            let wrong: Vec<_> = validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{at}: {wrong:?}: {example}");
            count += 1;
        }
    };
    for (method, path, operation) in operations(&description) {
        let bodies = operation.get("requestBody").and_then(|body| body["content"].as_object());
        for content in bodies.into_iter().flat_map(Map::values) {
            assert!(content.get("example").is_some(), "{method} {path}: no example of a body");
            check(content, &format!("{method} {path}"));
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolved(response, &description);
            for content in response["content"].as_object().into_iter().flat_map(Map::values) {
                check(content, &format!("{method} {path} {status}"));
            }
        }
    }
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            check(&json!({ "schema": schema, "example": example }), name);
        }
    }
    assert!(count > 100, "{count}");
}
