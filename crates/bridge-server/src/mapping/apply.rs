//! Turning records around.

use super::{entity_map, find, refused};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::SystemId;
use bridge_model::mapping::{EntityMap, Words};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Records to be turned around.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyMapping {
    /// The system; the tenant's primary one if left out.
    pub system_id: Option<SystemId>,
    /// The version; the system's own if left out.
    pub version: Option<String>,
    /// Which way.
    pub direction: Direction,
    /// A record, or a list of records.
    pub data: Value,
}

/// Which way records are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From universal records to the system's.
    ToSystem,
    /// From the system's records to universal ones.
    FromSystem,
}

/// Records that were turned around.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MappedRecords {
    /// The entity.
    pub entity: String,
    /// The model that it is in the system.
    pub model: String,
    /// The version.
    pub version: &'static str,
    /// The record, or the list of records.
    pub data: Value,
}

/// Turns records around. Nothing is read from the system and nothing written there.
pub async fn apply(
    cx: &Context,
    caller: &Caller,
    entity: &str,
    request: ApplyMapping,
) -> Result<MappedRecords, Problem> {
    let (_, words) = find(cx, caller.tenant, request.system_id.as_ref(), request.version.as_deref()).await?;
    let map = entity_map(&words, entity)?;
    let turn = |at: &str, record| one(&words, &map, request.direction, at, record);
    let data = match request.data {
        Value::Array(records) => {
            let most = cx.config.migration.records_max;
            if records.len() > most {
                return Err(Problem::field("data", Reason::items_between(0, most)));
            }
            let turned = records.into_iter().enumerate();
            let turned = turned.map(|(index, record)| turn(&format!("data[{index}]"), record));
            Value::Array(turned.collect::<Result<_, _>>()?)
        }
        record => turn("data", record)?,
    };
    Ok(MappedRecords { entity: map.entity, model: map.model, version: map.version.as_str(), data })
}

fn one(words: &Words, map: &EntityMap, direction: Direction, at: &str, record: Value) -> Result<Value, Problem> {
    let Value::Object(record) = record else { return Err(Problem::field(at, Reason::object())) };
    let turned: Map<String, Value> = match direction {
        Direction::ToSystem => map.to_system(words, &record).map_err(|error| refused(at, error))?,
        Direction::FromSystem => map.from_system(&record),
    };
    Ok(Value::Object(turned))
}
