//! What is asked for, checked.

use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::migration::{PackName, Plan, Record, Version};
use bridge_model::{ModelName, SystemId, TenantId};
use bridge_store::System;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// Records to be carried from one version of Odoo to another.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrateRequest {
    /// The model, by its name in `from_version`.
    pub model: ModelName,
    /// The version that the records are in, `13.0` to `19.0`; the system's own if left out.
    pub from_version: Option<String>,
    /// The version that they are wanted in, older or newer.
    pub to_version: String,
    /// The rules to go by: `documented` where records come as `data`, `odoo` otherwise, if left out.
    pub rule_pack: Option<RulePackName>,
    /// A record by its fields, or a list of records.
    pub data: Option<Value>,
    /// Records of the system, for admins.
    pub record_ids: Option<Vec<i64>>,
    /// The fields to read of them; all that a record itself holds, but for files, if left out.
    pub fields: Option<Vec<String>>,
    /// The system to write them into. Without it nothing is written.
    pub target_system_id: Option<SystemId>,
    /// What becomes of references to other records when they are written.
    #[serde(default)]
    pub relations: Relations,
}

/// What becomes of references to other records: in another system the same id is another record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relations {
    /// They are not written.
    #[default]
    LeaveOut,
    /// The target has the same records under the same ids, as an upgraded copy has.
    SameIds,
    /// They point to records that were migrated from the same system before.
    Migrated,
}

/// The name of a rule pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RulePackName {
    /// The rules of BridgeCore's documentation.
    Documented,
    /// What Odoo really changed.
    Odoo,
}

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) system: Arc<System>,
    pub(super) model: ModelName,
    pub(super) from: Version,
    pub(super) to: Version,
    pub(super) pack: PackName,
    pub(super) source: Source,
    /// Where to write, if anywhere.
    pub(super) target: Option<Arc<System>>,
    pub(super) relations: Relations,
}

/// Where the records come from.
#[derive(Debug)]
pub(super) enum Source {
    /// No records: only the rules are asked for.
    Nothing,
    /// The request.
    Data { records: Vec<Record>, is_list: bool },
    /// The system.
    System { ids: Vec<i64>, fields: Option<Vec<String>> },
}

impl Asked {
    /// Checks what can be checked without asking the system.
    pub(super) async fn new(
        cx: &Context,
        tenant: TenantId,
        system_id: &SystemId,
        request: MigrateRequest,
    ) -> Result<Self, Problem> {
        let system = cx.erps.system_of(&cx.store, tenant, Some(system_id)).await?;
        let target = match &request.target_system_id {
            Some(_) if request.record_ids.is_none() => {
                return Err(Problem::field("target_system_id", Reason::only_with("record_ids")));
            }
            Some(target) => Some(cx.erps.system_of(&cx.store, tenant, Some(target)).await?),
            None => None,
        };
        let from = match request.from_version.as_ref().or(system.system_version.as_ref()) {
            Some(text) => version("from_version", text)?,
            None => return Err(Problem::field("from_version", Reason::is_missing())),
        };
        let to = version("to_version", &request.to_version)?;
        let pack = match request.rule_pack {
            Some(RulePackName::Documented) => PackName::Documented,
            None if request.data.is_some() => PackName::Documented,
            Some(RulePackName::Odoo) | None => PackName::Odoo,
        };
        let records_max = cx.config.migration.records_max;
        let source = source(request.data, request.record_ids, request.fields, records_max)?;
        Ok(Self { system, model: request.model, from, to, pack, source, target, relations: request.relations })
    }

    /// The way of the records.
    pub(super) fn plan<'c>(&self, cx: &'c Context) -> Plan<'c> {
        cx.rule_packs.get(self.pack).plan(self.model.as_str(), self.from, self.to)
    }
}

fn version(field: &str, text: &str) -> Result<Version, Problem> {
    Version::parse(text).map_err(|error| Problem::version(field, error))
}

fn source(
    data: Option<Value>,
    ids: Option<Vec<i64>>,
    fields: Option<Vec<String>>,
    records_max: usize,
) -> Result<Source, Problem> {
    match (data, ids) {
        (Some(_), Some(_)) => Err(Problem::field("record_ids", Reason::not_with("data"))),
        (Some(data), None) => {
            let is_list = data.is_array();
            let items = if let Value::Array(items) = data { items } else { vec![data] };
            check_count("data", items.len(), records_max)?;
            let record = |item| if let Value::Object(record) = item { Ok(record) } else { Err(Reason::object()) };
            let records = items.into_iter().map(record).collect::<Result<_, _>>();
            records.map(|records| Source::Data { records, is_list }).map_err(|reason| Problem::field("data", reason))
        }
        (None, Some(ids)) => {
            check_count("record_ids", ids.len(), records_max)?;
            if ids.iter().any(|id| *id <= 0) {
                return Err(Problem::field("record_ids", Reason::greater_than_0()));
            }
            let mut ids = ids;
            ids.sort_unstable();
            ids.dedup();
            Ok(Source::System { ids, fields })
        }
        (None, None) => Ok(Source::Nothing),
    }
}

fn check_count(field: &str, count: usize, most: usize) -> Result<(), Problem> {
    if (1..=most).contains(&count) { Ok(()) } else { Err(Problem::field(field, Reason::items_between(1, most))) }
}
