//! The methods that every model has.

use super::call::{Args, Outcome};
use super::engine::attachments::{ATTACHMENT, seen_by};
use super::engine::cell::python;
use super::engine::fields;
use super::engine::rights::Access;
use super::engine::schema::{Kind, MAGIC};
use super::engine::search::{Query, parse_domain, parse_order};
use super::engine::view::Handle;
use super::engine::work::{Values, Work};
use super::refusal::Refusal;
use bridge_model::domain::{Domain, Operator};
use serde_json::{Map, Value, json};

/// Who calls, and on which model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) uid: i64,
    pub(super) model: usize,
}

/// The most records that one call may create or copy.
const CREATE_MAX: usize = 10_000;

pub(super) fn search(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let given = args.bind(&["domain", "offset", "limit", "order"], 1)?;
    let query = query(work, target, &args.context, &given)?;
    Ok(Some(work.view().search(target.model, &query).iter().map(|one| one.id).collect()))
}

pub(super) fn search_count(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let given = args.bind(&["domain", "limit"], 1)?;
    let domain = domain(work, target, &args.context, &given[0])?;
    Ok(Some(Value::from(work.view().count(target.model, &domain, limit(&given[1])?))))
}

pub(super) fn search_read(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let given = args.bind(&["domain", "fields", "offset", "limit", "order", "load"], 0)?;
    let places = places(work, target, &given[1])?;
    let names = args_load(&given[5]);
    let query =
        query(work, target, &args.context, &[given[0].clone(), given[2].clone(), given[3].clone(), given[4].clone()])?;
    let found = work.view().search(target.model, &query);
    Ok(Some(found.into_iter().map(|one| record(one, &places, names)).collect()))
}

pub(super) fn read(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    let ids = args.ids()?;
    work.view().check(target.uid, target.model, Access::Read)?;
    // Left out, it is the pair of id and name; null is the bare id.
    let names = args.kwargs.get("load").is_none_or(|load| !load.is_null());
    let given = args.bind(&["fields", "load"], 0)?;
    let names = names && args_load(&given[1]);
    let places = places(work, target, &given[0])?;
    let view = work.view();
    let found = ids.iter().filter_map(|id| view.get(target.model, *id));
    Ok(Some(found.map(|one| record(one, &places, names)).collect()))
}

pub(super) fn create(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Create)?;
    let given = args.bind(&["vals_list"], 1)?;
    match given.into_iter().next() {
        Some(Value::Object(values)) => Ok(Some(Value::from(work.create(target.model, &values)?))),
        Some(Value::Array(many)) if many.len() <= CREATE_MAX => {
            let mut ids = Vec::with_capacity(many.len());
            for values in many {
                let Value::Object(values) = values else {
                    return Err(Refusal::type_error("create() expects dictionaries of values"));
                };
                ids.push(work.create(target.model, &values)?);
            }
            Ok(Some(json!(ids)))
        }
        _ => Err(Refusal::type_error("create() expects a dictionary of values or a list of them")),
    }
}

pub(super) fn write(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    let ids = args.ids()?;
    work.view().check(target.uid, target.model, Access::Write)?;
    let given = args.bind(&["vals"], 1)?;
    let Some(Value::Object(values)) = given.first() else {
        return Err(Refusal::attribute("the values of write() are a dictionary"));
    };
    if !ids.is_empty() {
        work.write(target.model, &ids, values)?;
    }
    Ok(Some(Value::Bool(true)))
}

pub(super) fn unlink(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    let ids = args.ids()?;
    work.view().check(target.uid, target.model, Access::Unlink)?;
    args.bind(&[], 0)?;
    work.unlink(target.model, &ids)?;
    Ok(Some(Value::Bool(true)))
}

/// Copies records with their lines; a named record gets "(copy)" after its name.
pub(super) fn copy(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    let ids = args.ids()?;
    work.view().check(target.uid, target.model, Access::Create)?;
    let given = args.bind(&["default"], 0)?;
    let mut copies = Vec::with_capacity(ids.len().min(CREATE_MAX));
    for id in ids.iter().take(CREATE_MAX) {
        let mut values = copied(work.get(target.model, *id)?, None);
        if let Some(Value::Object(default)) = given.first() {
            values.extend(default.clone());
        }
        copies.push(work.create(target.model, &values)?);
    }
    Ok(Some(json!(copies)))
}

/// The values that a copy starts with; `except` is the field by which a line points to what is copied.
fn copied(one: Handle<'_>, except: Option<usize>) -> Values {
    let schema = one.view.schema;
    let def = &schema.models[one.model];
    let mut values = Values::new();
    for (place, field) in def.fields.iter().enumerate().skip(MAGIC) {
        let is_kept = !field.readonly && field.unique.is_none() && Some(place) != except;
        // A copy is a new document: it has its own number, state and dates.
        let is_own = field.name == "state" || field.name == "picking_ids" || field.name.starts_with("date");
        let value = match &field.kind {
            _ if !is_kept || is_own => continue,
            Kind::Inverse(_, link) if field.name == "order_line" || field.name == "move_ids" => {
                one.related(place).iter().map(|line| json!([0, 0, copied(*line, Some(*link))])).collect()
            }
            Kind::Inverse(..) | Kind::OnHand(..) | Kind::Related { .. } | Kind::DisplayName | Kind::Id => continue,
            _ => one.json(place, false),
        };
        values.insert(field.name.clone(), value);
    }
    if matches!(def.name.as_str(), "sale.order" | "purchase.order" | "stock.picking" | "account.move") {
        values.remove("name");
    } else if let Some(Value::String(name)) = values.get_mut("name")
        && except.is_none()
    {
        name.push_str(" (copy)");
    }
    values
}

