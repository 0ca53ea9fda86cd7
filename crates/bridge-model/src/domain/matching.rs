//! Judging records by a domain, with Odoo's meaning of each operator.

use super::pattern::is_like;
use super::{Condition, DatePart, Domain, Operand, Operator};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A record as a domain sees it: a cheap handle that finds fields and related records.
pub trait Record<'a>: Copy {
    /// The record's own id.
    fn id(self) -> i64;
    /// The value of a field other than `id`, or `None` if the model has no such field.
    fn field(self, name: &str) -> Option<Field<'a, Self>>;
    /// The name that people see; `ilike` and `=` with a text compare a related record by it.
    fn label(self) -> Cow<'a, str>;
    /// The record above this one in its model's own hierarchy.
    fn parent(self) -> Option<Self>;
    /// Another record of the same model.
    fn sibling(self, id: i64) -> Option<Self>;
}

/// The value of a field.
#[derive(Debug, Clone)]
pub enum Field<'a, R> {
    /// Not set: what Odoo writes as `false`.
    Unset,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text; dates and times are texts too, in Odoo's own form.
    Text(Cow<'a, str>),
    /// One related record.
    One(R),
    /// Related records.
    Many(Vec<R>),
}

/// A condition names a field that the model does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no field '{0}'")]
pub struct UnknownField(pub String);

/// How many steps up a hierarchy are followed; a loop in the data must not become one here.
const ANCESTORS_MAX: usize = 100;

