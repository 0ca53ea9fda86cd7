//! The live suite: what the adapter promises, tried over every protocol on a real system that may be in use.
//!
//! It creates contact tags whose name holds a marker, and one API key if none is given; both are removed in the end,
//! also after a failure. Before it creates anything it asks whether it may delete, and refuses to go on if not. It
//! never tries a wrong password: systems lock addresses out that do.

mod checks;
mod report;

pub use report::{Line, Outcome, Report};

use crate::adapter::{Adapter, Connection, Protocol};
use crate::odoo::Odoo;
use crate::pool::ClientOptions;
use crate::{ErpError, ErpErrorKind};
use bridge_model::{Clock, ModelName};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The model whose records are created: in every Odoo, without mail and without journal.
const MODEL: &str = "res.partner.category";

/// Runs the suite. The connection's own `protocol` is not looked at.
///
/// The error says why nothing was tried: the system can't be reached, the credential is refused, or what is created
/// could not be removed again.
pub async fn run(connection: &Connection, options: &ClientOptions, clock: &Arc<dyn Clock>) -> Result<Report, ErpError> {
    let marker = format!("BridgeCore live {}", options.entropy.hex(8));
    let base = odoo(connection, Protocol::Auto, options, clock)?;
    let info = base.server_info().await?;
    base.authenticate().await?;
    let model = model(MODEL)?;
    may_clean_up(&base, &model).await?;

    let mut report = Report::new(format!("Odoo {} at {}", info.version, connection.url));
    let mut keyed = connection.clone();
    let mut made_key = false;
    if keyed.api_key.is_none() {
        match base.make_key(&marker).await {
            Ok(new) => {
                made_key = true;
                report.note("api key", "make", Ok::<_, ErpError>(()));
                keyed.api_key = Some(new.key);
            }
            Err(error) => report.skip("api key", "make", &format!("no key was given and none can be made: {error}")),
        }
    }

    let mut answers: Vec<(&str, Value)> = Vec::new();
    for (name, protocol, by_key) in [
        ("json2", Protocol::Json2, true),
        ("jsonrpc session", Protocol::Jsonrpc, false),
        ("jsonrpc key", Protocol::Jsonrpc, true),
        ("xmlrpc", Protocol::Xmlrpc, false),
    ] {
        if protocol == Protocol::Json2 && info.major < 19 {
            report.skip(name, "all", "this version does not have it");
            continue;
        }
        let connection = match (by_key, &keyed.api_key) {
            (true, None) => {
                report.skip(name, "all", "there is no API key");
                continue;
            }
            (true, Some(_)) => keyed.clone(),
            (false, _) if connection.password.is_empty() => {
                report.skip(name, "all", "there is no password");
                continue;
            }
            (false, _) => Connection { api_key: None, ..connection.clone() },
        };
        let adapter = odoo(&connection, protocol, options, clock)?;
        if let Some(answer) = checks::all(&adapter, &model, &format!("{marker} {name}"), name, &mut report).await {
            answers.push((name, answer));
        }
    }
    if let Some(((first, answer), others)) = answers.split_first() {
        for (name, other) in others {
            let outcome = if other == answer { Ok(()) } else { Err(format!("differ from {first}: {other} {answer}")) };
            report.note(name, "the same answers", outcome);
        }
    }

    let removed =
        clean_up(&base, &model, &marker).await.map_err(|error| format!("tags named {marker:?} may be left: {error}"));
    report.note("clean-up", "records", removed);
    if made_key {
        let removed = base.remove_keys(&marker).await;
        report.note("clean-up", "api key", removed.map_err(|error| format!("the key {marker:?} is left: {error}")));
    }
    Ok(report)
}

fn odoo(
    connection: &Connection,
    protocol: Protocol,
    options: &ClientOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Odoo, ErpError> {
    let connection = Connection { protocol: Some(protocol), ..connection.clone() };
    Odoo::new(&connection, options, Arc::clone(clock))
}

fn model(name: &str) -> Result<ModelName, ErpError> {
    ModelName::parse(name).map_err(|error| ErpError::new(ErpErrorKind::InvalidRequest, error.to_string()))
}

/// Whether what is created can be removed again.
async fn may_clean_up(odoo: &Odoo, model: &ModelName) -> Result<(), ErpError> {
    for operation in ["create", "read", "write", "unlink"] {
        let mut kwargs = Map::new();
        kwargs.insert("raise_exception".into(), json!(false));
        let allowed = odoo.call(model, "check_access_rights", vec![json!(operation)], kwargs).await?;
        if allowed != json!(true) {
            let message = format!("this user may not {operation} {model}; nothing was created");
            return Err(ErpError::new(ErpErrorKind::AccessDenied, message));
        }
    }
    Ok(())
}

/// Removes every record with the marker, and looks whether that is so.
async fn clean_up(odoo: &Odoo, model: &ModelName, marker: &str) -> Result<(), ErpError> {
    let domain = json!([["name", "like", marker]]);
    let mut context = Map::new();
    context.insert("context".into(), json!({"active_test": false}));
    let ids = odoo.call(model, "search", vec![domain.clone()], context.clone()).await?;
    if ids.as_array().is_some_and(|ids| !ids.is_empty()) {
        odoo.call(model, "unlink", vec![ids], Map::new()).await?;
    }
    match odoo.call(model, "search_count", vec![domain], context).await?.as_u64() {
        Some(0) => Ok(()),
        left => Err(ErpError::new(ErpErrorKind::Internal, format!("{left:?} are left"))),
    }
}

#[cfg(test)]
mod tests;
