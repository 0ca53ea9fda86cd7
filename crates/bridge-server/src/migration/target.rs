//! The model that records are written into, as its system describes it.

use super::answer::LeftOut;
use super::request::Relations;
use crate::records::{KEPT_BY_SYSTEM, ModelFields};
use bridge_erp::ErpField;
use bridge_model::Timestamp;
use bridge_model::migration::Record;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// The fields of the model in the target.
#[derive(Debug)]
pub(super) struct Target {
    fields: Arc<ModelFields>,
    relations: Relations,
    /// Goes before each external id: the system that the records come from.
    prefix: String,
}

/// A column of what is loaded.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) header: String,
    field: ErpField,
}

impl Target {
    pub(super) fn new(fields: Arc<ModelFields>, relations: Relations, source: &str) -> Self {
        Self { fields, relations, prefix: format!("bridgecore_{}", escaped(source)) }
    }

    /// Whether the model has this field.
    pub(super) fn has(&self, name: &str) -> bool {
        KEPT_BY_SYSTEM.contains(&name) || self.fields.get(name).is_some()
    }

    /// The external id under which a record of the source is kept.
    pub(super) fn external_id(&self, model: &str, id: i64) -> String {
        format!("{}.{}_{id}", self.prefix, model.replace('.', "_"))
    }

    /// The columns of the fields of these records that are written, and the fields that are not.
    pub(super) fn columns(&self, records: &[(i64, Record)], left_out: &mut BTreeSet<LeftOut>) -> Vec<Column> {
        let names: BTreeSet<&String> = records.iter().flat_map(|(_, record)| record.keys()).collect();
        let mut columns = Vec::new();
        for name in names {
            let mut leave = |reason| left_out.insert(LeftOut { field: name.clone(), reason });
            if KEPT_BY_SYSTEM.contains(&name.as_str()) {
                leave("kept_by_system");
                continue;
            }
            let Some(field) = self.fields.get(name) else { continue };
            if field.readonly {
                leave("readonly");
                continue;
            }
            let header = match (field.kind.as_str(), self.relations) {
                ("one2many", _) => {
                    leave("lines");
                    continue;
                }
                // These name a model in their value or beside it, and have no form by which they could be loaded.
                ("reference" | "properties" | "properties_definition", _)
                | ("many2one" | "many2many" | "many2one_reference", Relations::LeaveOut)
                | ("many2one_reference", Relations::Migrated) => {
                    leave("relation");
                    continue;
                }
                ("many2one" | "many2many", Relations::SameIds) => format!("{name}/.id"),
                ("many2one" | "many2many", Relations::Migrated) => format!("{name}/id"),
                _ => name.clone(),
            };
            columns.push(Column { header, field: field.clone() });
        }
        columns
    }

    /// The row of a record: its external id, and each column's value as text.
    pub(super) fn row(&self, model: &str, id: i64, record: &Record, columns: &[Column]) -> Vec<String> {
        let mut row = vec![self.external_id(model, id)];
        row.extend(columns.iter().map(|column| {
            let value = record.get(&column.field.name).unwrap_or(&Value::Null);
            self.text(&column.field, value)
        }));
        row
    }

    /// A value in the form that Odoo's import takes.
    fn text(&self, field: &ErpField, value: &Value) -> String {
        let reference = |value: &Value| {
            let id = value.as_array().and_then(|pair| pair.first()).unwrap_or(value).as_i64();
            id.map(|id| match (self.relations, &field.relation) {
                (Relations::Migrated, Some(model)) => self.external_id(model, id),
                _ => id.to_string(),
            })
        };
        match (field.kind.as_str(), value) {
            (_, Value::Null) => String::new(),
            ("boolean", value) => if value == &Value::Bool(true) { "1" } else { "0" }.to_owned(),
            ("many2one", value) => reference(value).unwrap_or_default(),
            ("many2many", Value::Array(items)) => items.iter().filter_map(reference).collect::<Vec<_>>().join(","),
            ("datetime", Value::String(text)) => {
                Timestamp::parse_any(text).map_or_else(|_| text.clone(), Timestamp::to_odoo)
            }
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        }
    }
}

/// A system's id as part of an external id, which may hold letters, digits and underscores; different ids stay
/// different.
fn escaped(system_id: &str) -> String {
    system_id.chars().fold(String::new(), |mut text, c| {
        if c.is_ascii_alphanumeric() {
            text.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "_{:02x}", u32::from(c));
        }
        text
    })
}
