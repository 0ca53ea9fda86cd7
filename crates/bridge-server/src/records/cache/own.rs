//! What may be kept: answers that are made of records whose every change is seen.

use super::Made;
use crate::detection::ModelOwners;
use crate::problem::Problem;
use crate::records::crud::{Action, CrudRequest};
use crate::records::order::ordered_by;
use crate::records::{Acting, ModelFields, Options, parse_domain};
use bridge_erp::{ErpField, FeedKind};
use bridge_model::domain::{Condition, Domain, Operand, Operator};
use bridge_model::{ModelName, RecordId, Strategy, is_among};
use serde_json::Value;
use std::time::Duration;

/// The options that have no bearing on which records are looked at, or only by what the records themselves hold.
const OPTIONS: [&str; 3] = ["lang", "tz", "active_test"];

/// Since when translations are kept with the record.
const TRANSLATED_IN_PLACE_SINCE: u32 = 16;

/// How long it is believed that an add-on could not be asked what it tells of.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What an answer will be made of; `None` if it must not be kept.
///
/// A value is a record's own if it is a column of its table: it changes only when the record does. Everything else is
/// computed, related, or on other records, and can change without that. The name of a related record is made by the
/// system of whatever it likes, and so is the order that a model has by itself: an answer with these is kept only as long
/// as nothing at all changes in the system.
pub(super) async fn made_of(
    acting: &Acting,
    owners: &ModelOwners,
    request: &CrudRequest,
    options: &Options,
) -> Result<Option<Made>, Problem> {
    let model = &request.model;
    let plain_options = options.0.keys().all(|key| OPTIONS.contains(&key.as_str()));
    if !plain_options || !is_seen(acting, owners, model).await {
        return Ok(None);
    }
    if options.language().is_some() && acting.version(model).await? < TRANSLATED_IN_PLACE_SINCE {
        return Ok(None);
    }
    let known = acting.fields(model).await?;
    let Some(names) = columns(request, &known).map(|columns| related(&columns)) else { return Ok(None) };
    for related in &names {
        if !is_seen(acting, owners, related).await {
            return Ok(None);
        }
    }
    let ids = request.record_id.iter().chain(request.record_ids.iter().flatten());
    let by_number = |id: &RecordId| matches!(id, RecordId::Number(_));
    if request.record_id.is_some() || request.record_ids.is_some() {
        let ids: Vec<RecordId> = ids.cloned().collect();
        return Ok(Some(if !names.is_empty() {
            Made::System
        } else if ids.iter().all(by_number) {
            Made::Records(ids)
        } else {
            // The log may call them by other ids than the request does.
            Made::Model
        }));
    }
    let hides_archived = options.0.get("active_test") != Some(&Value::Bool(false));
    if hides_archived && known.get("active").is_some_and(|active| !is_column(active)) {
        return Ok(None);
    }
    let domain = request.domain.as_ref().map_or(Ok(Domain::All), parse_domain);
    // What can't be read is refused by the read itself.
    if !domain.is_ok_and(|domain| is_own(&domain, &known)) {
        return Ok(None);
    }
    let order = request.order.as_deref().unwrap_or_default();
    let is_sortable = |name: &str| known.get(name).is_some_and(|field| is_column(field) && field.kind != "many2one");
    if !ordered_by(order).all(|name| is_sortable(&name.to_ascii_lowercase())) {
        return Ok(None);
    }
    let by_own_order = request.action != Action::Count && order.trim().is_empty();
    Ok(Some(if by_own_order || !names.is_empty() { Made::System } else { Made::Model }))
}

/// Whether every change of a model's records gets into the log.
async fn is_seen(acting: &Acting, owners: &ModelOwners, model: &ModelName) -> bool {
    let config = &acting.cx.config;
    // What has no table of its own has no changes of its own.
    if is_among(&config.detection.view_models, model.as_str()) {
        return false;
    }
    match owners.decided_owner(model) {
        Some(Strategy::Capture | Strategy::Wal) => true,
        Some(Strategy::Addon) => addon_tells_all(acting).await,
        Some(Strategy::Poll) => config.cache.polled_models,
        None => false,
    }
}

