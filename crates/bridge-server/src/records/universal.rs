//! Requests in universal words: put into the system's own before they are done, and what is answered back.

use super::crud::Output;
use super::{Acting, Action, CrudAnswer, CrudRequest, Data, Record, Wishes, acting, crud, parse_domain};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Reason;
use crate::mapping::{self, refused};
use crate::problem::Problem;
use bridge_model::mapping::{EntityMap, Words};
use bridge_model::{ModelName, Operation, RecordId, SystemId};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The body of a request in universal words.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityRequest {
    /// What is done: `create`, `read`, `update`, `delete`, `search` or `count`.
    pub action: Action,
    /// One record.
    #[serde(default)]
    pub record_id: Option<RecordId>,
    /// Several records.
    #[serde(default)]
    pub record_ids: Option<Vec<RecordId>>,
    /// Which records, in Odoo's prefix form with universal fields and values:
    /// `[["kind", "=", "company"], ["company_id.country_id", "=", 3]]`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Value>>)]
    pub domain: Option<Value>,
    /// The universal fields to read. Left out: all of them, or after a `create` or `update` those of `data`.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
    /// The most records to answer; 100 if left out.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub limit: Option<u32>,
    /// How many to leave out.
    #[serde(default)]
    pub offset: Option<u32>,
    /// In which order, `name asc, postal_code desc`.
    #[serde(default)]
    pub order: Option<String>,
    /// The values to write, by universal field: an object, or for `create` also a list of them. Lines are commands whose
    /// `data` has the words of their own entity.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    pub data: Option<Data>,
    /// Options of the call, as for records in the system's own words.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Map<String, Value>>,
    /// The language of translated fields, `ar_001`; short for `context.lang`.
    #[serde(default)]
    pub lang: Option<String>,
}

/// Does what the request says with the records of an entity in a system of the caller's tenant.
pub async fn crud_entity(
    cx: &Context,
    caller: &Caller,
    system_id: &SystemId,
    entity: &str,
    request: EntityRequest,
    wishes: Wishes,
) -> Result<CrudAnswer, Problem> {
    if matches!(request.action, Action::Fields | Action::Call) {
        return Err(Problem::field("action", Reason::one_of("create, read, update, delete, search, count")));
    }
    let acting = acting(cx, caller, system_id).await?;
    let words = mapping::words(cx, &acting.system, None).await?;
    let map = mapping::entity_map(&words, entity)?;
    let wanted = wanted(&map, &request)?;
    let (action, native) = (request.action, native(&acting, &words, &map, wanted.as_ref(), request).await?);
    let done = crud(cx, caller, system_id, native, wishes).await;
    let mut answer = done.map_err(|problem| in_words(&map, problem))?;
    if matches!(action, Action::Create | Action::Read | Action::Update)
        && let Some(result) = answer.result.take()
    {
        answer.result = Some(Output::Value(universal(&map, wanted.as_ref(), result.into_value()?)));
    }
    Ok(answer)
}

/// The universal fields that are to be answered; `None` for all.
fn wanted(map: &EntityMap, request: &EntityRequest) -> Result<Option<BTreeSet<String>>, Problem> {
    if let Some(fields) = &request.fields {
        for field in fields.iter().filter(|field| *field != "id") {
            map.made_of(field).map_err(|error| refused("fields", error))?;
        }
        return Ok(Some(fields.iter().cloned().collect()));
    }
    Ok(match &request.data {
        Some(Data::One(record)) => Some(record.keys().cloned().collect()),
        Some(Data::Many(records)) => Some(records.iter().flat_map(Map::keys).cloned().collect()),
        None => None,
    })
}

/// The same request in the system's own words.
async fn native(
    acting: &Acting,
    words: &Words,
    map: &EntityMap,
    wanted: Option<&BTreeSet<String>>,
    request: EntityRequest,
) -> Result<CrudRequest, Problem> {
    let EntityRequest { action, record_id, record_ids, domain, limit, offset, order, data, context, lang, .. } =
        request;
    let model = ModelName::parse(map.model.as_str())?;
    let domain = match domain {
        Some(domain) => {
            let domain = map.filter(words, &parse_domain(&domain)?).map_err(|error| refused("domain", error))?;
            Some(domain.to_odoo_json())
        }
        None => None,
    };
    let order = order.map(|order| map.order(&order).map_err(|error| refused("order", error))).transpose()?;
    let turn = |at: &str, record: &Record| map.to_system(words, record).map_err(|error| refused(at, error));
    let data = match data {
        Some(Data::One(record)) => Some(Data::One(turn("data", &record)?)),
        Some(Data::Many(records)) => {
            let turned = records.iter().enumerate().map(|(index, record)| turn(&format!("data[{index}]"), record));
            Some(Data::Many(turned.collect::<Result<_, _>>()?))
        }
        None => None,
    };
    let fields = match (action, wanted) {
        (Action::Create | Action::Read | Action::Update, Some(wanted)) => {
            let known = wanted.iter().filter(|field| *field != "id");
            let names = known.map(|field| map.made_of(field).map_err(|error| refused("fields", error)));
            let names = names.collect::<Result<Vec<_>, _>>()?;
            Some(names.into_iter().flatten().collect())
        }
        // An Odoo without some module lacks fields that the map speaks of.
        (Action::Read, None) => {
            acting.check(&model, Operation::Read)?;
            let known = acting.fields(&model).await?;
            let names = map.system_fields().into_iter().filter(|name| known.get(name).is_some());
            Some(names.map(str::to_owned).collect())
        }
        // What is not for this action is left for the request itself to refuse.
        (_, _) => request.fields,
    };
    Ok(CrudRequest {
        action,
        model,
        record_id,
        record_ids,
        domain,
        fields,
        limit,
        offset,
        order,
        data,
        method: None,
        args: None,
        kwargs: None,
        context,
        lang,
    })
}

/// Records in universal words, with no fields but those that are wanted, and their ids.
fn universal(map: &EntityMap, wanted: Option<&BTreeSet<String>>, result: Value) -> Value {
    match result {
        Value::Array(records) => {
            records.into_iter().map(|record| universal(map, wanted, record)).collect::<Vec<_>>().into()
        }
        Value::Object(native) => {
            let mut record = map.from_system(&native);
            record.retain(|field, _| wanted.is_none_or(|wanted| wanted.contains(field)));
            if let Some(id) = native.get("id") {
                record.entry("id").or_insert_with(|| id.clone());
            }
            Value::Object(record)
        }
        other => other,
    }
}

/// A problem that speaks of a field of the system, with the universal field that it is.
fn in_words(map: &EntityMap, problem: Problem) -> Problem {
    let told = |key: &str| problem.details.get(key).and_then(Value::as_str).map(str::to_owned);
    let place = told("field").and_then(|field| Some(field.split_once("data")?.1.split_once('.')?.1.to_owned()));
    let native = told("unknown_field").or_else(|| told("path")).or(place);
    let field = native.and_then(|native| {
        let end = native.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(native.len());
        map.named_after(&native[..end]).map(str::to_owned)
    });
    let problem = problem.with("entity", map.entity.as_str());
    match field {
        Some(field) => problem.with("entity_field", field),
        None => problem,
    }
}
