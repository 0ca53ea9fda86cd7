//! References to what earlier operations answered: `$0.id`, `$1[2].partner_id`.
//!
//! A reference is a whole text and never a part of one. A number alone (`$5`, `$5.00`) is none, so that amounts of money
//! stay what they are. A text that looks like a reference and is none begins with one more `$`.

use crate::language::Reason;
use crate::problem::Problem;
use crate::records::{CrudRequest, Data};
use bridge_model::RecordId;
use serde_json::Value;
use std::collections::BTreeSet;

/// A reference.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'t> {
    /// The place of the operation.
    operation: usize,
    /// What of its answer is meant.
    path: Vec<Part<'t>>,
}

/// A step into an answer.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Field(&'t str),
    Item(usize),
}

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
enum Text<'t> {
    Plain,
    /// What remains of one that only looks like a reference.
    Escaped(&'t str),
    Reference(Reference<'t>),
}

/// The operations whose answers a request refers to.
pub(super) fn needs(request: &CrudRequest) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut look = |text: &str| {
        if let Text::Reference(reference) = read(text) {
            found.insert(reference.operation);
        }
    };
    for id in request.record_id.iter().chain(request.record_ids.iter().flatten()) {
        if let RecordId::Text(text) = id {
            look(text);
        }
    }
    let records = match &request.data {
        None => &[],
        Some(Data::One(record)) => std::slice::from_ref(record),
        Some(Data::Many(records)) => records.as_slice(),
    };
    let values = records.iter().chain(&request.kwargs).flat_map(|fields| fields.values());
    for value in values.chain(&request.domain).chain(request.args.iter().flatten()) {
        look_through(value, &mut look);
    }
    found
}

/// Puts what `answer` knows in the places of references. What an earlier operation did not answer is `Invalid`.
pub(super) fn resolve<'a>(
    request: &mut CrudRequest,
    answer: impl Fn(usize) -> Option<&'a Value>,
) -> Result<(), Problem> {
    let answer = &answer;
    let ids = request.record_id.iter_mut().map(|id| ("record_id", id));
    for (name, id) in ids.chain(request.record_ids.iter_mut().flatten().map(|id| ("record_ids", id))) {
        let RecordId::Text(text) = id else { continue };
        match read(text) {
            Text::Plain => {}
            Text::Escaped(rest) => *id = RecordId::Text(rest.to_owned()),
            Text::Reference(reference) => {
                let found = look_up(&reference, answer).ok_or_else(|| missing(name, text))?;
                *id = record_id(found).ok_or_else(|| Problem::field(name, Reason::record_reference()))?;
            }
        }
    }
    let records = match &mut request.data {
        None => &mut [],
        Some(Data::One(record)) => std::slice::from_mut(record),
        Some(Data::Many(records)) => records.as_mut_slice(),
    };
    for (name, value) in records.iter_mut().flat_map(|record| record.iter_mut()) {
        replace(value, &format!("data.{name}"), answer)?;
    }
    for (name, value) in request.kwargs.iter_mut().flat_map(|kwargs| kwargs.iter_mut()) {
        replace(value, &format!("kwargs.{name}"), answer)?;
    }
    if let Some(domain) = &mut request.domain {
        replace(domain, "domain", answer)?;
    }
    for value in request.args.iter_mut().flatten() {
        replace(value, "args", answer)?;
    }
    Ok(())
}

fn replace<'a>(value: &mut Value, place: &str, answer: &impl Fn(usize) -> Option<&'a Value>) -> Result<(), Problem> {
    match value {
        Value::String(text) => {
            let found = match read(text) {
                Text::Plain => return Ok(()),
                Text::Escaped(rest) => Value::from(rest),
                Text::Reference(reference) => {
                    look_up(&reference, answer).cloned().ok_or_else(|| missing(place, text))?
                }
            };
            *value = found;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| replace(item, place, answer)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| replace(field, place, answer)),
        _ => Ok(()),
    }
}

fn look_through(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(items) => items.iter().for_each(|item| look_through(item, look)),
        Value::Object(fields) => fields.values().for_each(|field| look_through(field, look)),
        _ => {}
    }
}

fn look_up<'a>(reference: &Reference<'_>, answer: &impl Fn(usize) -> Option<&'a Value>) -> Option<&'a Value> {
    reference.path.iter().try_fold(answer(reference.operation)?, |value, part| match part {
        Part::Field(name) => value.get(name),
        Part::Item(index) => value.get(index),
    })
}

/// A record's id, alone or with its name.
fn record_id(value: &Value) -> Option<RecordId> {
    match value {
        Value::Number(number) => number.as_i64().map(RecordId::Number),
        Value::String(text) => Some(RecordId::Text(text.clone())),
        Value::Array(pair) if pair.len() == 2 => pair[0].as_i64().map(RecordId::Number),
        _ => None,
    }
}