/// Whether the system's add-on tells of every write: the public one waits a while, and may leave deletions out.
async fn addon_tells_all(acting: &Acting) -> bool {
    let Acting { cx, system, .. } = acting;
    let (key, now) = (acting.access.of_system(), cx.clock.now());
    let fresh = crate::config::ms(cx.config.records.fields_fresh_ms);
    if let Some((asked_at, tells_all)) = cx.records.addons.get(&key)
        && now.since(asked_at) < if tells_all { fresh } else { fresh.min(ASKED_AGAIN_AFTER) }
    {
        return tells_all;
    }
    // The user who acts need not be allowed to look at the add-on's table.
    let Ok(adapter) = cx.erps.adapter(system) else { return false };
    let tells_all = match adapter.feed_info().await {
        Ok(info) => info.is_some_and(|info| matches!(info.kind, FeedKind::Bridgecore { .. })),
        Err(error) => {
            tracing::debug!(system.id = %system.system_id, error = %error, "the add-on can't be asked what it tells of");
            false
        }
    };
    cx.records.addons.insert(key, (now, tells_all));
    tells_all
}

/// The fields that an answer shows, besides the id; `None` if one of them is no column.
fn columns<'k>(request: &CrudRequest, known: &'k ModelFields) -> Option<Vec<&'k ErpField>> {
    let names = match (request.action, &request.fields) {
        (Action::Read, Some(fields)) => fields.clone(),
        (Action::Read, None) => known.own(),
        _ => Vec::new(),
    };
    let names = names.iter().filter(|name| *name != "id");
    names.map(|name| known.get(name).filter(|field| is_column(field))).collect()
}

/// The models of the records that these name.
fn related(columns: &[&ErpField]) -> Vec<ModelName> {
    let relations = columns.iter().filter(|field| field.kind == "many2one");
    let mut models: Vec<ModelName> =
        relations.filter_map(|field| ModelName::parse(field.relation.as_deref()?).ok()).collect();
    models.sort_unstable();
    models.dedup();
    models
}

/// Whether a field is a column of its record.
fn is_column(field: &ErpField) -> bool {
    let kinds = [
        "boolean",
        "integer",
        "float",
        "monetary",
        "char",
        "text",
        "html",
        "selection",
        "date",
        "datetime",
        "json",
        "reference",
        "many2one_reference",
        "many2one",
    ];
    field.stored && !field.by_company && kinds.contains(&field.kind.as_str())
}

/// Whether a filter looks at nothing but the columns of the records themselves.
fn is_own(domain: &Domain, known: &ModelFields) -> bool {
    match domain {
        Domain::All | Domain::Nothing => true,
        Domain::And(members) | Domain::Or(members) => members.iter().all(|member| is_own(member, known)),
        Domain::Not(member) => is_own(member, known),
        Domain::Condition(condition) => looks_at_column(condition, known),
    }
}

fn looks_at_column(condition: &Condition, known: &ModelFields) -> bool {
    let Condition { path, operator, operand: Operand::Value(value) } = condition else { return false };
    if matches!(operator, Operator::ChildOf | Operator::ParentOf | Operator::Any | Operator::NotAny) {
        return false;
    }
    // A path with dots is no field's name.
    match known.get(path) {
        _ if path == "id" => true,
        // By anything but a number, related records are looked for by their names.
        Some(field) if field.kind == "many2one" && is_column(field) => match value {
            Value::Array(values) => values.iter().all(is_reference),
            single => is_reference(single),
        },
        Some(field) => is_column(field),
        None => false,
    }
}

fn is_reference(value: &Value) -> bool {
    value.is_i64() || matches!(value, Value::Null | Value::Bool(false))
}
