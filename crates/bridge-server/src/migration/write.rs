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
use crate::records::{Acting, acting};
use bridge_model::migration::{ModelMissing, Plan, Record, Tally};
use bridge_model::{ModelName, Operation, Timestamp};
use bridge_store::System;
use serde_json::Value;
use std::collections::BTreeSet;

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
    let there = acting(cx, &admin.0, &target.system_id).await?;
    there.check(&model, Operation::Create)?;
    there.check(&model, Operation::Update)?;
    let reading = Reading::new(cx, admin, &asked.system.system_id, &asked.model, fields, true).await?;
    let fates: Vec<_> = reading.fields.iter().map(|field| plan.fate(field).names).collect();
    let known = there.fields_with(&model, fates.iter().flatten().map(String::as_str)).await?;
    let known = Target::new(known, asked.relations, asked.system.system_id.as_str());
    check_fields(plan, target, &known, &fates)?;
    let mut writing = Writing {
        cx,
        admin,
        plan,
        there,
        model,
        known,
        ends_at: cx.clock.now().plus(ms(cx.config.server.request_timeout_ms / 2)),
        tally: Tally::default(),
        written: Vec::new(),
        errors: Vec::new(),
        left_out: BTreeSet::new(),
    };
    let (mut remaining, mut stopped) = (Vec::new(), None);
    for batch in ids.chunks(reading.batch_records) {
        if stopped.is_some() || writing.is_over() {
            remaining.extend_from_slice(batch);
            continue;
        }
        let (left, problem) = writing.batch(&reading, batch).await;
        remaining.extend(left);
        if let Some(problem) = problem {
            if writing.written.is_empty() && writing.errors.is_empty() {
                return Err(problem);
            }
            let message = cx.texts.say(admin.0.speaks(), &problem.message);
            stopped = Some(Stopped { code: problem.kind.code().to_owned(), message });
        }
    }
    remaining.sort_unstable();
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
    there: Acting,
    model: ModelName,
    known: Target,
    /// When what remains is left to another request.
    ends_at: Timestamp,
    tally: Tally,
    written: Vec<Written>,
    errors: Vec<MigrationError>,
    left_out: BTreeSet<LeftOut>,
}

impl Writing<'_> {
    fn is_over(&self) -> bool {
        self.cx.clock.now() >= self.ends_at
    }

    /// One batch. Answers the records that it did not come to or of which it is not known what became of them, which may
    /// be sent again, and what went wrong.
    async fn batch(&mut self, reading: &Reading, ids: &[i64]) -> (Vec<i64>, Option<Problem>) {
        let found = match reading.records(ids).await {
            Ok(found) => found,
            Err(problem) => return (ids.to_vec(), Some(problem)),
        };
        for id in ids.iter().filter(|id| found.binary_search_by_key(*id, |(found, _)| *found).is_err()) {
            self.errors.push(not_found(self.cx, &self.admin.0, *id));
        }
        let mut records = Vec::with_capacity(found.len());
        for (id, record) in found {
            let record = match self.plan.apply(record, &mut self.tally) {
                Ok(record) => record,
                Err(missing) => return (ids.to_vec(), Some(model_missing(self.plan, missing))),
            };
            // A rule may give a field only for some values, which is seen only here.
            match record.keys().find(|name| !self.known.has(name)) {
                Some(unknown) => {
                    let message = Message::migration_field_missing(unknown, &self.model, self.plan.to);
                    self.errors.push(self.error(id, &message));
                }
                None => records.push((id, record)),
            }
        }
        self.load(records).await
    }

    /// Loads the records; those that Odoo refuses are left, each with what it says, and the others loaded again: it
    /// keeps all rows of a load or none. Answers as [`Self::batch`] does.
    async fn load(&mut self, records: Vec<(i64, Record)>) -> (Vec<i64>, Option<Problem>) {
        let mut left_out = std::mem::take(&mut self.left_out);
        let columns = self.known.columns(&records, &mut left_out);
        self.left_out = left_out;
        let (mut waiting, mut left, mut failed) = (vec![records], Vec::new(), None);
        while let Some(mut records) = waiting.pop() {
            if records.is_empty() {
                continue;
            }
            if failed.is_some() || self.is_over() {
                left.extend(records.into_iter().map(|(id, _)| id));
                continue;
            }
            match self.load_all(&records, &columns).await {
                Ok(Loaded::Made(made)) => {
                    let pairs = records.into_iter().zip(made);
                    self.written.extend(pairs.map(|((record_id, _), target_id)| Written { record_id, target_id }));
                }
                Ok(Loaded::Refused(said)) if records.len() == 1 => {
                    let said = said.into_iter().next().map_or_else(|| Message::erp_said(""), |(_, said)| said);
                    self.errors.push(self.error(records[0].0, &said));
                }
                // What is refused without saying which row is meant is looked for in either half.
                Ok(Loaded::Refused(said)) if said.iter().all(|(row, _)| row.is_none_or(|row| row >= records.len())) => {
                    let other_half = records.split_off(records.len() / 2);
                    waiting.extend([other_half, records]);
                }
                Ok(Loaded::Refused(said)) => {
                    let mut accepted = Vec::with_capacity(records.len());
                    for (row, record) in records.into_iter().enumerate() {
                        match said.iter().find(|(refused, _)| *refused == Some(row)) {
                            Some((_, said)) => self.errors.push(self.error(record.0, said)),
                            None => accepted.push(record),
                        }
                    }
                    waiting.push(accepted);
                }
                Err(problem) => {
                    failed = Some(problem);
                    waiting.push(records);
                }
            }
        }
        (left, failed)
    }

    /// One call.
    async fn load_all(&self, records: &[(i64, Record)], columns: &[Column]) -> Result<Loaded, Problem> {
        let headers: Vec<&str> =
            ["id"].into_iter().chain(columns.iter().map(|column| column.header.as_str())).collect();
        let rows: Vec<Vec<String>> =
            records.iter().map(|(id, record)| self.known.row(self.model.as_str(), *id, record, columns)).collect();
        let answer = match self.there.load(&self.model, &headers, &rows).await {
            Err(problem) if matches!(problem.kind, ProblemKind::ErpValidation | ProblemKind::ErpRefused) => {
                return Ok(Loaded::Refused(vec![(None, problem.message)]));
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
            let text = one["message"].as_str().unwrap_or_default();
            (row.and_then(|row| usize::try_from(row).ok()), Message::erp_said(text))
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
    Refused(Vec<(Option<usize>, Message)>),
}

/// Refuses what the target does not have, before anything is written. A field that becomes several is left to the
/// records, which may not need all of them.
fn check_fields(plan: &Plan<'_>, target: &System, known: &Target, fates: &[BTreeSet<String>]) -> Result<(), Problem> {
    let mut unknown = Vec::new();
    for names in fates {
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
