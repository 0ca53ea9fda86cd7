//! `include`: the changed records' current fields in the answer of the pull that tells of the changes.

use super::current::{ROWS_PER_CALL_MAX, Reading};
use super::event::{EventText, Outline};
use super::scope::{Scope, Viewer};
use crate::config::ms;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::Record;
use bridge_model::{Event, ModelName, RecordId};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use utoipa::ToSchema;

/// What a pull asks for besides the changes.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Include {
    /// The records with the fields that they themselves hold, or no records.
    Switch(bool),
    /// The records, some models with these fields.
    Chosen(ChosenFields),
}

/// The fields to read, by model.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenFields {
    /// The fields of a model; one that is not named comes with the fields that its records themselves hold.
    pub fields: BTreeMap<ModelName, Vec<String>>,
}

/// The records of an answer.
#[derive(Debug, Default)]
pub(super) struct Included {
    pub(super) records: BTreeMap<String, Vec<Record>>,
    pub(super) error: Option<IncludeError>,
}

/// Why the records of some models are not in the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncludeError {
    /// The code of the first problem.
    pub code: &'static str,
    /// Its message.
    pub message: String,
    /// The models that are left out.
    pub models: Vec<String>,
}

/// How long the ERP may take for the records of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the reading of the records may take: at most half of the time that the request has, so that an ERP which
/// does not answer never fails the pull.
pub(super) fn timeout(cx: &Context) -> Duration {
    READ_TIMEOUT.min(ms(cx.config.server.request_timeout_ms) / 2)
}

/// Reads the changed records of the one system that the pull names, or of the one that the viewer is linked to, or of
/// the primary one. What the ERP does not give
/// is left out, and said so.
pub(super) async fn include(
    cx: &Context,
    viewer: &Viewer,
    scope: &Scope,
    events: &[EventText],
    include: &Include,
) -> Option<Included> {
    let chosen = match include {
        Include::Switch(false) => return None,
        Include::Switch(true) => None,
        Include::Chosen(chosen) => Some(&chosen.fields),
    };
    let mut included = Included::default();
    // What was written here can be read here.
    let events: Vec<Outline> = events.iter().filter_map(|event| event.outline().ok()).collect();
    let events = &*events;
    if events.iter().all(|event| event.record_id.is_none()) {
        return Some(included);
    }
    let (reading, wanted) = match prepare(cx, viewer, scope, events, &mut included).await {
        Ok(prepared) => prepared,
        Err(problem) => {
            let models: BTreeSet<&String> = events.iter().map(|event| &event.model).collect();
            for model in models {
                included.leave_out(cx, viewer, model, &problem);
            }
            return Some(included);
        }
    };
    let mut reads = Vec::with_capacity(wanted.len());
    for (model, ids) in &wanted {
        let fields = chosen.and_then(|chosen| chosen.get(model)).map(Vec::as_slice);
        reads.push(records_in_time(&reading, model, ids, fields, timeout(cx)));
    }
    for (model, outcome) in wanted.keys().zip(join_all(reads).await) {
        match outcome {
            Ok(records) => drop(included.records.insert(model.to_string(), records)),
            Err(problem) => included.leave_out(cx, viewer, model.as_str(), &problem),
        }
    }
    Some(included)
}

/// The records to read: those whose last change in this answer is not their deletion.
type Wanted = BTreeMap<ModelName, BTreeSet<i64>>;

async fn prepare<'a>(
    cx: &'a Context,
    viewer: &Viewer,
    scope: &Scope,
    events: &[Outline],
    included: &mut Included,
) -> Result<(Reading<'a>, Wanted), Problem> {
    let system = match scope.system {
        Some(key) => cx.store.system_by_key(viewer.tenant, key).await?,
        None => match viewer.erp_system.filter(|_| !viewer.is_admin) {
            Some(linked) => cx.store.system_by_key(viewer.tenant, linked).await?,
            None => cx.store.primary_system(viewer.tenant).await?,
        },
    };
    let system = system.ok_or_else(|| Problem::new(ProblemKind::SystemNotFound, Message::no_system_to_read()))?;
    let mut wanted = Wanted::new();
    for event in events {
        let Some(record) = &event.record_id else { continue };
        if event.system_id.as_ref() != Some(&system.system_id) {
            let elsewhere = Problem::new(ProblemKind::Invalid, Message::primary_system_only());
            included.leave_out(cx, viewer, &event.model, &elsewhere);
            continue;
        }
        let (Ok(model), RecordId::Number(id)) = (ModelName::parse(event.model.as_str()), record) else { continue };
        let ids = wanted.entry(model).or_default();
        if event.event == Event::Unlink {
            ids.remove(id);
        } else {
            ids.insert(*id);
        }
    }
    Ok((Reading::new(cx, viewer, &system)?, wanted))
}

async fn records_in_time(
    reading: &Reading<'_>,
    model: &ModelName,
    ids: &BTreeSet<i64>,
    fields: Option<&[String]>,
    limit: Duration,
) -> Result<Vec<Record>, Problem> {
    let late = || Problem::new(ProblemKind::ErpTimeout, Message::records_late());
    tokio::time::timeout(limit, records(reading, model, ids, fields)).await.map_err(|_| late())?
}

async fn records(
    reading: &Reading<'_>,
    model: &ModelName,
    ids: &BTreeSet<i64>,
    fields: Option<&[String]>,
) -> Result<Vec<Record>, Problem> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    let mut records = Vec::with_capacity(ids.len());
    for part in ids.chunks(ROWS_PER_CALL_MAX as usize) {
        records.extend(reading.read(model, &json!([["id", "in", part]]), fields, ROWS_PER_CALL_MAX).await?);
    }
    Ok(records)
}

impl Included {
    fn leave_out(&mut self, cx: &Context, viewer: &Viewer, model: &str, problem: &Problem) {
        let error = self.error.get_or_insert_with(|| {
            let (texts, said) = (&cx.texts, &problem.message);
            tracing::warn!(model, causes = %problem.causes(), "read changed records: {}", texts.english(said));
            let message = texts.say(viewer.reader, said);
            IncludeError { code: problem.kind.code(), message, models: Vec::new() }
        });
        if !error.models.iter().any(|known| known == model) {
            error.models.push(model.to_owned());
        }
    }
}
