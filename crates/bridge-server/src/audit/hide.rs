//! What the audit keeps of the values that are written. What is not known to be harmless is left out.

use crate::config;
use bridge_erp::ErpField;
use bridge_erp::odoo::trail::{holds_secrets, is_secret};
use bridge_model::ModelName;
use bridge_model::is_among;
use serde_json::{Map, Value, json};

/// Names of fields for secrets, besides those that tell by a part of them.
const SECRET_NAMES: [&str; 8] = ["key", "access_key", "secret_key", "pin", "pass", "pwd", "cvc", "cvv"];

/// Models that hold little else but secrets, or whatever anybody puts there, besides those that are made for secrets.
const SECRET_MODELS: [&str; 11] = [
    "auth.*",
    "auth_*",
    "bridgecore.*",
    "fetchmail.server",
    "google.*",
    "iap.account",
    "ir.mail_server",
    "microsoft.*",
    "payment.*",
    "res.config.settings",
    "res.users.*",
];

/// Kinds of field whose values are kept: no files, and nothing that has fields of its own.
const PLAIN_KINDS: [&str; 14] = [
    "boolean",
    "char",
    "date",
    "datetime",
    "float",
    "html",
    "integer",
    "many2many",
    "many2one",
    "many2one_reference",
    "monetary",
    "reference",
    "selection",
    "text",
];

/// The model of files.
const FILES: &str = "ir.attachment";

/// What is kept of a file.
const OF_FILES: [&str; 4] = ["name", "mimetype", "res_model", "res_id"];

/// The rule for a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hide<'a> {
    pub(crate) config: &'a config::Audit,
    pub(crate) model: &'a ModelName,
}

impl Hide<'_> {
    /// The fields whose values are kept of a model that is the same everywhere; `None` where its fields have to be known.
    pub(crate) fn fixed(&self) -> Option<&'static [&'static str]> {
        (self.model.as_str() == FILES).then_some(&OF_FILES)
    }

    /// Whether values of a field are kept at all, where `field` is what is known of it.
    pub(crate) fn shows(&self, name: &str, field: Option<&ErpField>) -> bool {
        let model = self.model.as_str();
        if let Some(fields) = self.fixed() {
            return fields.contains(&name);
        }
        let is_secret_model = holds_secrets(model)
            || is_among(&SECRET_MODELS.map(str::to_owned), model)
            || is_among(&self.config.hidden_models, model);
        let lower = name.to_ascii_lowercase();
        let is_secret =
            SECRET_NAMES.contains(&lower.as_str()) || is_secret(&lower) || is_among(&self.config.hidden_fields, name);
        !is_secret_model && !is_secret && field.is_some_and(|field| PLAIN_KINDS.contains(&field.kind.as_str()))
    }

    /// What is kept of a value that may be. Of commands for related records, the fields are named and no values kept: they
    /// belong to another model.
    pub(crate) fn short(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.short_text(text),
            Value::Array(items) => items.iter().map(|item| self.short(item)).collect(),
            Value::Object(fields) => json!({ "fields": fields.keys().collect::<Vec<_>>() }),
            plain => plain.clone(),
        }
    }

    fn short_text(&self, text: &str) -> Value {
        match text.char_indices().nth(self.config.value_chars_max) {
            Some((end, _)) => format!("{}…", &text[..end]).into(),
            None => text.into(),
        }
    }
}

/// What is kept of the values of a change: all of it, or if that is too long, the first of its records, or the names of
/// their fields, or nothing.
pub(crate) fn bounded(mut values: Map<String, Value>, bytes_max: usize) -> Value {
    let is_long = |values: &Map<String, Value>| json!(values).to_string().len() > bytes_max;
    if !is_long(&values) {
        return values.into();
    }
    values.insert("is_shortened".to_owned(), true.into());
    for part in ["external_ids", "before", "after"] {
        while is_long(&values) {
            match values.get_mut(part) {
                Some(Value::Array(records)) if records.len() > 1 => records.truncate(records.len() / 2),
                Some(value) => {
                    *value = names(value);
                    break;
                }
                None => break,
            }
        }
    }
    if is_long(&values) { json!({ "is_shortened": true }) } else { values.into() }
}

