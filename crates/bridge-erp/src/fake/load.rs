//! `load`: records from rows of text, each under an external id, all or none.

use super::call::{Args, Outcome};
use super::engine::cell::Cell;
use super::engine::rights::Access;
use super::engine::schema::Kind;
use super::engine::state::Tx;
use super::engine::work::{Values, Work};
use super::methods::Target;
use super::refusal::Refusal;
use serde_json::{Value, json};

/// Where external ids are kept.
const EXTERNAL_IDS: &str = "ir.model.data";

/// Creates or updates a record for each row. A row that can't be taken is told of in `messages`, and then no row is
/// kept, as in Odoo.
pub(super) fn load(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Create)?;
    work.view().check(target.uid, target.model, Access::Write)?;
    let given = args.bind(&["fields", "data"], 2)?;
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    };
    let columns = texts(&given[0]);
    let (mut ids, mut messages) = (Vec::new(), Vec::new());
    for (number, row) in given[1].as_array().into_iter().flatten().enumerate() {
        match load_row(work, target, &columns, &texts(row)) {
            Ok(id) => ids.push(id),
            Err(refusal) => messages.push(json!({
                "type": "error", "message": refusal.message, "record": number, "rows": {"from": number, "to": number},
            })),
        }
    }
    if messages.is_empty() {
        return Ok(Some(json!({ "ids": ids, "messages": [], "nextrow": 0 })));
    }
    let key = work.tx.idempotency_key.take();
    work.tx = Tx { idempotency_key: key, ..Tx::new(work.tx.uid, work.tx.started) };
    Ok(Some(json!({ "ids": false, "messages": messages, "nextrow": 0 })))
}

fn load_row(work: &mut Work<'_>, target: Target, columns: &[String], row: &[String]) -> Result<i64, Refusal> {
    let mut values = Values::new();
    let mut external_id = None;
    for (column, text) in columns.iter().zip(row) {
        if column == "id" {
            external_id = Some(text.as_str()).filter(|text| !text.is_empty());
            continue;
        }
        let (name, by) = column.split_once('/').unwrap_or((column, ""));
        values.insert(name.to_owned(), value(work, target.model, name, by, text)?);
    }
    let known = external_id.and_then(|external_id| find(work, external_id));
    if let Some(id) = known.filter(|id| work.view().get(target.model, *id).is_some()) {
        work.write(target.model, &[id], &values)?;
        return Ok(id);
    }
    let id = work.create(target.model, &values)?;
    if let Some(external_id) = external_id {
        name(work, target.model, external_id, id)?;
    }
    Ok(id)
}

/// A text as the value of a field; `by` says how records are named: `.id` by number, `id` by external id.
fn value(work: &Work<'_>, model: usize, name: &str, by: &str, text: &str) -> Result<Value, Refusal> {
    let schema = work.schema();
    let def = &schema.models[model];
    let place = def.find(name).ok_or_else(|| Refusal::value(format!("No field called '{name}'")))?;
    let field = &def.fields[place];
    if text.is_empty() {
        return Ok(Value::Bool(false));
    }
    let wrong = || Refusal::value(format!("'{text}' does not seem to be right for field '{}'", field.label));
    let record = |text: &str| match by {
        ".id" => text.parse().map_err(|_| wrong()),
        _ => find(work, text).ok_or_else(|| {
            Refusal::value(format!("No matching record found for external id '{text}' in field '{}'", field.label))
        }),
    };
    Ok(match &field.kind {
        Kind::Bool => json!(matches!(text, "1" | "true" | "yes")),
        Kind::Int => json!(text.parse::<i64>().map_err(|_| wrong())?),
        Kind::Float | Kind::Money => json!(text.parse::<f64>().map_err(|_| wrong())?),
        Kind::Json => serde_json::from_str(text).map_err(|_| wrong())?,
        Kind::One(other) => {
            let id = record(text)?;
            if work.view().get(*other, id).is_none() {
                let message = format!("No matching record found for database id '{id}' in field '{}'", field.label);
                return Err(Refusal::value(message));
            }
            json!(id)
        }
        Kind::Many(_) => json!(text.split(',').map(record).collect::<Result<Vec<i64>, _>>()?),
        _ => json!(text),
    })
}

/// The record under an external id, `module.name`.
fn find(work: &Work<'_>, external_id: &str) -> Option<i64> {
    let (module, name) = external_id.split_once('.')?;
    let model = work.schema().find(EXTERNAL_IDS)?;
    let is_it = |one: &super::engine::view::Handle<'_>| {
        one.cell("module").as_text() == Some(module) && one.cell("name").as_text() == Some(name)
    };
    work.view().all(model).find(is_it).map(|one| one.cell("res_id").as_int())
}

/// Keeps an external id. One of a record that was deleted is given anew.
fn name(work: &mut Work<'_>, model: usize, external_id: &str, id: i64) -> Result<(), Refusal> {
    let (module, name) = external_id.split_once('.').unwrap_or(("__import__", external_id));
    let ids = work.model(EXTERNAL_IDS)?;
    let schema = work.schema();
    let place_of = |field: &str| schema.models[ids].find(field).unwrap_or_default();
    let stale = work
        .view()
        .all(ids)
        .find(|one| one.cell("module").as_text() == Some(module) && one.cell("name").as_text() == Some(name));
    if let Some(stale) = stale.map(|one| one.id) {
        return work.set(ids, stale, vec![(place_of("res_id"), Cell::Int(id))]);
    }
    let mut row = work.state.blank(ids);
    for (field, text) in [("module", module), ("name", name), ("model", &schema.models[model].name)] {
        row[place_of(field)] = Cell::text(text);
    }
    row[place_of("res_id")] = Cell::Int(id);
    work.insert(ids, row);
    Ok(())
}
