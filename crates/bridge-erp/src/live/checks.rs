//! The checks that every protocol must pass.

use super::Report;
use crate::adapter::{Adapter, SearchRead};
use crate::odoo::Odoo;
use crate::{ErpError, ErpErrorKind};
use bridge_model::{ModelName, RecordId};
use serde_json::{Map, Value, json};
use std::fmt::Debug;

/// Characters that some encoding on the way could spoil.
const TEXT: &str = "<a & b> \"c\" 'd' \\ é ü العربية 日本 😀\ttab";
/// A record that no database has.
const NOBODY: i64 = 2_147_483_000;

/// Runs the checks, and answers what was read, for comparison with the other protocols; `None` if it could not be.
pub(super) async fn all(
    odoo: &Odoo,
    model: &ModelName,
    marker: &str,
    name: &str,
    report: &mut Report,
) -> Option<Value> {
    let identity = odoo.authenticate().await;
    report.note(name, "log in", identity.as_ref().map(drop));
    let user = identity.ok()?.erp_user_id;
    report.note(name, "protocol", protocol(odoo, name).await);
    let (read, answer) = match reads(odoo, user).await {
        Ok(answer) => (Ok(()), Some(answer)),
        Err(error) => (Err(error), None),
    };
    report.note(name, "read", read);
    match rights(odoo, user).await {
        // The add-on lets only the service's own user look; for others it is right to refuse.
        Ok(Err(refused)) => report.skip(name, "rights and event table", &refused),
        Ok(Ok(())) => report.note(name, "rights and event table", Ok::<_, String>(())),
        Err(why) => report.note(name, "rights and event table", Err(why)),
    }
    report.note(name, "life of a record", life(odoo, model, marker).await);
    report.note(name, "a method that returns nothing", nothing(odoo, user).await);
    let one = |field: &str| [json!([[field, "=", "x"]])];
    let unknown = odoo.call(model, "search", one("no_such_field_x").to_vec(), Map::new()).await;
    report.note(name, "unknown field", refused(unknown, ErpErrorKind::InvalidRequest));
    let malformed = odoo.call(model, "search", vec![json!([["name", "="]])], Map::new()).await;
    report.note(name, "malformed domain", refused(malformed, ErpErrorKind::InvalidRequest));
    let method = odoo.call(model, "no_such_method_x", Vec::new(), Map::new()).await;
    report.note(name, "unknown method", refused(method, ErpErrorKind::UnknownMethod));
    report.note(name, "missing record", missing(odoo).await);
    // Nothing is created: the name is required.
    let nameless = odoo.create(model, vec![Map::new()]).await;
    report.note(name, "invalid record", refused(nameless, ErpErrorKind::Validation));
    if let Ok(no_model) = ModelName::parse("no.such.model.x") {
        let unknown = odoo.count(&no_model, &json!([])).await;
        report.note(name, "unknown model", refused(unknown, ErpErrorKind::UnknownModel));
    }
    answer
}

async fn protocol(odoo: &Odoo, name: &str) -> Result<(), String> {
    let info = odoo.server_info().await.map_err(|error| error.to_string())?;
    same("the protocol in use", name.split(' ').next().unwrap_or_default(), info.protocol.as_str())
}

/// Reads that every Odoo answers the same over every protocol.
async fn reads(odoo: &Odoo, user: i64) -> Result<Value, ErpError> {
    let query = |name: &str, domain: Value, fields: &[&str]| -> Result<SearchRead, ErpError> {
        Ok(SearchRead {
            model: super::model(name)?,
            domain,
            fields: fields.iter().map(ToString::to_string).collect(),
            offset: 0,
            limit: 3,
            order: "id asc".into(),
            context: Map::new(),
        })
    };
    let fields = ["name", "login", "partner_id", "active", "create_date"];
    let users = odoo.search_read(&query("res.users", json!([["id", "=", user]]), &fields)?).await?;
    let fields = ["name", "symbol", "active"];
    let currencies = odoo.search_read(&query("res.currency", json!([]), &fields)?).await?;
    let count = odoo.count(&super::model("res.country")?, &json!([["code", "in", ["MA", "FR"]]])).await?;
    let model = super::model("res.partner")?;
    let described =
        odoo.call(&model, "fields_get", vec![json!(["name"]), json!(["type", "string"])], Map::new()).await?;
    Ok(json!([users, currencies, count, described]))
}

