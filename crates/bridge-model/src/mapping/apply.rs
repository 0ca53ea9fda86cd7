//! Turning records around.

use super::entity::{Access, EntityMap, Source};
use super::words::{MappingError, MappingProblem, Words};
use serde_json::{Map, Value};

type Record = Map<String, Value>;

impl EntityMap {
    /// A universal record, or a part of one, as the system has it; the data of its lines as well, by `words`. Computed
    /// fields are refused, since nothing could be done with them.
    pub fn to_system(&self, words: &Words, record: &Record) -> Result<Record, MappingError> {
        let mut native = Record::new();
        for (field, value) in record {
            let source = self.fields.get(field).ok_or_else(|| self.unknown(field))?;
            if source.access() == Access::Read {
                return Err(self.error(field, MappingProblem::ReadOnly));
            }
            match source {
                Source::Field { name, entity: Some(entity), .. } => {
                    native.insert(name.clone(), lines(words, entity, field, value)?);
                }
                Source::Field { name, .. } => {
                    native.insert(name.clone(), self.native_value(field, source, value)?);
                }
                Source::Cases(cases) => match cases.iter().find(|(known, _)| known == value) {
                    Some((_, when)) => native.extend(when.clone()),
                    None => return Err(self.error(field, MappingProblem::Value(source.values()))),
                },
                Source::Join { .. } | Source::First(_) => {}
            }
        }
        Ok(native)
    }

    /// The system's record, or a part of one, as a universal one. What the map does not name is left out.
    pub fn from_system(&self, native: &Record) -> Record {
        self.fields.iter().filter_map(|(field, source)| Some((field.clone(), read(source, native)?))).collect()
    }

    /// A value of a field that is one field of the system, as the system has it.
    pub(super) fn native_value(&self, field: &str, source: &Source, value: &Value) -> Result<Value, MappingError> {
        let Source::Field { values, .. } = source else { return Ok(value.clone()) };
        if let Some((_, native)) = values.iter().find(|(universal, _)| universal == value) {
            return Ok(native.clone());
        }
        // A value of the system that another one stands for would come back as that one. And where both of what is true
        // or false have their words, there are no others.
        let is_taken = values.iter().any(|(_, native)| native == value);
        let is_closed = !values.is_empty() && values.iter().all(|(_, native)| native.is_boolean());
        if is_taken || is_closed {
            return Err(self.error(field, MappingProblem::Value(source.values())));
        }
        Ok(value.clone())
    }
}

/// The value of a field that leads to records of an entity: ids, or commands whose data is in universal words.
fn lines(words: &Words, entity: &str, field: &str, value: &Value) -> Result<Value, MappingError> {
    let Value::Array(items) = value else { return Ok(value.clone()) };
    let mut map = None;
    let mut native = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let mut item = item.clone();
        // The commands in words, and as Odoo has them: `[0, 0, {…}]`, `[1, 7, {…}]`.
        let data = match &mut item {
            Value::Object(command) => command.get_mut("data"),
            Value::Array(parts) => parts.get_mut(2),
            _ => None,
        };
        if let Some(Value::Object(data)) = data {
            let map = match &map {
                Some(map) => map,
                None => map.insert(words.related(entity)?),
            };
            let turned = map.to_system(words, data);
            *data = turned.map_err(|error| error.within(&format!("{field}[{index}].data")))?;
        }
        native.push(item);
    }
    Ok(Value::Array(native))
}

/// The universal value of a field; `None` if nothing of it was read.
fn read(source: &Source, native: &Record) -> Option<Value> {
    match source {
        Source::Field { name, values, .. } => native.get(name).map(|value| {
            let known = values.iter().find(|(_, native)| native == value).map(|(universal, _)| universal);
            known.unwrap_or(value).clone()
        }),
        Source::Join { fields, separator } => joined(native, fields, separator),
        Source::First(fields) => {
            let read = fields.iter().filter_map(|field| native.get(field));
            read.reduce(|first, next| if is_empty(first) { next } else { first }).cloned()
        }
        Source::Cases(cases) => {
            let fits = |when: &Record| when.iter().all(|(name, value)| native.get(name) == Some(value));
            cases.iter().find(|(_, when)| fits(when)).map(|(value, _)| value.clone())
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// The texts that there are, put together; `None` if none of the fields was read.
fn joined(native: &Record, fields: &[String], separator: &str) -> Option<Value> {
    if !fields.iter().any(|field| native.contains_key(field)) {
        return None;
    }
    let text = |field: &String| native.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let texts: Vec<&str> = fields.iter().filter_map(text).collect();
    Some(if texts.is_empty() { Value::Null } else { Value::String(texts.join(separator)) })
}
