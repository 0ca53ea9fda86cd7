//! What is answered.

use super::request::RulePackName;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use bridge_model::migration::{Changes, PackName, Plan, Warning, WarningKind};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// What would happen to records on their way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MigrationPlan {
    /// Always true.
    pub success: bool,
    /// The rules that it goes by.
    pub rule_pack: RulePackName,
    /// The model.
    pub model: String,
    /// The model's name at the end of the way.
    pub target_model: String,
    /// Where the way begins.
    pub from_version: &'static str,
    /// Where it ends.
    pub to_version: &'static str,
    /// Every version on the way.
    pub migration_path: Vec<&'static str>,
    /// What each step changes.
    pub steps: Vec<PlanStep>,
    /// How many steps there are.
    pub complexity: usize,
    /// The version on the way that does not have the model: nothing can be carried further; `null` if all have it.
    pub model_missing_in: Option<&'static str>,
    /// How many records were looked at; 0 if only the rules were asked for.
    pub records: u64,
    /// What is lost and what a person has to look at. With records, what concerns them; without, all there is.
    pub warnings: Vec<WarningView>,
}

/// One step of a plan.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlanStep {
    /// The version that it leaves.
    pub from: &'static str,
    /// The version that it leads to.
    pub to: &'static str,
    /// The model's name before it.
    pub model: String,
    /// What it does.
    pub changes: StepChanges,
}

/// What a step does to the fields of the model.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StepChanges {
    /// Fields that there are no more.
    pub removed_fields: Vec<String>,
    /// Fields under a new name.
    pub renamed_fields: Vec<RenamedField>,
    /// Fields that there are from here on.
    pub added_fields: Vec<String>,
    /// Fields whose values take another form.
    pub converted_fields: Vec<String>,
    /// The rule pack's remarks, in English.
    pub warnings: Vec<String>,
}

/// A field under a new name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RenamedField {
    /// The name before.
    pub from: String,
    /// The name afterwards.
    pub to: String,
}

/// Something that is lost, or that a person has to look at.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WarningView {
    /// What it is about: `field_missing`, `value_not_kept`, `computed`, `not_stored`, `required`, `relation_changed`,
    /// `conflict`, `manual`, `model_renamed`, `model_missing` or `no_rules`.
    pub kind: &'static str,
    /// Whether a value may be lost.
    pub is_loss: bool,
    /// The model, by its name before the step.
    pub model: String,
    /// The field, by its name before the step; `null` if it is about the model.
    pub field: Option<String>,
    /// The version that the step leaves.
    pub from_version: &'static str,
    /// The version that the step leads to.
    pub version: &'static str,
    /// What it is, in the caller's language.
    pub message: String,
    /// The rule pack's remark, in English.
    pub note: Option<String>,
    /// What to use in its place.
    pub instead: Option<String>,
    /// How many records it concerns; `null` where none were looked at.
    pub records: Option<u64>,
}

/// Records that were carried over.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Migration {
    /// Whether all went well.
    pub success: bool,
    /// The rules that were gone by.
    pub rule_pack: RulePackName,
    /// The model.
    pub model: String,
    /// The model's name at the end of the way.
    pub target_model: String,
    /// Where the way began.
    pub from_version: &'static str,
    /// Where it ended.
    pub to_version: &'static str,
    /// Every version on the way.
    pub migration_path: Vec<&'static str>,
    /// How many records were carried over.
    pub migrated: u64,
    /// The records that were not, each with the reason.
    pub errors: Vec<MigrationError>,
    /// What came as `data`, in the wanted version: a record, or a list of records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The records that were named by `record_ids`, in the wanted version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<MigratedRecord>>,
    /// The records that were written, where a target was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Vec<Written>>,
    /// The fields that were not written, where a target was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Vec<LeftOut>>,
    /// The records that it did not come to, where a target was named. The same request with these goes on; a record that
    /// was written already is not made a second time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Vec<i64>>,
    /// Why it did not come to them; absent if time was up, or nothing remains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// What was lost and what a person has to look at.
    pub warnings: Vec<WarningView>,
}

impl Migration {
    /// What is kept of it for those who ask again with the same key: all of it, or if that is too long, without what is said
    /// in words. There is no less: by what is left, it is known what was written.
    pub(super) fn to_keep(&self, bytes_max: usize) -> Value {
        let mut kept = json!(self);
        if kept.to_string().len() > bytes_max {
            kept["warnings"] = json!([]);
            for error in kept["errors"].as_array_mut().into_iter().flatten() {
                error["message"] = json!("");
            }
        }
        kept
    }
}