pub(super) fn name_create(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Create)?;
    let given = args.bind(&["name"], 1)?;
    let text = given[0].as_str().unwrap_or_default();
    let mut values = Values::new();
    // 'Name <address>' gives a contact its address as well.
    match text.split_once('<').filter(|_| work.state.schema.models[target.model].find("email").is_some()) {
        Some((name, address)) => {
            values.insert("name".to_owned(), json!(name.trim()));
            values.insert("email".to_owned(), json!(address.trim_end_matches('>').trim()));
        }
        None => {
            values.insert("name".to_owned(), json!(text));
        }
    }
    let id = work.create(target.model, &values)?;
    let name = work.get(target.model, id)?.name().into_owned();
    Ok(Some(json!([id, name])))
}

pub(super) fn name_search(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    work.view().check(target.uid, target.model, Access::Read)?;
    let given = args.bind(&["name", "domain", "operator", "limit"], 0)?;
    let text = given[0].as_str().unwrap_or_default();
    let operator = given[2].as_str().unwrap_or("ilike");
    let operator = Operator::parse(operator).ok_or_else(|| Refusal::value(format!("Invalid operator '{operator}'")))?;
    let mut domain = domain(work, target, &args.context, &given[1])?;
    if !text.is_empty() {
        domain = Domain::all_of([domain, Domain::condition("display_name", operator, text)]);
    }
    let limit = if given[3].is_null() { 100 } else { limit(&given[3])? };
    let order = parse_order(&work.state.schema, target.model, "")?;
    let found = work.view().search(target.model, &Query { domain, order, offset: 0, limit });
    Ok(Some(found.iter().map(|one| json!([one.id, one.name()])).collect()))
}

pub(super) fn fields_get(work: &mut Work<'_>, target: Target, mut args: Args) -> Outcome {
    let given = args.bind(&["allfields", "attributes"], 0)?;
    let texts = |value: &'_ Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let names = texts(&given[0]);
    let attributes = given[1].as_array().map(|_| texts(&given[1]));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let attributes: Option<Vec<&str>> = attributes.as_ref().map(|all| all.iter().map(String::as_str).collect());
    Ok(Some(fields::describe(&work.state.schema, target.model, &names, attributes.as_deref())))
}

/// The names by `load`: the pair of id and name unless the caller wants the bare id.
fn args_load(load: &Value) -> bool {
    !matches!(load, Value::String(text) if text != "_classic_read")
}

/// The fields that a caller asks for; all of them if none.
fn places(work: &Work<'_>, target: Target, names: &Value) -> Result<Vec<usize>, Refusal> {
    let def = &work.state.schema.models[target.model];
    let invalid = |name: &Value| {
        let name = name.as_str().map_or_else(|| python(name), str::to_owned);
        Refusal::value(format!("Invalid field '{name}' on '{}'", def.name))
    };
    let find = |name: &Value| name.as_str().and_then(|text| def.find(text)).ok_or_else(|| invalid(name));
    let places: Vec<usize> = match names {
        Value::Array(names) if !names.is_empty() => names.iter().map(find).collect::<Result<_, _>>()?,
        _ => (0..def.fields.len()).collect(),
    };
    for place in &places {
        // It is worked out from other records, with the rights of whoever asks.
        if let Kind::OnHand(model, _) = work.state.schema.kind(target.model, *place) {
            work.view().check(target.uid, *model, Access::Read)?;
        }
    }
    Ok(places)
}

/// A record as `read` answers it; the id is always there.
pub(super) fn record(one: Handle<'_>, places: &[usize], names: bool) -> Value {
    let fields = &one.view.schema.models[one.model].fields;
    let mut all = Map::new();
    all.insert("id".to_owned(), Value::from(one.id));
    for place in places {
        all.insert(fields[*place].name.clone(), one.json(*place, names));
    }
    Value::Object(all)
}

fn query(work: &Work<'_>, target: Target, context: &Map<String, Value>, given: &[Value]) -> Result<Query, Refusal> {
    let offset = match given[1].as_i64() {
        Some(number) => usize::try_from(number).map_err(|_| Refusal::bad_offset("OFFSET must not be negative\n"))?,
        None => 0,
    };
    Ok(Query {
        domain: domain(work, target, context, &given[0])?,
        order: parse_order(&work.state.schema, target.model, given[3].as_str().unwrap_or_default())?,
        offset,
        limit: limit(&given[2])?,
    })
}

fn limit(value: &Value) -> Result<usize, Refusal> {
    match value.as_i64() {
        Some(number) => usize::try_from(number).map_err(|_| Refusal::bad_limit("LIMIT must not be negative\n")),
        None => Ok(0),
    }
}

/// The caller's domain, without archived records unless it or the context speaks of them.
fn domain(work: &Work<'_>, target: Target, context: &Map<String, Value>, json: &Value) -> Result<Domain, Refusal> {
    let schema = &work.state.schema;
    let domain = match json {
        Value::Null => Domain::All,
        json => parse_domain(schema, target.model, json)?,
    };
    let domain = if schema.models[target.model].name == ATTACHMENT {
        Domain::all_of([domain, seen_by(work.view(), target.uid)])
    } else {
        domain
    };
    let mut speaks_of_it = schema.models[target.model].active.is_none()
        || context.get("active_test").is_some_and(|value| matches!(value, Value::Bool(false) | Value::Number(_)));
    domain.for_each_condition(&mut |condition| speaks_of_it |= condition.path == "active");
    if speaks_of_it {
        return Ok(domain);
    }
    Ok(Domain::all_of([domain, Domain::condition("active", Operator::Equal, true)]))
}