/// The fields of a record, or of the first of several.
fn names(value: &Value) -> Value {
    let record = value.as_array().and_then(|records| records.first()).unwrap_or(value);
    json!({ "fields": record.as_object().into_iter().flat_map(Map::keys).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: &str) -> ErpField {
        ErpField {
            name: name.to_owned(),
            label: name.to_owned(),
            kind: kind.to_owned(),
            relation: None,
            required: false,
            readonly: false,
            stored: true,
            by_company: false,
            selection: None,
        }
    }

    #[test]
    fn what_is_not_known_to_be_harmless_is_left_out() {
        let config = config::Audit {
            hidden_fields: vec!["x_studio_*".to_owned()],
            hidden_models: vec!["hr.*".to_owned()],
            value_chars_max: 5,
            ..config::Audit::default()
        };
        for (model, name, kind, expected) in [
            ("res.partner", "name", Some("char"), true),
            ("res.partner", "category_id", Some("many2many"), true),
            ("res.partner", "image_1920", Some("binary"), false),
            ("res.partner", "properties", Some("properties"), false),
            ("res.partner", "line_ids", Some("one2many"), false),
            ("res.partner", "name", None, false),
            ("res.partner", "signup_token", Some("char"), false),
            ("res.partner", "x_studio_note", Some("char"), false),
            ("res.users", "login", Some("char"), true),
            ("res.users", "new_Password", Some("char"), false),
            ("res.users", "totp_secret", Some("char"), false),
            ("some.gateway", "Private_Key_pem", Some("text"), false),
            ("some.gateway", "key", Some("char"), false),
            ("ir.config_parameter", "value", Some("text"), false),
            ("payment.provider", "name", Some("char"), false),
            ("res.users.apikeys.description", "name", Some("char"), false),
            ("hr.employee", "name", Some("char"), false),
            ("ir.attachment", "name", None, true),
            ("ir.attachment", "datas", Some("binary"), false),
            ("ir.attachment", "raw", Some("text"), false),
        ] {
            let model = ModelName::parse(model).unwrap();
            let hide = Hide { config: &config, model: &model };
            let known = kind.map(|kind| field(name, kind));
            assert_eq!(hide.shows(name, known.as_ref()), expected, "{model} {name}");
        }
        let model = ModelName::parse("sale.order").unwrap();
        let hide = Hide { config: &config, model: &model };
        let lines = json!([[0, 0, { "name": "hush", "price": 7 }], [6, 0, [1, 2]]]);
        assert_eq!(hide.short(&lines), json!([[0, 0, { "fields": ["name", "price"] }], [6, 0, [1, 2]]]));
        assert_eq!(hide.short(&json!("a b c d")), "a b c…");
    }

    #[test]
    fn what_is_too_long_is_told_by_its_names() {
        let values = |after: Value| Map::from_iter([("after".to_owned(), after)]);
        assert_eq!(bounded(values(json!({ "name": "a" })), 100), json!({ "after": { "name": "a" } }));
        let long = json!([{ "name": "a".repeat(200) }, { "name": "b" }]);
        assert_eq!(bounded(values(long), 100), json!({ "after": { "fields": ["name"] }, "is_shortened": true }));
        let many: Value = (0..50).map(|id| json!({ "id": id })).collect();
        let kept = json!([{ "id": 0 }, { "id": 1 }, { "id": 2 }, { "id": 3 }, { "id": 4 }, { "id": 5 }]);
        assert_eq!(bounded(values(many.clone()), 100), json!({ "after": kept, "is_shortened": true }));
        let both = Map::from_iter([("before".to_owned(), many), ("after".to_owned(), json!({ "ref": "x" }))]);
        assert_eq!(bounded(both, 100)["after"], json!({ "ref": "x" }), "what was there before goes first");
        assert_eq!(bounded(values(json!({ "a".repeat(200): 1 })), 100), json!({ "is_shortened": true }));
    }
}
