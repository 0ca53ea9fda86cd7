//! Writing records into another system.
//!
//! Each record is loaded under an external id made of its system, its model and its id. Odoo keeps that id in the same
//! transaction as the record, so that a batch whose reply was lost can be sent again: what is there already is written
//! once more and not made a second time.

use super::answer::{LeftOut, Migration, MigrationError, Stopped, Written, path, warnings};
use super::migrate::{model_missing, not_found};
use super::read::Reading;
use super::request::Asked;
use super::target::{Column, Target};
use crate::auth::Admin;
use crate::config::ms;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{Adapter, ErpErrorKind};
use bridge_model::ModelName;
use bridge_model::migration::{ModelMissing, Plan, Record, Tally};
use bridge_store::System;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Reads records, carries them over and writes them into `target`. An unknown field is refused before anything is
/// written. Ends at half of the time that a request has, and tells what remains.
pub(super) async fn write(
    cx: &Context,
    admin: &Admin,
    asked: &Asked,
    plan: &Plan<'_>,
    target: &System,
    ids: &[i64],
    fields: Option<&[String]>,
) -> Result<Migration, Problem> {
    if let Some(version) = plan.missing_in {
        return Err(model_missing(plan, ModelMissing { model: plan.target_model.clone(), version }));
    }
    let model = ModelName::parse(plan.target_model.clone())?;
    let adapter = cx.erps.adapter(target)?;
    let known = Target::new(adapter.fields(&model).await?, asked.relations, asked.system.system_id.as_str());
    let reading = Reading::new(cx, admin, &asked.system, &asked.model, fields, true).await?;
    check_fields(plan, target, &known, &reading.fields)?;
    let mut writing = Writing {
        cx,
        admin,
        plan,
        adapter,
        model,
        known,
        tally: Tally::default(),
        written: Vec::new(),
        errors: Vec::new(),
        left_out: BTreeSet::new(),
    };
    let end = cx.clock.now().plus(ms(cx.config.server.request_timeout_ms / 2));
    let (mut remaining, mut stopped) = (Vec::new(), None);
    for batch in ids.chunks(cx.config.migration.batch_records) {
        if stopped.is_some() || cx.clock.now() >= end {
            remaining.extend_from_slice(batch);
            continue;
        }
        if let Err(problem) = writing.batch(&reading, batch).await {
            if writing.written.is_empty() {
                return Err(problem);
            }
            remaining.extend_from_slice(batch);
            let message = cx.texts.say(admin.0.speaks(), &problem.message);
            stopped = Some(Stopped { code: problem.kind.code().to_owned(), message });
        }
    }
    Ok(Migration {
        success: writing.errors.is_empty() && remaining.is_empty(),
        rule_pack: asked.pack.into(),
        model: plan.model.clone(),
        target_model: plan.target_model.clone(),
        from_version: plan.from.as_str(),
        to_version: plan.to.as_str(),
        migration_path: path(plan),
        migrated: u64::try_from(writing.written.len()).unwrap_or(u64::MAX),
        errors: writing.errors,
        data: None,
        records: None,
        written: Some(writing.written),
        left_out: Some(writing.left_out.into_iter().collect()),
        remaining: Some(remaining),
        stopped,
        warnings: warnings(cx, &admin.0, plan.counted(&writing.tally)),
    })
}

struct Writing<'a> {
    cx: &'a Context,
    admin: &'a Admin,
    plan: &'a Plan<'a>,
    adapter: Arc<dyn Adapter>,
    model: ModelName,
    known: Target,
    tally: Tally,
    written: Vec<Written>,
    errors: Vec<MigrationError>,
    left_out: BTreeSet<LeftOut>,
}

