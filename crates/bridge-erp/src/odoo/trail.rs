//! What Odoo itself notes of changes: `mail.tracking.value` (and the message that carries it), and the public
//! `auditlog` where it is installed. Read from the database by [`super::database::trail`] and over RPC by whoever polls.

use bridge_model::Timestamp;
use serde_json::{Map, Value, json};

/// A field as it was before a change and as it is after it.
#[derive(Debug, Clone, PartialEq)]
pub struct NotedValue {
    /// The field's name.
    pub field: String,
    /// Its value before; null if it had none.
    pub old: Value,
    /// Its value after; null if it has none.
    pub new: Value,
}

/// Parts of names of fields whose values are never passed on, whatever they are noted in.
const SECRET_PARTS: &[&str] =
    &["passw", "secret", "token", "api_key", "apikey", "private", "credential", "totp", "signature"];

/// The end of such names.
const SECRET_END: &str = "_pass";

/// Tables that are made for secrets: none of their values is ever passed on, whatever its field is called.
const SECRET_TABLES: &[&str] = &["ir_config_parameter", "res_users_apikeys", "auth_totp_device"];

/// Whether a table, or the model that it holds, is made for secrets.
pub fn holds_secrets(table_or_model: &str) -> bool {
    SECRET_TABLES.contains(&table_or_model.replace('.', "_").as_str())
}

/// Whether a field's values look like secrets by its name.
pub fn is_secret(name: &str) -> bool {
    name.ends_with(SECRET_END) || SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// The same as a regular expression of PostgreSQL.
pub(super) fn secret_pattern() -> String {
    format!("{}|{SECRET_END}$", SECRET_PARTS.join("|"))
}

/// The value of a row of `mail.tracking.value`, as JSON of the database or of RPC. `kind` is the field's type. A
/// reference comes as its number and its name, times as RFC 3339, and a choice by the word that people see.
pub fn tracked_value(field: &str, kind: &str, row: &Map<String, Value>) -> NotedValue {
    NotedValue { field: field.to_owned(), old: side(kind, row, "old"), new: side(kind, row, "new") }
}

fn side(kind: &str, row: &Map<String, Value>, side: &str) -> Value {
    let part = |name: &str| row.get(&format!("{side}_value_{name}")).unwrap_or(&Value::Null);
    let text = |name: &str| part(name).as_str().filter(|text| !text.is_empty());
    let number = part("integer").as_i64();
    match kind {
        "many2one" => {
            number.filter(|id| *id > 0).map_or(Value::Null, |id| json!([id, text("char").unwrap_or_default()]))
        }
        "boolean" => Value::Bool(number.is_some_and(|number| number != 0)),
        "integer" => json!(number),
        "float" | "monetary" => json!(part("float").as_f64().or_else(|| part("monetary").as_f64())),
        "date" => json!(text("datetime").and_then(|text| text.get(..10))),
        "datetime" => json!(text("datetime").and_then(|text| Timestamp::parse_any(text).ok())),
        "text" | "html" => json!(text("text").or_else(|| text("char"))),
        _ => json!(text("char")),
    }
}

/// The value of a row of `auditlog.log.line`: always a text, as that add-on writes it.
pub fn audited_value(field: &str, old: Option<&str>, new: Option<&str>) -> NotedValue {
    let value = |text: Option<&str>| json!(text.filter(|text| !text.is_empty() && *text != "False"));
    NotedValue { field: field.to_owned(), old: value(old), new: value(new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracked_value_has_the_form_of_its_type() {
        for (kind, row, old, new) in [
            (
                "many2one",
                json!({ "old_value_integer": 0, "old_value_char": "", "new_value_integer": 7, "new_value_char": "Amal" }),
                json!(null),
                json!([7, "Amal"]),
            ),
            ("boolean", json!({ "old_value_integer": null, "new_value_integer": 1 }), json!(false), json!(true)),
            ("monetary", json!({ "old_value_float": 1.5, "new_value_monetary": 2.5 }), json!(1.5), json!(2.5)),
            (
                "date",
                json!({ "old_value_datetime": false, "new_value_datetime": "2026-03-02 00:00:00" }),
                json!(null),
                json!("2026-03-02"),
            ),
            (
                "datetime",
                json!({ "old_value_datetime": null, "new_value_datetime": "2026-03-02T09:00:00" }),
                json!(null),
                json!("2026-03-02T09:00:00Z"),
            ),
            ("selection", json!({ "old_value_char": "Draft", "new_value_char": false }), json!("Draft"), json!(null)),
        ] {
            let noted = tracked_value("field", kind, row.as_object().unwrap());
            assert_eq!((noted.old, noted.new), (old, new), "{kind}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for (name, expected) in [
            ("password", true),
            ("smtp_pass", true),
            ("webhook_secret", true),
            ("access_token", true),
            ("passport_id", false),
            ("phone", false),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }
}
