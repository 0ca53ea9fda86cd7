//! Single values on their way to and from an ERP, by the type of their field.
//!
//! Towards clients: `null` for empty, times in RFC 3339, `[id, "name"]` for one related record, ids for several. From
//! clients: the same, and what Odoo itself takes.

use crate::language::Reason;
use bridge_model::Timestamp;
use serde_json::{Value, json};

/// Frees a value of Odoo's way of writing it: `false` stands for empty in every type but boolean, and times bear no
/// zone. What has a form of its own (`json`, `properties`) is left alone.
pub fn tidy(kind: &str, value: &mut Value) {
    match (kind, &*value) {
        ("boolean" | "json" | "properties" | "properties_definition", _) => {}
        (_, Value::Bool(false)) => *value = Value::Null,
        ("datetime", Value::String(text)) => {
            if let Ok(time) = Timestamp::parse_odoo(text) {
                *value = json!(time);
            }
        }
        // Where a field points to a record of any model, 0 is none.
        ("many2one_reference", Value::Number(number)) if number.as_i64() == Some(0) => *value = Value::Null,
        _ => {}
    }
}

/// A client's value for a field of this type in the form that the ERP takes; not for the types that hold several
/// records.
pub(super) fn written(kind: &str, value: &Value) -> Result<Value, Reason> {
    if value.is_null() {
        return Ok(Value::Bool(false));
    }
    let fits = |fits: bool, reason: fn() -> Reason| if fits { Ok(value.clone()) } else { Err(reason()) };
    match kind {
        "boolean" => fits(value.is_boolean(), Reason::true_or_false),
        "integer" | "many2one_reference" => fits(value.is_i64(), Reason::whole_number),
        "float" | "monetary" => fits(value.is_number(), Reason::number),
        "date" => day(value).ok_or_else(Reason::date_form),
        "datetime" => moment(value).ok_or_else(Reason::time_form),
        "many2one" => id(value).map(Value::from).ok_or_else(Reason::record_reference),
        // What Odoo answers for an empty text may be written back.
        "char" | "text" | "html" | "selection" | "reference" | "binary" => {
            fits(value.is_string() || value == &json!(false), Reason::text)
        }
        _ => Ok(value.clone()),
    }
}

/// A value that a field of this type is compared with.
pub(super) fn compared(kind: &str, value: &Value) -> Result<Value, Reason> {
    match (kind, value) {
        (_, Value::Null) => Ok(Value::Bool(false)),
        // A comparison with a day is one with its beginning or its end; the ERP knows which.
        ("datetime", Value::String(_)) => day(value).or_else(|| moment(value)).ok_or_else(Reason::time_form),
        ("date", Value::String(_)) => day(value).ok_or_else(Reason::date_form),
        _ => Ok(value.clone()),
    }
}

/// A record's id, alone or with its name.
pub(super) fn id(value: &Value) -> Option<i64> {
    let id = match value {
        Value::Array(pair) if pair.len() == 2 => pair[0].as_i64(),
        Value::Object(record) => record.get("id").and_then(Value::as_i64),
        single => single.as_i64(),
    };
    id.filter(|id| *id > 0)
}

fn day(value: &Value) -> Option<Value> {
    if value == &json!(false) {
        return Some(json!(false));
    }
    let text = value.as_str().filter(|text| text.len() == 10)?;
    Timestamp::parse_odoo(&format!("{text} 00:00:00")).ok().map(|_| json!(text))
}

/// A time in RFC 3339, or in the ERP's own form, which is in UTC.
fn moment(value: &Value) -> Option<Value> {
    if value == &json!(false) {
        return Some(json!(false));
    }
    Timestamp::parse_any(value.as_str()?).ok().map(|time| json!(time.to_odoo()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odoos_way_of_writing_empty_values_and_times_stays_behind() {
        for (kind, value, expected) in [
            ("boolean", json!(false), json!(false)),
            ("char", json!(false), json!(null)),
            ("char", json!("no"), json!("no")),
            ("many2one", json!(false), json!(null)),
            ("many2one", json!([3, "Ann"]), json!([3, "Ann"])),
            ("many2one_reference", json!(0), json!(null)),
            ("many2many", json!([]), json!([])),
            ("integer", json!(0), json!(0)),
            ("float", json!(0.0), json!(0.0)),
            ("date", json!("2026-03-02"), json!("2026-03-02")),
            ("date", json!(false), json!(null)),
            ("datetime", json!("2026-03-02 09:00:00"), json!("2026-03-02T09:00:00Z")),
            ("datetime", json!(false), json!(null)),
            ("selection", json!(false), json!(null)),
            ("json", json!(false), json!(false)),
            ("properties", json!([{"name": "a", "value": false}]), json!([{"name": "a", "value": false}])),
        ] {
            let mut tidied = value.clone();
            tidy(kind, &mut tidied);
            assert_eq!(tidied, expected, "{kind} {value}");
        }
    }

    #[test]
    fn what_is_read_can_be_written_back_and_what_is_wrong_is_refused() {
        for (kind, value, expected) in [
            ("char", json!(null), json!(false)),
            ("boolean", json!(true), json!(true)),
            ("integer", json!(-3), json!(-3)),
            ("float", json!(2), json!(2)),
            ("date", json!("2026-03-02"), json!("2026-03-02")),
            ("datetime", json!("2026-03-02T10:00:00+01:00"), json!("2026-03-02 09:00:00")),
            ("datetime", json!("2026-03-02T09:00:00Z"), json!("2026-03-02 09:00:00")),
            ("datetime", json!("2026-03-02 09:00:00"), json!("2026-03-02 09:00:00")),
            ("many2one", json!(7), json!(7)),
            ("many2one", json!([7, "Ann"]), json!(7)),
            ("many2one", json!({"id": 7}), json!(7)),
            ("many2one", json!(null), json!(false)),
            ("json", json!({"a": [1]}), json!({"a": [1]})),
        ] {
            assert_eq!(written(kind, &value).unwrap(), expected, "{kind} {value}");
        }
        for (kind, value) in [
            ("char", json!(7)),
            ("boolean", json!("yes")),
            ("integer", json!(1.5)),
            ("float", json!("1")),
            ("date", json!("2026-03-02T09:00:00Z")),
            ("date", json!("2026-02-30")),
            ("datetime", json!("tomorrow")),
            ("datetime", json!(7)),
            ("many2one", json!("Ann")),
            ("many2one", json!(0)),
            ("many2one", json!([7])),
            ("selection", json!(["a"])),
        ] {
            assert!(written(kind, &value).is_err(), "{kind} {value}");
        }
    }
}