impl Writing<'_> {
    /// One batch. An error means that it is not known what became of it; it may be repeated.
    async fn batch(&mut self, reading: &Reading, ids: &[i64]) -> Result<(), Problem> {
        let found = reading.records(ids).await?;
        let mut errors = Vec::new();
        for id in ids.iter().filter(|id| found.binary_search_by_key(*id, |(found, _)| *found).is_err()) {
            errors.push(not_found(self.cx, &self.admin.0, *id));
        }
        let mut tally = self.tally.clone();
        let mut records = Vec::with_capacity(found.len());
        for (id, record) in found {
            let record = self.plan.apply(record, &mut tally).map_err(|missing| model_missing(self.plan, missing))?;
            // A rule may give a field only for some values, which is seen only here.
            match record.keys().find(|name| !self.known.has(name)) {
                Some(unknown) => {
                    errors.push(self.error(id, &Message::migration_field_missing(unknown, &self.model, self.plan.to)));
                }
                None => records.push((id, record)),
            }
        }
        let written = self.load(records, &mut errors).await?;
        // Only now it is known that none of this has to be done again.
        self.tally = tally;
        self.written.extend(written);
        self.errors.append(&mut errors);
        Ok(())
    }

    /// Loads the records; those that Odoo refuses are left, each with what it says, and the others loaded again: it
    /// keeps all rows of a load or none.
    async fn load(
        &mut self,
        mut records: Vec<(i64, Record)>,
        errors: &mut Vec<MigrationError>,
    ) -> Result<Vec<Written>, Problem> {
        let mut left_out = std::mem::take(&mut self.left_out);
        let columns = self.known.columns(&records, &mut left_out);
        self.left_out = left_out;
        let mut written = Vec::with_capacity(records.len());
        while !records.is_empty() {
            match self.load_all(&records, &columns).await? {
                Loaded::Made(made) => {
                    let pairs = records.drain(..).zip(made);
                    written.extend(pairs.map(|((record_id, _), target_id)| Written { record_id, target_id }));
                }
                Loaded::Refused(said) if records.len() == 1 => {
                    let said = said.into_iter().next().map(|(_, said)| said).unwrap_or_default();
                    errors.push(self.error(records.remove(0).0, &Message::erp_said(said)));
                }
                // What is refused without saying which row is meant is looked for one by one.
                Loaded::Refused(said) if said.iter().all(|(row, _)| row.is_none_or(|row| row >= records.len())) => {
                    for one in records.drain(..) {
                        match self.load_all(std::slice::from_ref(&one), &columns).await? {
                            Loaded::Made(made) => {
                                written.extend(made.first().map(|id| Written { record_id: one.0, target_id: *id }));
                            }
                            Loaded::Refused(said) => {
                                let said = said.into_iter().next().map(|(_, said)| said).unwrap_or_default();
                                errors.push(self.error(one.0, &Message::erp_said(said)));
                            }
                        }
                    }
                }
                Loaded::Refused(said) => {
                    let mut row = 0;
                    records.retain(|(id, _)| {
                        let refused = said.iter().find(|(refused, _)| *refused == Some(row));
                        row += 1;
                        if let Some((_, said)) = refused {
                            errors.push(self.error(*id, &Message::erp_said(said)));
                        }
                        refused.is_none()
                    });
                }
            }
        }
        Ok(written)
    }

    /// One call.
    async fn load_all(&self, records: &[(i64, Record)], columns: &[Column]) -> Result<Loaded, Problem> {
        let headers: Vec<&str> =
            ["id"].into_iter().chain(columns.iter().map(|column| column.header.as_str())).collect();
        let rows: Vec<Vec<String>> =
            records.iter().map(|(id, record)| self.known.row(self.model.as_str(), *id, record, columns)).collect();
        let context = json!({ "tz": "UTC", "tracking_disable": true });
        let kwargs = Map::from_iter([("context".to_owned(), context)]);
        let answer = match self.adapter.call(&self.model, "load", vec![json!(headers), json!(rows)], kwargs).await {
            Err(error) if matches!(error.kind, ErpErrorKind::Validation | ErpErrorKind::Business) => {
                return Ok(Loaded::Refused(vec![(None, error.message)]));
            }
            answer => answer?,
        };
        let made: Option<Vec<i64>> = answer["ids"].as_array().and_then(|ids| ids.iter().map(Value::as_i64).collect());
        if let Some(made) = made.filter(|made| made.len() == records.len()) {
            return Ok(Loaded::Made(made));
        }
        let messages = answer["messages"].as_array().into_iter().flatten().filter(|one| one["type"] == "error");
        let said = messages.map(|one| {
            let row = one["record"].as_u64().or_else(|| one["rows"]["from"].as_u64());
            (row.and_then(|row| usize::try_from(row).ok()), one["message"].as_str().unwrap_or_default().to_owned())
        });
        let said: Vec<_> = said.collect();
        if said.is_empty() {
            return Err(Problem::new(ProblemKind::ErpFailed, Message::erp_failed("load told no reason")));
        }
        Ok(Loaded::Refused(said))
    }

    fn error(&self, record_id: i64, message: &Message) -> MigrationError {
        MigrationError {
            record_id,
            code: ProblemKind::Invalid.code().to_owned(),
            message: self.cx.texts.say(self.admin.0.speaks(), message),
        }
    }
}

/// What became of a load.
enum Loaded {
    /// The ids in the target, in the order of the rows.
    Made(Vec<i64>),
    /// Nothing was kept: the rows that were refused, where that is known, each with what was said.
    Refused(Vec<(Option<usize>, String)>),
}

/// Refuses what the target does not have, before anything is written. A field that becomes several is left to the
/// records, which may not need all of them.
fn check_fields(plan: &Plan<'_>, target: &System, known: &Target, fields: &[String]) -> Result<(), Problem> {
    let mut unknown = Vec::new();
    for field in fields {
        let names = plan.fate(field).names;
        if let [name] = names.iter().collect::<Vec<_>>()[..]
            && !known.has(name)
        {
            unknown.push(name.clone());
        }
    }
    let Some(first) = unknown.first() else { return Ok(()) };
    let problem = Problem::field("fields", Reason::not_in_target(first, &plan.target_model, plan.to, plan.pack));
    Err(problem
        .with("unknown_field", first.as_str())
        .with("unknown_fields", unknown.clone())
        .with("model", plan.target_model.as_str())
        .with("version", plan.to.as_str())
        .with("rule_pack", plan.pack.as_str())
        .with("target_system_id", target.system_id.as_str()))
}
