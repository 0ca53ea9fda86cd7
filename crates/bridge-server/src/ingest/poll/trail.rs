//! What Odoo itself has noted of the changes that polling found: who made them, and the values before and after. It is
//! asked for over the API, once for all that a look found in a model.

use super::known::{Known, Target};
use super::session::{Failure, Session, time_of};
use crate::config::ms;
use crate::ingest::trail::complete as complete_one;
use bridge_erp::ErpErrorKind;
use bridge_erp::odoo::trail::{NotedValue, audited_value, holds_secrets, is_secret, tracked_value};
use bridge_model::{Event, ModelName, NewChange, RecordId, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked again what a system has of a trail.
const REFRESH: Duration = Duration::from_mins(10);

/// The most models that `auditlog` can have rules for.
const AUDITED_MAX: u32 = 5_000;

/// What is known of a system's trail.
#[derive(Debug, Default)]
pub(super) struct PolledTrail {
    rests_until: Option<Instant>,
    /// The fields of a tracked value, the one that names what it is a value of first; empty if there are none.
    tracking: Option<(Instant, Vec<String>)>,
    /// The models that `auditlog` has rules for.
    audited: Option<(Instant, BTreeSet<ModelName>)>,
}

/// The seconds in which what is told of a record was written, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Window {
    fn holds(self, row: &Map<String, Value>) -> bool {
        let time = row.get("create_date").and_then(Value::as_str).and_then(|text| Timestamp::parse_any(text).ok());
        time.is_some_and(|time| (self.first..=self.last).contains(&super::session::second_of(time)))
    }
}

/// What is noted of one record.
#[derive(Debug, Default)]
struct Noted {
    user_id: Option<i64>,
    values: Vec<NotedValue>,
}

