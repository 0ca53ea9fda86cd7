//! Carrying records over.

use super::answer::{MigratedRecord, Migration, MigrationError, path, warnings};
use super::read::Reading;
use super::request::{Asked, MigrateRequest, Source};
use super::write::write;
use crate::audit::{Change, audited};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use crate::records::{IdempotencyKey, Keep, Once, once, request_hash};
use bridge_model::SystemId;
use bridge_model::migration::{ModelMissing, Plan, Record, Tally};
use serde_json::{Value, json};

/// Carries records over: those of the request, or for admins records of the system. Only with a target something is
/// written, there; with a key, the same request then gets the same answer.
pub async fn migrate(
    cx: &Context,
    caller: &Caller,
    system_id: &SystemId,
    request: MigrateRequest,
    key: Option<IdempotencyKey>,
) -> Result<Once<Migration>, Problem> {
    let key = key.filter(|_| request.target_system_id.is_some());
    let hash = key.as_ref().map(|_| request_hash(&json!(["migrate", system_id, request]))).unwrap_or_default();
    let asked = Asked::new(cx, caller.tenant, system_id, request).await?;
    let written_to = asked.target.as_ref().unwrap_or(&asked.system).key;
    let (cx_of_work, by) = (cx.clone(), caller.clone());
    // What was loaded before is known by its external id, so that it needs no keys of its own.
    let work = async move |_, _| counted(&cx_of_work, &by, &asked).await;
    let bytes_max = cx.config.retention.kept_answer_bytes_max;
    once(cx, caller, written_to, key, hash, work, move |done: &Migration| Keep::Answer(done.to_keep(bytes_max))).await
}

/// Does it, and counts it. One that writes has an entry in the audit beside those of its calls, which tells who asked for
/// what, also where nothing came of it.
async fn counted(cx: &Context, caller: &Caller, asked: &Asked) -> Result<Migration, Problem> {
    let outcome = match (&asked.target, &asked.source) {
        (Some(target), Source::System { ids, fields }) => {
            let change = Change::new("migration", "write").in_system(&target.system_id).to(json!({
                "system_id": asked.system.system_id, "model": asked.model, "from_version": asked.from,
                "to_version": asked.to, "rule_pack": asked.pack.as_str(), "record_ids": ids, "fields": fields,
            }));
            audited(cx, caller, change, carry_over(cx, caller, asked)).await
        }
        _ => carry_over(cx, caller, asked).await,
    };
    let status = if outcome.is_ok() { "success" } else { "error" };
    let labels = [asked.system.system_type.as_str(), asked.from.as_str(), asked.to.as_str(), status];
    cx.metrics.version_migrations.with_label_values(&labels).inc();
    outcome
}

async fn carry_over(cx: &Context, caller: &Caller, asked: &Asked) -> Result<Migration, Problem> {
    let plan = asked.plan(cx);
    let mut tally = Tally::default();
    let mut errors = Vec::new();
    let (mut data, mut records) = (None, None);
    match &asked.source {
        Source::Nothing => return Err(Problem::field("data", Reason::or_record_ids())),
        Source::Data { records: given, is_list } => {
            let carried = given.iter().map(|record| apply(&plan, record.clone(), &mut tally).map(Value::Object));
            let mut carried = carried.collect::<Result<Vec<_>, _>>()?;
            data = Some(if *is_list { Value::Array(carried) } else { carried.pop().unwrap_or_default() });
        }
        Source::System { ids, fields } => {
            let admin = caller.clone().into_admin()?;
            if let Some(target) = &asked.target {
                return write(cx, &admin, asked, &plan, target, ids, fields.as_deref()).await;
            }
            let reading =
                Reading::new(cx, &admin, &asked.system.system_id, &asked.model, fields.as_deref(), false).await?;
            let found = reading.all(ids).await?;
            let missing = ids.iter().filter(|id| found.binary_search_by_key(*id, |(found, _)| *found).is_err());
            errors.extend(missing.map(|id| not_found(cx, caller, *id)));
            let carry = |(record_id, record)| Ok(MigratedRecord { record_id, data: apply(&plan, record, &mut tally)? });
            records = Some(found.into_iter().map(carry).collect::<Result<Vec<_>, Problem>>()?);
        }
    }
    Ok(Migration {
        success: errors.is_empty(),
        rule_pack: asked.pack.into(),
        model: plan.model.clone(),
        target_model: plan.target_model.clone(),
        from_version: plan.from.as_str(),
        to_version: plan.to.as_str(),
        migration_path: path(&plan),
        migrated: tally.records(),
        errors,
        data,
        records,
        written: None,
        left_out: None,
        remaining: None,
        stopped: None,
        warnings: warnings(cx, caller, plan.counted(&tally)),
    })
}

fn apply(plan: &Plan<'_>, record: Record, tally: &mut Tally) -> Result<Record, Problem> {
    plan.apply(record, tally).map_err(|missing| model_missing(plan, missing))
}

pub(super) fn model_missing(plan: &Plan<'_>, missing: ModelMissing) -> Problem {
    Problem::field("model", Reason::model_missing_in(missing.version))
        .with("model", missing.model.as_str())
        .with("version", missing.version.as_str())
        .with("rule_pack", plan.pack.as_str())
        .caused_by(missing)
}

pub(super) fn not_found(cx: &Context, caller: &Caller, record_id: i64) -> MigrationError {
    MigrationError {
        record_id,
        code: ProblemKind::NotFound.code().to_owned(),
        message: cx.texts.say(caller.speaks(), &Message::record_not_there(record_id)),
    }
}