fn missing(place: &str, reference: &str) -> Problem {
    Problem::field(place, Reason::reference_missing(reference)).with("reference", reference)
}

/// What a text is: a reference is a `$`, a number, and at least one `.name` or `[number]`.
fn read(text: &str) -> Text<'_> {
    let Some(rest) = text.strip_prefix('$') else { return Text::Plain };
    let rest_of_escaped = rest.trim_start_matches('$');
    let Some(reference) = reference(rest_of_escaped) else { return Text::Plain };
    if rest_of_escaped.len() == rest.len() { Text::Reference(reference) } else { Text::Escaped(rest) }
}

fn reference(text: &str) -> Option<Reference<'_>> {
    let (operation, mut rest) = number(text)?;
    let mut path = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = name.find(|c| !is_name(c)).unwrap_or(name.len());
            let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            path.push(Part::Field(begins.then(|| &name[..end])?));
            rest = &name[end..];
        } else {
            let (index, end) = number(rest.strip_prefix('[')?)?;
            path.push(Part::Item(index));
            rest = end.strip_prefix(']')?;
        }
    }
    (!path.is_empty()).then_some(Reference { operation, path })
}

/// The number that a text begins with, and what follows it.
fn number(text: &str) -> Option<(usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(body: Value) -> CrudRequest {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_reference_is_told_from_a_text() {
        for (text, operation, path) in [
            ("$0.id", 0, vec![Part::Field("id")]),
            ("$12.partner_id", 12, vec![Part::Field("partner_id")]),
            ("$1[2].id", 1, vec![Part::Item(2), Part::Field("id")]),
            ("$1[0]", 1, vec![Part::Item(0)]),
            ("$3.partner_id[0]", 3, vec![Part::Field("partner_id"), Part::Item(0)]),
        ] {
            assert_eq!(read(text), Text::Reference(Reference { operation, path }), "{text}");
        }
        for text in
            ["", "$", "$5", "$5.00", "$5.", "$5.id ", " $5.id", "$5.id!", "$x.id", "$5[", "$5[x]", "$-1.id", "5.id"]
        {
            assert_eq!(read(text), Text::Plain, "{text}");
        }
        assert_eq!(read("$$0.id"), Text::Escaped("$0.id"));
        assert_eq!(read("$$$0[1]"), Text::Escaped("$$0[1]"));
        assert_eq!(read("$$5.00"), Text::Plain);
        assert_eq!(read("$99999999999999999999999.id"), Text::Plain);
    }

    #[test]
    fn references_are_found_wherever_a_value_may_stand() {
        let all = request(json!({
            "action": "call", "model": "res.partner", "record_id": "$0.id", "record_ids": [4, "$1.id"], "method": "x",
            "data": [{ "name": "$2.name", "line_ids": [[0, 0, { "product_id": "$3.id" }]], "price": "$9.00" }],
            "domain": ["|", ["id", "in", ["$4.id"]], ["name", "=", "$$8.id"]],
            "args": [["$5.id"]], "kwargs": { "order": "$6.id" },
        }));
        assert_eq!(needs(&all).into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn references_become_what_was_answered() {
        let answers = [json!({ "id": 7, "partner_id": [3, "Ann"], "name": "$0.id" }), json!([{ "id": 8 }])];
        let mut order = request(json!({
            "action": "update", "model": "sale.order", "record_ids": ["$0.id", "$1[0].id", "$0.partner_id"],
            "data": { "partner_id": "$0.partner_id", "note": "$$0.id", "ref": "$0.name" },
        }));
        resolve(&mut order, |index| answers.get(index)).unwrap();
        let ids = order.record_ids.unwrap();
        assert_eq!(ids, [RecordId::Number(7), RecordId::Number(8), RecordId::Number(3)]);
        let Some(Data::One(data)) = order.data else { panic!("no record") };
        // What was answered is a value, also where it looks like a reference.
        let expected = json!({ "partner_id": [3, "Ann"], "note": "$0.id", "ref": "$0.id" });
        assert_eq!(Value::Object(data), expected);

        for (body, field) in [
            (json!({ "action": "read", "model": "a", "record_id": "$0.nothing" }), "record_id"),
            (json!({ "action": "read", "model": "a", "record_id": "$1" }), ""),
            (json!({ "action": "read", "model": "a", "record_id": "$1[0].id.x" }), "record_id"),
            (json!({ "action": "create", "model": "a", "data": { "x": "$1[1].id" } }), "data.x"),
        ] {
            let outcome = resolve(&mut request(body), |index| answers.get(index));
            let named = outcome.err().map_or(json!(""), |problem| problem.details["field"].clone());
            assert_eq!(named, field);
        }
    }
}