/// Gives changes what is noted of them; `windows` are theirs, in the same order. A system that refuses or takes too long
/// is left alone for a while.
pub(super) async fn complete(
    session: &mut Session<'_>,
    target: &Target,
    known: &Known,
    changes: &mut [NewChange],
    windows: &[Window],
) -> Result<(), Failure> {
    let cx = session.cx;
    let settings = &cx.config.detection.trail;
    if !settings.enabled || changes.is_empty() {
        return Ok(());
    }
    let count = |outcome: &str| cx.metrics.trail_lookups.with_label_values(&[outcome]).inc();
    if session.trail.rests_until.is_some_and(|until| Instant::now() < until) {
        count("left_out");
        return Ok(());
    }
    let records: BTreeMap<i64, (Event, Window)> = changes
        .iter()
        .zip(windows)
        .filter_map(|(change, window)| match change.record_id {
            Some(RecordId::Number(id)) => Some((id, (change.event, *window))),
            _ => None,
        })
        .take(settings.changes_max)
        .collect();
    let started = Instant::now();
    match look_up(session, target, known, &records).await {
        Ok(None) => {}
        Ok(Some(noted)) => {
            cx.metrics.trail_seconds.observe(started.elapsed().as_secs_f64());
            count("answered");
            for change in changes {
                let Some(RecordId::Number(id)) = change.record_id else { continue };
                if let Some(noted) = noted.get(&id) {
                    complete_one(cx, change, noted.user_id, &noted.values);
                }
            }
        }
        Err(Failure::Erp(error)) => {
            count("failed");
            tracing::warn!(
                system.id = %session.system.system_id,
                model = %target.model,
                error = %error,
                rest_ms = settings.rest_ms,
                "look up what the ERP has noted of changes; they go into the log without it"
            );
            session.trail.rests_until = Some(Instant::now() + ms(settings.rest_ms));
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}

/// What is noted of these records, by id; `None` if nothing can be noted of this model.
async fn look_up(
    session: &mut Session<'_>,
    target: &Target,
    known: &Known,
    records: &BTreeMap<i64, (Event, Window)>,
) -> Result<Option<BTreeMap<i64, Noted>>, Failure> {
    let mut noted = BTreeMap::new();
    // The messages of a record go with it.
    let there: BTreeMap<i64, Window> = records
        .iter()
        .filter(|(_, (event, _))| *event != Event::Unlink)
        .map(|(id, (_, window))| (*id, *window))
        .collect();
    let is_tracked = known.has_messages && !there.is_empty() && !tracking_fields(session).await?.is_empty();
    if is_tracked {
        tracked(session, &target.model, &there, &mut noted).await?;
    }
    let is_audited = audited_models(session).await?.contains(&target.model);
    if is_audited {
        let all = records.iter().map(|(id, (_, window))| (*id, *window)).collect();
        audited(session, &target.model, &all, &mut noted).await?;
    }
    if holds_secrets(target.model.as_str()) {
        for noted in noted.values_mut() {
            noted.values.clear();
        }
    }
    Ok((is_tracked || is_audited).then_some(noted))
}

/// Rows that tell of these records, written in their windows.
async fn rows_of(
    session: &mut Session<'_>,
    table: &str,
    mut domain: Vec<Value>,
    records: &BTreeMap<i64, Window>,
    fields: &[&str],
) -> Result<BTreeMap<i64, Map<String, Value>>, Failure> {
    let ids: Vec<i64> = records.keys().copied().collect();
    let first = records.values().map(|window| window.first).min().unwrap_or_default();
    domain.push(json!(["res_id", "in", ids]));
    domain.push(json!(["create_date", ">=", time_of(first).to_odoo()]));
    let mut rows = read(session, table, Value::from(domain), fields).await?;
    rows.retain(|_, row| {
        let record = row.get("res_id").and_then(number);
        record.and_then(|id| records.get(&id)).is_some_and(|window| window.holds(row))
    });
    Ok(rows)
}

async fn tracked(
    session: &mut Session<'_>,
    model: &ModelName,
    records: &BTreeMap<i64, Window>,
    noted: &mut BTreeMap<i64, Noted>,
) -> Result<(), Failure> {
    let domain = vec![json!(["model", "=", model]), json!(["tracking_value_ids", "!=", false])];
    let fields = ["res_id", "create_date", "create_uid"];
    let messages = rows_of(session, "mail.message", domain, records, &fields).await?;
    if messages.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = messages.keys().copied().collect();
    let fields = tracking_fields(session).await?;
    let asked: Vec<&str> = fields.iter().map(String::as_str).chain(["mail_message_id"]).collect();
    let values = read(session, "mail.tracking.value", json!([["mail_message_id", "in", ids]]), &asked).await?;
    let field_of = |row: &Map<String, Value>| row.get(fields.first()?.as_str()).and_then(number);
    let ids: BTreeSet<i64> = values.values().filter_map(field_of).collect();
    let domain = json!([["id", "in", ids], ["model", "=", model]]);
    let described = read(session, "ir.model.fields", domain, &["name", "ttype"]).await?;
    for row in values.values() {
        let message = row.get("mail_message_id").and_then(number).and_then(|id| messages.get(&id));
        let field = field_of(row).and_then(|id| described.get(&id));
        let (Some(message), Some(field)) = (message, field) else { continue };
        let text = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
        note(noted, message, "create_uid", Some(tracked_value(text("name"), text("ttype"), row)));
    }
    Ok(())
}

async fn audited(
    session: &mut Session<'_>,
    model: &ModelName,
    records: &BTreeMap<i64, Window>,
    noted: &mut BTreeMap<i64, Noted>,
) -> Result<(), Failure> {
    let methods = ["create", "write", "unlink"];
    let domain = vec![json!(["model_id.model", "=", model]), json!(["method", "in", methods])];
    let logs = rows_of(session, "auditlog.log", domain, records, &["res_id", "create_date", "user_id"]).await?;
    if logs.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = logs.keys().copied().collect();
    let fields = ["log_id", "field_name", "old_value", "new_value", "old_value_text", "new_value_text"];
    let lines = read(session, "auditlog.log.line", json!([["log_id", "in", ids]]), &fields).await?;
    // What is tracked has values with types, which are better.
    let tracked: BTreeMap<i64, BTreeSet<String>> =
        noted.iter().map(|(id, noted)| (*id, noted.values.iter().map(|value| value.field.clone()).collect())).collect();
    for log in logs.values() {
        note(noted, log, "user_id", None);
    }
    for line in lines.values() {
        let Some(log) = line.get("log_id").and_then(number).and_then(|id| logs.get(&id)) else { continue };
        let text = |name: &str| line.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(field) = text("field_name") else { continue };
        let is_tracked = log.get("res_id").and_then(number).and_then(|id| tracked.get(&id));
        if is_tracked.is_some_and(|names| names.contains(field)) {
            continue;
        }
        let old = text("old_value_text").or_else(|| text("old_value"));
        let new = text("new_value_text").or_else(|| text("new_value"));
        note(noted, log, "user_id", Some(audited_value(field, old, new)));
    }
    Ok(())
}

/// Notes a value for the record that `of` tells of. Of several changes of a field, the first has the value before and the
/// last the value after.
fn note(noted: &mut BTreeMap<i64, Noted>, of: &Map<String, Value>, user: &str, value: Option<NotedValue>) {
    let Some(record) = of.get("res_id").and_then(number) else { return };
    let noted = noted.entry(record).or_default();
    noted.user_id = of.get(user).and_then(number).or(noted.user_id);
    let Some(value) = value.filter(|value| !is_secret(&value.field)) else { return };
    match noted.values.iter_mut().find(|known| known.field == value.field) {
        Some(known) => known.new = value.new,
        None => noted.values.push(value),
    }
}

/// The fields of a tracked value that this version of Odoo has; empty if it has no tracked values.
async fn tracking_fields(session: &mut Session<'_>) -> Result<Vec<String>, Failure> {
    if let Some((at, fields)) = &session.trail.tracking
        && at.elapsed() < REFRESH
    {
        return Ok(fields.clone());
    }
    let fields = match session.fields(&name("mail.tracking.value")?).await {
        Err(Failure::Erp(error)) if error.kind == ErpErrorKind::UnknownModel => Vec::new(),
        outcome => outcome?.into_iter().map(|field| field.name).collect(),
    };
    // Up to Odoo 16 it is `field`.
    let first = ["field_id", "field"].into_iter().find(|known| fields.iter().any(|field| field == known));
    let is_value = |field: &String| {
        ["old_value_", "new_value_"]
            .iter()
            .any(|start| field.strip_prefix(start).is_some_and(|kind| KINDS.contains(&kind)))
    };
    let fields: Vec<String> = match first {
        Some(first) => std::iter::once(first.to_owned()).chain(fields.into_iter().filter(is_value)).collect(),
        None => Vec::new(),
    };
    session.trail.tracking = Some((Instant::now(), fields.clone()));
    Ok(fields)
}

/// What values of tracked fields are kept as.
const KINDS: &[&str] = &["integer", "float", "monetary", "char", "text", "datetime"];

async fn audited_models(session: &mut Session<'_>) -> Result<BTreeSet<ModelName>, Failure> {
    if let Some((at, models)) = &session.trail.audited
        && at.elapsed() < REFRESH
    {
        return Ok(models.clone());
    }
    let limit = ms(session.cx.config.detection.trail.call_timeout_ms);
    let domain = json!([["state", "!=", "draft"]]);
    let rules = session.read_within(limit, &name("auditlog.rule")?, domain, &["model_id"], AUDITED_MAX).await;
    let models = match rules {
        // It is not installed, or not for us to see.
        Err(Failure::Erp(error)) if matches!(error.kind, ErpErrorKind::UnknownModel | ErpErrorKind::AccessDenied) => {
            BTreeSet::new()
        }
        outcome => {
            let ids: Vec<i64> = outcome?.iter().filter_map(|rule| number(rule.get("model_id")?)).collect();
            let models = if ids.is_empty() {
                BTreeMap::new()
            } else {
                read(session, "ir.model", json!([["id", "in", ids]]), &["model"]).await?
            };
            let named = |row: &Map<String, Value>| ModelName::parse(row.get("model")?.as_str()?).ok();
            models.values().filter_map(named).collect()
        }
    };
    session.trail.audited = Some((Instant::now(), models.clone()));
    Ok(models)
}

/// Rows by id.
async fn read(
    session: &mut Session<'_>,
    model: &str,
    domain: Value,
    fields: &[&str],
) -> Result<BTreeMap<i64, Map<String, Value>>, Failure> {
    let settings = &session.cx.config.detection.trail;
    let (limit, rows_max) = (ms(settings.call_timeout_ms), settings.values_max);
    let rows = session.read_within(limit, &name(model)?, domain, fields, rows_max).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.get("id")?.as_i64()?, row))).collect())
}

fn name(model: &str) -> Result<ModelName, Failure> {
    ModelName::parse(model).map_err(|error| {
        let message = crate::language::Message::internal();
        Failure::Ours(crate::problem::Problem::new(crate::problem::ProblemKind::Internal, message).caused_by(error))
    })
}

/// A number, or the one of a reference with its name.
pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.get(0)?.as_i64())
}
