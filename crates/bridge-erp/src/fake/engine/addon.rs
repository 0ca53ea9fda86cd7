//! The add-on inside the demo ERP: an event for every write of a tracked model, in the transaction of that write.

use super::cell::{Cell, Row};
use super::state::Change;
use super::view::Handle;
use super::work::Work;
use crate::fake::Addon;
use crate::fake::refusal::Refusal;
use bridge_model::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A model whose changes are tracked.
pub(in crate::fake) struct Tracked {
    pub(in crate::fake) model: &'static str,
    pub(in crate::fake) priority: &'static str,
    pub(in crate::fake) instant: bool,
}

/// The tracked models, with the priorities that the add-on installs.
pub(in crate::fake) const TRACKED: [Tracked; 16] = [
    Tracked { model: "sale.order", priority: "high", instant: true },
    Tracked { model: "account.move", priority: "high", instant: true },
    Tracked { model: "stock.picking", priority: "high", instant: true },
    Tracked { model: "purchase.order", priority: "high", instant: false },
    Tracked { model: "sale.order.line", priority: "medium", instant: false },
    Tracked { model: "purchase.order.line", priority: "medium", instant: false },
    Tracked { model: "stock.move", priority: "medium", instant: false },
    Tracked { model: "stock.move.line", priority: "low", instant: false },
    Tracked { model: "stock.quant", priority: "medium", instant: false },
    Tracked { model: "stock.location", priority: "low", instant: false },
    Tracked { model: "res.partner", priority: "medium", instant: false },
    Tracked { model: "product.template", priority: "medium", instant: false },
    Tracked { model: "product.product", priority: "medium", instant: false },
    Tracked { model: "hr.expense", priority: "medium", instant: false },
    Tracked { model: "project.project", priority: "low", instant: false },
    Tracked { model: "project.task", priority: "low", instant: false },
];

fn tracked(model: &str) -> Option<&'static Tracked> {
    TRACKED.iter().find(|one| one.model == model)
}

/// Whether a model's high events are pushed at once.
pub(in crate::fake) fn is_instant(model: &str) -> bool {
    tracked(model).is_some_and(|one| one.instant)
}

/// Appends the event of a write, if its model is tracked. The id is taken now and seen at commit.
pub(in crate::fake) fn track(work: &mut Work<'_>, model: usize, id: i64, event: &str, fields: &[&str]) {
    if work.state.addon == Addon::None {
        return;
    }
    let schema = work.schema();
    let (Some(one), Some(events)) = (tracked(&schema.models[model].name), schema.find("update.webhook")) else {
        return;
    };
    let def = &schema.models[events];
    let mut row: Row = work.state.blank(events);
    let now = Cell::time(work.now);
    let mut changed: Vec<&str> = fields.to_vec();
    changed.sort_unstable();
    for (name, cell) in [
        ("model", Cell::text(one.model)),
        ("record_id", Cell::Int(id)),
        ("event", Cell::text(event)),
        ("timestamp", now.clone()),
        ("user_id", Cell::One(work.tx.uid)),
        ("priority", Cell::text(one.priority)),
        ("category", Cell::text("business")),
        ("changed_fields", if event == "unlink" { Cell::Unset } else { Cell::Json(Arc::new(json!(changed))) }),
        ("idempotency_key", work.tx.idempotency_key.as_deref().map_or(Cell::Unset, Cell::text)),
        ("create_uid", Cell::One(work.tx.uid)),
        ("create_date", now.clone()),
        ("write_uid", Cell::One(work.tx.uid)),
        ("write_date", now),
    ] {
        if let Some(place) = def.find(name) {
            row[place] = cell;
        }
    }
    work.insert(events, row);
}

/// Notes what was computed of a record because another one changed: with the write of the record that is under way, or
/// else with its last event in this transaction, or else as an event of its own. A record that is new says it all by
/// its `create`.
pub(in crate::fake) fn track_computed(
    work: &mut Work<'_>,
    model: usize,
    id: i64,
    fields: &[&'static str],
) -> Result<(), Refusal> {
    if let Some(writing) = work.tx.writing.iter_mut().rev().find(|one| one.model == model && one.id == id) {
        writing.computed.extend(fields);
        return Ok(());
    }
    if matches!(work.tx.changes.get(&(model, id)), Some(Change::Put { is_new: true, .. })) {
        return Ok(());
    }
    let Some((events, event, mut names)) = last_event(work, model, id) else {
        track(work, model, id, "write", fields);
        return Ok(());
    };
    names.extend(fields.iter().map(|name| (*name).to_owned()));
    let place = work.state.schema.models[events].find("changed_fields");
    let cell = Cell::Json(Arc::new(json!(names)));
    place.map_or(Ok(()), |place| work.set(events, event, vec![(place, cell)]))
}

/// The last write of a record that this transaction has recorded, with the names of its fields.
fn last_event(work: &Work<'_>, model: usize, id: i64) -> Option<(usize, i64, BTreeSet<String>)> {
    let schema = &work.state.schema;
    let events = schema.find("update.webhook")?;
    let name = schema.models[model].name.as_str();
    let own = work.tx.changes.range((events, 0)..=(events, i64::MAX)).rev().map(|((_, event), _)| *event);
    let is_it = |one: &Handle<'_>| {
        one.cell("model").as_text() == Some(name)
            && one.cell("record_id").as_int() == id
            && one.cell("event").as_text() == Some("write")
    };
    let found = own.filter_map(|event| work.view().get(events, event)).find(is_it)?;
    let place = found.view.schema.models[events].find("changed_fields");
    let names = place.map_or(Value::Null, |place| found.json(place, false));
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Some((events, found.id, names))
}

/// What `bridgecore_info` answers.
pub(in crate::fake) fn info(work: &Work<'_>) -> Value {
    let events = work.state.schema.find("update.webhook");
    let ids = |model| (work.view().all(model).next(), work.view().all(model).next_back());
    let (oldest_row, newest_row) = events.map_or((None, None), ids);
    let (lowest, newest) = (oldest_row.map_or(0, |one| one.id), newest_row.map_or(0, |one| one.id));
    let oldest: Option<Timestamp> = work.state.open.values().map(|tx| tx.started).min();
    // One that began this very moment is still one that is open.
    let age = |started| u64::try_from(work.now.since(started).as_millis()).unwrap_or(u64::MAX).max(1);
    let open_ms = oldest.map_or(0, age);
    json!({
        "addon": "bridgecore",
        "version": "1.0.0",
        "epoch": work.state.epoch,
        "database_uuid": parameter(work, "database.uuid"),
        "odoo_version": "19.0",
        "max_id": newest,
        "event_id_max": newest,
        "event_id_min": lowest,
        "event_id_last": events.map_or(0, |model| work.state.tables[model].last_id),
        "event_id_cleaned_to": work.state.events_cleaned_to,
        "oldest_transaction_ms": open_ms,
        "transaction_age_max_s": Duration::from_millis(open_ms).as_secs_f64(),
        "tracked_models": TRACKED.iter().map(|one| one.model).collect::<Vec<_>>(),
    })
}

fn parameter(work: &Work<'_>, key: &str) -> Value {
    let model = work.state.schema.find("ir.config_parameter");
    let rows = model.map(|model| work.view().all(model));
    let found = rows.into_iter().flatten().find(|one| one.cell("key").as_text() == Some(key));
    found.and_then(|one| one.cell("value").as_text()).map_or(Value::Null, Value::from)
}
