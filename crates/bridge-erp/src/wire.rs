//! The recordings of real servers, for the tests of both sides.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One request to a real Odoo and what it answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Recording {
    case: String,
    pub(crate) request: Request,
    pub(crate) response: Response,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Every recording by its name, `19/json2_read`.
pub(crate) fn recordings() -> BTreeMap<String, Recording> {
    let files = [("17", include_str!("../fixtures/wire/17.jsonl")), ("19", include_str!("../fixtures/wire/19.jsonl"))];
    let mut all = BTreeMap::new();
    for (version, text) in files {
        for line in text.lines() {
            let recording: Recording = serde_json::from_str(line).unwrap();
            assert!(all.insert(format!("{version}/{}", recording.case), recording).is_none(), "a name is used twice");
        }
    }
    all
}

impl Request {
    /// The body as JSON, if it is that.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Response {
    /// The body as JSON, if it is that.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The status line and the headers as they were, without the length.
    pub(crate) fn head(&self) -> String {
        let lines = self.headers.iter().map(|(name, value)| format!("\r\n{name}: {value}"));
        format!("HTTP/1.0 {} {}{}", self.status, self.reason, lines.collect::<String>())
    }
}

/// The form of a value without its content.
pub(crate) fn form(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => if number.is_f64() { "float" } else { "int" }.into(),
        Value::String(_) => "text".into(),
        Value::Array(items) => items.first().map_or("[]".into(), |first| format!("[{}]", form(first))),
        Value::Object(members) if members.len() > 8 => format!("{{{} members}}", members.len()),
        Value::Object(members) => {
            let mut parts: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{}", form(value))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
    }
}