/// Whether `domain` accepts `record`.
pub(super) fn matches<'a, R: Record<'a>>(domain: &Domain, record: R) -> Result<bool, UnknownField> {
    match domain {
        Domain::All => Ok(true),
        Domain::Nothing => Ok(false),
        Domain::And(members) => {
            for member in members {
                if !matches(member, record)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Domain::Or(members) => {
            for member in members {
                if matches(member, record)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Domain::Not(member) => matches(member, record).map(|accepted| !accepted),
        Domain::Condition(condition) => along(condition, &condition.path, record),
    }
}

/// Follows the path; over a list of records one that matches is enough, and over an empty relation nothing matches.
fn along<'a, R: Record<'a>>(condition: &Condition, path: &str, record: R) -> Result<bool, UnknownField> {
    let Some((first, rest)) = path.split_once('.') else { return compare(condition, path, record) };
    match field_of(record, first)? {
        Field::One(next) => along(condition, rest, next),
        Field::Many(records) => {
            for next in records {
                if along(condition, rest, next)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Field::Text(moment) => {
            // A part of a date: in UTC, since a record does not know the time zone of who asks.
            let part = DatePart::parse(rest).and_then(|part| part.of(&moment));
            Ok(match (&condition.operand, part) {
                (Operand::Value(value), Some(number)) => {
                    compare_value(&Field::<R>::Int(number), condition.operator, value)
                }
                _ => false,
            })
        }
        _ => Ok(false),
    }
}

fn field_of<'a, R: Record<'a>>(record: R, name: &str) -> Result<Field<'a, R>, UnknownField> {
    if name == "id" {
        return Ok(Field::Int(record.id()));
    }
    record.field(name).ok_or_else(|| UnknownField(name.to_owned()))
}

fn compare<'a, R: Record<'a>>(condition: &Condition, name: &str, record: R) -> Result<bool, UnknownField> {
    let field = match (condition.operator, name) {
        // A hierarchy is asked about the record itself by its id.
        (Operator::ChildOf | Operator::ParentOf, "id") => Field::One(record),
        _ => field_of(record, name)?,
    };
    match &condition.operand {
        Operand::Domain(domain) => {
            let related = match field {
                Field::One(one) => vec![one],
                Field::Many(many) => many,
                _ => Vec::new(),
            };
            let mut found = false;
            for one in related {
                if matches(domain, one)? {
                    found = true;
                    break;
                }
            }
            Ok(found != (condition.operator == Operator::NotAny))
        }
        Operand::Value(value) => Ok(compare_value(&field, condition.operator, value)),
    }
}

fn compare_value<'a, R: Record<'a>>(field: &Field<'a, R>, operator: Operator, value: &Value) -> bool {
    match operator {
        Operator::Equal | Operator::In | Operator::Any => is_among(field, value),
        Operator::NotEqual | Operator::NotIn | Operator::NotAny => !is_among(field, value),
        Operator::Greater => order(field, value, false).is_some_and(Ordering::is_gt),
        Operator::GreaterOrEqual => order(field, value, true).is_some_and(Ordering::is_ge),
        Operator::Less => order(field, value, true).is_some_and(Ordering::is_lt),
        Operator::LessOrEqual => order(field, value, false).is_some_and(Ordering::is_le),
        Operator::Like => contains(field, value, false),
        Operator::NotLike => !contains(field, value, false),
        Operator::Ilike => contains(field, value, true),
        Operator::NotIlike => !contains(field, value, true),
        Operator::EqualLike => any_text(field, |text| is_like(text, &text_of(value), false)),
        Operator::EqualIlike => any_text(field, |text| is_like(text, &text_of(value), true)),
        Operator::ChildOf => related(field).iter().any(|record| is_below(*record, &ids_of(value))),
        Operator::ParentOf => related(field).iter().any(|record| is_above(*record, &ids_of(value))),
    }
}

/// `=` with a list means `in`, and `in` with one value means `=`, as Odoo 19 takes them.
fn is_among<'a, R: Record<'a>>(field: &Field<'a, R>, value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| is_equal(field, value)),
        single => is_equal(field, single),
    }
}

fn is_equal<'a, R: Record<'a>>(field: &Field<'a, R>, value: &Value) -> bool {
    match (field, value) {
        (_, Value::Null | Value::Bool(false)) => is_empty(field),
        (Field::Unset, Value::Number(number)) => number.as_f64() == Some(0.0),
        (Field::Unset, Value::String(text)) => text.is_empty(),
        (Field::Bool(yes), Value::Bool(wanted)) => yes == wanted,
        (Field::Bool(yes), Value::Number(number)) => number.as_i64() == Some(i64::from(*yes)),
        (Field::Int(n), Value::Number(number)) => match number.as_i64() {
            Some(whole) => *n == whole,
            None => order(field, value, true) == Some(Ordering::Equal),
        },
        (Field::Float(_), Value::Number(_)) => order(field, value, true) == Some(Ordering::Equal),
        // `= true` asks whether anything is there.
        (Field::Int(_) | Field::Float(_) | Field::Text(_) | Field::One(_) | Field::Many(_), Value::Bool(true)) => {
            !is_empty(field)
        }
        (Field::Text(text), Value::String(wanted)) => text == wanted || is_same_time(text, wanted),
        (Field::One(record), Value::Number(number)) => number.as_i64() == Some(record.id()),
        (Field::One(record), Value::String(label)) => record.label() == label.as_str(),
        (Field::Many(records), Value::Number(_) | Value::String(_)) => {
            records.iter().any(|record| is_equal(&Field::One(*record), value))
        }
        _ => false,
    }
}

/// Unset, and what Odoo counts as such: no, zero, the empty text, no records.
fn is_empty<R>(field: &Field<'_, R>) -> bool {
    match field {
        Field::Unset => true,
        Field::Bool(yes) => !yes,
        Field::Int(number) => *number == 0,
        Field::Float(number) => number.abs() < f64::EPSILON,
        Field::Text(text) => text.is_empty(),
        Field::One(_) => false,
        Field::Many(records) => records.is_empty(),
    }
}

/// How the field stands to the value; `None` if either is unset or they can't be compared. A day compared with a
/// moment means the day's start, or its last second if `day_starts` is false, as Odoo reads it.
fn order<'a, R: Record<'a>>(field: &Field<'a, R>, value: &Value, day_starts: bool) -> Option<Ordering> {
    match (field, value) {
        (Field::Int(n), Value::Number(number)) => match number.as_i64() {
            Some(whole) => Some(n.cmp(&whole)),
            None => as_float(*n).partial_cmp(&number.as_f64()?),
        },
        (Field::Float(n), Value::Number(number)) => n.partial_cmp(&number.as_f64()?),
        (Field::Text(text), Value::String(wanted)) => {
            Some(text.as_ref().cmp(normal_time(text, wanted, day_starts).as_ref()))
        }
        (Field::One(record), Value::Number(number)) => Some(record.id().cmp(&number.as_i64()?)),
        (Field::Bool(yes), Value::Bool(wanted)) => Some(yes.cmp(wanted)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "only for a comparison with a number that has a fraction")]
fn as_float(number: i64) -> f64 {
    number as f64
}

fn is_same_time(text: &str, wanted: &str) -> bool {
    is_moment(text) && normal_time(text, wanted, true) == text
}

/// `wanted` in the form of the moment `text`: a blank for the `T`, a time of day where there is only a day.
fn normal_time<'t>(text: &str, wanted: &'t str, day_starts: bool) -> Cow<'t, str> {
    if is_moment(text) && wanted.is_ascii() {
        match wanted.as_bytes() {
            [_, _, _, _, b'-', _, _, b'-', _, _] => {
                return Cow::Owned(format!("{wanted} {}", if day_starts { "00:00:00" } else { "23:59:59" }));
            }
            [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..] => return Cow::Owned(wanted.replacen('T', " ", 1)),
            _ => {}
        }
    }
    Cow::Borrowed(wanted)
}

fn is_moment(text: &str) -> bool {
    matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, b' ', _, _, b':', _, _, b':', _, _])
}

fn contains<'a, R: Record<'a>>(field: &Field<'a, R>, value: &Value, fold: bool) -> bool {
    let wanted = text_of(value);
    if wanted.is_empty() {
        return true;
    }
    let pattern = format!("%{wanted}%");
    any_text(field, |text| is_like(text, &pattern, fold))
}

fn any_text<'a, R: Record<'a>>(field: &Field<'a, R>, accepts: impl Fn(&str) -> bool) -> bool {
    match field {
        Field::Unset => false,
        Field::Bool(yes) => accepts(if *yes { "true" } else { "false" }),
        Field::Int(number) => accepts(&number.to_string()),
        Field::Float(number) => accepts(&number.to_string()),
        Field::Text(text) => accepts(text),
        Field::One(record) => accepts(&record.label()),
        Field::Many(records) => records.iter().any(|record| accepts(&record.label())),
    }
}

fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null | Value::Bool(false) => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

fn ids_of(value: &Value) -> Vec<i64> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_i64).collect(),
        single => single.as_i64().into_iter().collect(),
    }
}

fn related<'a, R: Record<'a>>(field: &Field<'a, R>) -> Vec<R> {
    match field {
        Field::One(record) => vec![*record],
        Field::Many(records) => records.clone(),
        _ => Vec::new(),
    }
}

fn is_below<'a, R: Record<'a>>(record: R, ids: &[i64]) -> bool {
    ancestors(record).any(|ancestor| ids.contains(&ancestor.id()))
}

fn is_above<'a, R: Record<'a>>(record: R, ids: &[i64]) -> bool {
    ids.iter()
        .filter_map(|id| record.sibling(*id))
        .any(|below| ancestors(below).any(|ancestor| ancestor.id() == record.id()))
}

/// The record and those above it.
fn ancestors<'a, R: Record<'a>>(record: R) -> impl Iterator<Item = R> {
    std::iter::successors(Some(record), |record| record.parent()).take(ANCESTORS_MAX)
}