async fn rights(odoo: &Odoo, user: i64) -> Result<Result<(), String>, String> {
    let may = |outcome: Result<(), ErpError>| match outcome {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.kind == ErpErrorKind::AccessDenied => Ok(Err(error.to_string())),
        Err(error) => Err(error.to_string()),
    };
    let asked = ["res.users", "no.such.model.x"].map(super::model);
    let asked = asked.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    match odoo.readable_models(user, &asked).await {
        Ok(readable) => same("what the user may read", &asked[..1], &readable[..])?,
        Err(error) => return may(Err(error)),
    }
    match odoo.feed_info().await {
        Ok(Some(info)) => may(odoo.feed_after((info.newest_id - 20).max(0), 20).await.map(drop)),
        Ok(None) => Ok(Ok(())),
        Err(error) => may(Err(error)),
    }
}

async fn life(odoo: &Odoo, model: &ModelName, marker: &str) -> Result<(), String> {
    let words = |error: ErpError| error.to_string();
    let first = format!("{marker} 1 {TEXT}");
    let second = format!("{marker} 2");
    let ids = odoo.create(model, vec![values(&first), values(&second)]).await.map_err(words)?;
    same("records created", &2, &ids.len())?;
    same("the name that was created", &vec![first, second], &names(odoo, model, marker).await?)?;
    let third = format!("{marker} 3 {TEXT}");
    odoo.write(model, &ids[..1], values(&third)).await.map_err(words)?;
    let one = odoo.call(model, "create", vec![Value::Object(values(&format!("{marker} 4")))], Map::new()).await;
    let one = one.map_err(words)?.as_i64().ok_or("creating one record did not answer one id")?;
    same("the names that were written", &3, &names(odoo, model, marker).await?.len())?;
    odoo.unlink(model, &[RecordId::Number(one)]).await.map_err(words)?;
    odoo.unlink(model, &ids).await.map_err(words)?;
    same("records left", &0, &names(odoo, model, marker).await?.len())?;
    // Odoo looks for missing records only where record rules make it look.
    match odoo.unlink(model, &ids).await {
        Ok(()) => Ok(()),
        again => refused(again, ErpErrorKind::MissingRecord),
    }
}

/// Contacts have record rules in every Odoo.
async fn missing(odoo: &Odoo) -> Result<(), String> {
    let model = super::model("res.partner").map_err(|error| error.to_string())?;
    refused(odoo.write(&model, &[RecordId::Number(NOBODY)], values("x")).await, ErpErrorKind::MissingRecord)
}

async fn names(odoo: &Odoo, model: &ModelName, marker: &str) -> Result<Vec<String>, String> {
    let query = SearchRead {
        model: model.clone(),
        domain: json!([["name", "like", marker]]),
        fields: vec!["name".into()],
        offset: 0,
        limit: 10,
        order: "id asc".into(),
        context: Map::new(),
    };
    let rows = odoo.search_read(&query).await.map_err(|error| error.to_string())?;
    Ok(rows.iter().filter_map(|row| row["name"].as_str().map(str::to_owned)).collect())
}

async fn nothing(odoo: &Odoo, user: i64) -> Result<(), String> {
    let model = super::model("res.users").map_err(|error| error.to_string())?;
    let answer = odoo.call(&model, "check_access_rule", vec![json!([user]), json!("read")], Map::new()).await;
    same("the answer", &Value::Null, &answer.map_err(|error| error.to_string())?)
}

fn values(name: &str) -> Map<String, Value> {
    let mut values = Map::new();
    values.insert("name".into(), name.into());
    values
}

fn refused<T>(outcome: Result<T, ErpError>, kind: ErpErrorKind) -> Result<(), String> {
    match outcome {
        Ok(_) => Err(format!("it was done and not refused as {kind:?}")),
        Err(error) if error.kind == kind => Ok(()),
        Err(error) => Err(format!("{:?} and not {kind:?}: {error}", error.kind)),
    }
}

fn same<T: PartialEq + Debug + ?Sized>(what: &str, wanted: &T, found: &T) -> Result<(), String> {
    if wanted == found { Ok(()) } else { Err(format!("{what} should be {wanted:?} and is {found:?}")) }
}
