//! The settings as they are written down: their schema, and an example that holds all of them.

use super::Config;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Set to write the files instead of comparing them.
const WRITE_VARIABLE: &str = "BRIDGECORE_WRITE_DOCS";

const SCHEMA_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.schema.json");
const EXAMPLE_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/bridgecore.example.toml");

/// What stands above the example.
const HEAD: &str = "\
#:schema ../docs/config.schema.json
#
# Every setting of BridgeCore with its default. Only the two keys have none: `bridgecore keys` makes them.
# Leave out what you do not change. A setting can also come from the environment, section and name with two underscores:
# BRIDGECORE_SERVER__LISTEN=0.0.0.0:8000
# This file is generated from crates/bridge-server/src/config, and a test fails when it is stale.
";

fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    schema["title"] = "The config file of BridgeCore".into();
    schema
}

/// The properties of a section, which is the schema itself or linked from it.
fn properties<'a>(section: &'a Value, schema: &'a Value) -> &'a Map<String, Value> {
    let section = match section["$ref"].as_str() {
        Some(link) => schema.pointer(link.trim_start_matches('#')).unwrap(),
        None => section,
    };
    section["properties"].as_object().unwrap()
}

/// Whether a setting is a section of its own and not a map.
fn is_section(setting: &Value) -> bool {
    setting["$ref"].is_string() && setting["default"].is_object()
}

fn example() -> String {
    let schema = schema();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let mut text = HEAD.to_owned();
    for (name, section) in properties(&schema, &schema) {
        writeln!(text, "\n{}[{name}]", comment(section)).unwrap();
        let mut tables = String::new();
        for (key, setting) in properties(section, &schema) {
            let value = &defaults[name][key];
            if let Some(entries) = value.as_object() {
                // A table of its own, which TOML wants after the plain values. A map, as of app types, has entries that
                // nothing but the table describes.
                writeln!(tables, "\n{}[{name}.{key}]", comment(setting)).unwrap();
                let described = is_section(setting).then(|| properties(setting, &schema));
                for (entry, value) in entries {
                    let setting = described.map_or(&Value::Null, |settings| &settings[entry]);
                    writeln!(tables, "{}{entry} = {value}", comment(setting)).unwrap();
                }
            } else {
                // Numbers, texts and lists of texts look the same in JSON and in TOML.
                writeln!(text, "{}{key} = {value}", comment(setting)).unwrap();
            }
        }
        text.push_str(&tables);
    }
    text
}

fn comment(described: &Value) -> String {
    let lines = described["description"].as_str().unwrap_or_default().lines();
    lines.flat_map(|line| ["# ", line, "\n"]).collect()
}

fn compare(path: &str, text: &str) {
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        std::fs::write(path, text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "{path} is stale: {WRITE_VARIABLE}=1 cargo test -p bridge-server --lib config");
}

#[test]
fn the_schema_in_docs_is_up_to_date() {
    compare(SCHEMA_PATH, &format!("{:#}\n", schema()));
}

#[test]
fn the_example_is_up_to_date() {
    compare(EXAMPLE_PATH, &example());
}

#[test]
fn every_setting_says_what_it_is_and_has_its_default() {
    let (schema, text) = (schema(), example());
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for (name, section) in properties(&schema, &schema) {
        assert!(section["description"].is_string(), "{name}");
        for (key, setting) in properties(section, &schema) {
            assert!(setting["description"].is_string(), "{name}.{key}");
            assert_eq!(setting["default"], defaults[name][key], "{name}.{key}");
            let inner = if is_section(setting) { Some(properties(setting, &schema)) } else { None };
            for (entry, setting) in inner.into_iter().flatten() {
                let told = setting["description"].as_str().unwrap_or_default();
                assert!(
                    !told.is_empty() && text.contains(&format!("{}{entry} = ", comment(setting))),
                    "{name}.{key}.{entry}"
                );
            }
        }
    }
}

#[test]
fn the_example_holds_every_setting_and_starts_with_keys() {
    let text = example();
    let read: Value = toml_value(&text);
    let defaults = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(read, defaults);
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&read));
    assert!(!validator.is_valid(&json!({ "server": { "body_byte_max": 7 } })));

    let text = text
        .replace("secret_key = \"\"", "secret_key = \"0123456789012345678901234567890123\"")
        .replace("encryption_keys = []", "encryption_keys = [\"k\"]");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::load(Some(file.path())).unwrap();
}

/// A TOML text as the loader reads it, without defaults.
fn toml_value(text: &str) -> Value {
    use figment::providers::{Format as _, Toml};
    figment::Figment::from(Toml::string(text)).extract().unwrap()
}