/// A record that was written into the target.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Written {
    /// Its id in the system.
    pub record_id: i64,
    /// Its id in the target.
    pub target_id: i64,
}

/// A field that was not written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct LeftOut {
    /// The field, by its name in the target.
    pub field: String,
    /// Why: `readonly`, `relation`, `lines` (the records on the other side hold it) or `kept_by_system`.
    pub reason: &'static str,
}

/// What ended the work early.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Stopped {
    /// What went wrong, for programs.
    pub code: String,
    /// What went wrong, in the caller's language.
    pub message: String,
}

/// A record of the system, in the wanted version.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MigratedRecord {
    /// Its id in the system.
    pub record_id: i64,
    /// Its fields.
    #[schema(value_type = Object, additional_properties)]
    pub data: Map<String, Value>,
}

/// A record that was not carried over.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MigrationError {
    /// Its id in the system.
    pub record_id: i64,
    /// What went wrong, for programs.
    pub code: String,
    /// What went wrong, in the caller's language.
    pub message: String,
}

impl From<PackName> for RulePackName {
    fn from(name: PackName) -> Self {
        match name {
            PackName::Documented => Self::Documented,
            PackName::Odoo => Self::Odoo,
        }
    }
}

/// The path in the words of the API.
pub(super) fn path(plan: &Plan<'_>) -> Vec<&'static str> {
    plan.path.iter().map(|version| version.as_str()).collect()
}

/// The steps in the words of the API.
pub(super) fn steps(plan: &Plan<'_>) -> Vec<PlanStep> {
    let step = |changes: Changes| PlanStep {
        from: changes.from.as_str(),
        to: changes.to.as_str(),
        model: changes.model,
        changes: StepChanges {
            removed_fields: changes.removed_fields,
            renamed_fields: changes.renamed_fields.into_iter().map(|(from, to)| RenamedField { from, to }).collect(),
            added_fields: changes.added_fields,
            converted_fields: changes.converted_fields,
            warnings: changes.remarks,
        },
    };
    plan.changes().into_iter().map(step).collect()
}

/// Warnings in the words of the API and the caller's language.
pub(super) fn warnings(cx: &Context, caller: &Caller, warnings: Vec<Warning>) -> Vec<WarningView> {
    warnings.into_iter().map(|warning| view(cx, caller, warning)).collect()
}

fn view(cx: &Context, caller: &Caller, warning: Warning) -> WarningView {
    let message = cx.texts.say(caller.speaks(), &message(&warning));
    WarningView {
        kind: word(warning.kind),
        is_loss: warning.kind.is_loss(),
        model: warning.model,
        field: warning.field,
        from_version: warning.from.as_str(),
        version: warning.version.as_str(),
        message,
        note: warning.note,
        instead: warning.instead,
        records: (warning.records > 0).then_some(warning.records),
    }
}

fn word(kind: WarningKind) -> &'static str {
    match kind {
        WarningKind::FieldMissing => "field_missing",
        WarningKind::ValueNotKept => "value_not_kept",
        WarningKind::Computed => "computed",
        WarningKind::NotStored => "not_stored",
        WarningKind::Required => "required",
        WarningKind::RelationChanged => "relation_changed",
        WarningKind::Conflict => "conflict",
        WarningKind::Manual => "manual",
        WarningKind::ModelRenamed => "model_renamed",
        WarningKind::ModelMissing => "model_missing",
        WarningKind::NoRules => "no_rules",
    }
}

fn message(warning: &Warning) -> Message {
    let Warning { model, version, .. } = warning;
    let field = warning.field.as_deref().unwrap_or_default();
    match warning.kind {
        WarningKind::FieldMissing => Message::migration_field_missing(field, model, version),
        WarningKind::ValueNotKept => Message::migration_value_not_kept(field, model, version),
        WarningKind::Computed => Message::migration_computed(field, model, version),
        WarningKind::NotStored => Message::migration_not_stored(field, model, version),
        WarningKind::Required => Message::migration_required(field, model, version),
        WarningKind::RelationChanged => Message::migration_relation_changed(field, model, version),
        WarningKind::Conflict => Message::migration_conflict(field, model, version),
        WarningKind::Manual if warning.field.is_none() => Message::migration_manual_model(model, version),
        WarningKind::Manual => Message::migration_manual(field, model, version),
        WarningKind::ModelRenamed => Message::migration_model_renamed(model, version),
        WarningKind::ModelMissing => Message::migration_model_missing(model, version),
        WarningKind::NoRules => Message::migration_no_rules(model, version),
    }
}
