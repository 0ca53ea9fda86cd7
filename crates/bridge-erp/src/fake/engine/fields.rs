//! What `fields_get` says of a model.

use super::schema::{Kind, MAGIC, Schema};
use serde_json::{Map, Value, json};

/// The description of a model's fields: those of `names` (all if empty), with `attributes` (all if `None`).
pub(in crate::fake) fn describe(schema: &Schema, model: usize, names: &[&str], attributes: Option<&[&str]>) -> Value {
    let fields = schema.models[model].fields.iter().enumerate();
    let wanted = fields.filter(|(_, field)| names.is_empty() || names.contains(&field.name.as_str()));
    Value::Object(wanted.map(|(place, field)| (field.name.clone(), one(schema, model, place, attributes))).collect())
}

fn one(schema: &Schema, model: usize, place: usize, attributes: Option<&[&str]>) -> Value {
    let field = &schema.models[model].fields[place];
    let kind = schema.kind(model, place);
    let is_list = matches!(kind, Kind::Inverse(..));
    let stored = !matches!(field.kind, Kind::DisplayName | Kind::Inverse(..) | Kind::OnHand(..) | Kind::Related { .. });
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| {
        if attributes.is_none_or(|wanted| wanted.contains(&name)) {
            all.insert(name.to_owned(), value);
        }
    };
    put("type", Value::from(type_name(kind)));
    put("name", Value::from(field.name.as_str()));
    put("string", Value::from(field.label.as_str()));
    put("required", Value::from(field.required));
    put("readonly", Value::from(field.readonly));
    put("store", Value::from(stored || is_list));
    put("searchable", Value::from(true));
    put("sortable", Value::from(stored));
    put("groupable", Value::from(stored));
    put("exportable", Value::from(true));
    put("manual", Value::from(false));
    put("depends", json!([]));
    put("company_dependent", Value::from(false));
    put("change_default", Value::from(false));
    put("default_export_compatible", Value::from(place < MAGIC || stored));
    match kind {
        Kind::Selection(options) => put("selection", options.iter().map(|(key, label)| json!([key, label])).collect()),
        Kind::One(target) | Kind::Many(target) | Kind::Inverse(target, _) => {
            put("relation", Value::from(schema.models[*target].name.as_str()));
            put("domain", json!([]));
            put("context", json!({}));
        }
        Kind::Char => {
            put("trim", Value::from(true));
            put("translate", Value::from(false));
        }
        _ => {}
    }
    if let Kind::Inverse(target, inverse) = kind {
        put("relation_field", Value::from(schema.models[*target].fields[*inverse].name.as_str()));
    }
    Value::Object(all)
}

/// The type's name on the wire.
pub(in crate::fake) fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Int => "integer",
        // `Schema::kind` has followed related fields to what they show, so they are never seen here.
        Kind::DisplayName | Kind::Char | Kind::Related { .. } => "char",
        Kind::Text => "text",
        Kind::Html => "html",
        Kind::Float | Kind::OnHand(..) => "float",
        Kind::Money => "monetary",
        Kind::Bool => "boolean",
        Kind::Date => "date",
        Kind::Datetime => "datetime",
        Kind::Json => "json",
        Kind::Binary => "binary",
        Kind::Selection(_) => "selection",
        Kind::One(_) => "many2one",
        Kind::Many(_) => "many2many",
        Kind::Inverse(..) => "one2many",
    }
}
