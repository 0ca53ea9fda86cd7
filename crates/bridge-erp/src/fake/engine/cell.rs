//! The content of one field of one record, and its way from and to JSON.

use super::schema::{FieldDef, Kind, Model};
use crate::fake::refusal::Refusal;
use bridge_model::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// The content of one field.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::fake) enum Cell {
    #[default]
    Unset,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// The record that a field points to.
    One(i64),
    /// The records that a field lists.
    Many(Arc<[i64]>),
    Json(Arc<Value>),
}

/// The cells of one record, in the order of its model's fields.
pub(in crate::fake) type Row = Vec<Cell>;

impl Cell {
    pub(in crate::fake) fn text(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    pub(in crate::fake) fn time(time: Timestamp) -> Self {
        Self::text(&time.to_odoo())
    }

    pub(in crate::fake) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(in crate::fake) fn as_one(&self) -> Option<i64> {
        if let Self::One(id) = self { Some(*id) } else { None }
    }

    pub(in crate::fake) fn as_int(&self) -> i64 {
        if let Self::Int(number) = self { *number } else { 0 }
    }

    pub(in crate::fake) fn as_bool(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    pub(in crate::fake) fn as_many(&self) -> &[i64] {
        if let Self::Many(ids) = self { ids } else { &[] }
    }

    #[expect(clippy::cast_precision_loss, reason = "quantities and prices are far below the limit")]
    pub(in crate::fake) fn as_float(&self) -> f64 {
        match self {
            Self::Float(number) => *number,
            Self::Int(number) => *number as f64,
            _ => 0.0,
        }
    }

    /// A plain value from JSON, checked as Odoo checks it. Lists of records are the caller's to handle.
    pub(in crate::fake) fn from_json(
        model: &Model,
        field: &FieldDef,
        kind: &Kind,
        value: &Value,
    ) -> Result<Self, Refusal> {
        let wrong = || Refusal::value(format!("Wrong value for {}.{}: {}", model.name, field.name, python(value)));
        if matches!(value, Value::Null | Value::Bool(false)) {
            return Ok(match kind {
                Kind::Bool => Self::Bool(false),
                Kind::Int => Self::Int(0),
                Kind::Float | Kind::Money => Self::Float(0.0),
                _ => Self::Unset,
            });
        }
        Ok(match kind {
            Kind::Bool => Self::Bool(match value {
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::String(text) => !text.is_empty(),
                _ => true,
            }),
            Kind::Int | Kind::Id => match value {
                Value::Number(number) => Self::Int(number.as_i64().ok_or_else(wrong)?),
                Value::Bool(true) => Self::Int(1),
                Value::String(text) => Self::Int(text.trim().parse().map_err(|_| {
                    Refusal::value(format!("invalid literal for int() with base 10: {}", python(value)))
                })?),
                _ => return Err(wrong()),
            },
            Kind::Float | Kind::Money => {
                match value {
                    Value::Number(number) => Self::Float(number.as_f64().ok_or_else(wrong)?),
                    Value::String(text) => Self::Float(text.trim().parse().map_err(|_| {
                        Refusal::value(format!("could not convert string to float: {}", python(value)))
                    })?),
                    _ => return Err(wrong()),
                }
            }
            Kind::Selection(options) => {
                let text = value.as_str().ok_or_else(wrong)?;
                if !options.iter().any(|(key, _)| key == text) {
                    return Err(wrong());
                }
                Self::text(text)
            }
            Kind::Datetime => Self::text(&moment(value.as_str().ok_or_else(wrong)?)?),
            Kind::Date => Self::text(&day(value.as_str().ok_or_else(wrong)?)?),
            Kind::One(_) => match value {
                Value::Number(number) => Self::One(number.as_i64().ok_or_else(wrong)?),
                // What `read` gave may be written back.
                Value::Array(pair) => Self::One(pair.first().and_then(Value::as_i64).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            },
            Kind::Json => Self::Json(Arc::new(value.clone())),
            Kind::Char | Kind::Text | Kind::Html | Kind::Binary | Kind::DisplayName => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                if text.contains('\0') {
                    return Err(Refusal::value("A string literal cannot contain NUL (0x00) characters."));
                }
                Self::text(&text)
            }
            Kind::Many(_) | Kind::Inverse(..) | Kind::OnHand(..) | Kind::Related { .. } => return Err(wrong()),
        })
    }
}

/// A date and time in Odoo's own form and no other.
fn moment(text: &str) -> Result<String, Refusal> {
    let mismatch = || Refusal::value(format!("time data '{text}' does not match format '%Y-%m-%d %H:%M:%S'"));
    if text.len() == 10 {
        return Ok(format!("{} 00:00:00", day(text)?));
    }
    if !text.is_ascii() || text.as_bytes().get(10) != Some(&b' ') {
        return Err(mismatch());
    }
    if text.len() > 19 {
        return Err(Refusal::value(format!("unconverted data remains: {}", &text[19..])));
    }
    Timestamp::parse_odoo(text).map(|_| text.to_owned()).map_err(|_| mismatch())
}

fn day(text: &str) -> Result<String, Refusal> {
    let mismatch = || Refusal::value(format!("time data '{text}' does not match format '%Y-%m-%d'"));
    let day = text.get(..10).ok_or_else(mismatch)?;
    Timestamp::parse_odoo(&format!("{day} 00:00:00")).map(|_| day.to_owned()).map_err(|_| mismatch())
}

/// A value as Python's `repr` writes it, for messages.
pub(in crate::fake) fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
