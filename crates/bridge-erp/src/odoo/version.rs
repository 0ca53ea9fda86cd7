//! Which Odoo it is, asked at whichever address is let through.

use super::client::{Client, Outgoing};
use super::{jsonrpc, xml};
use crate::{ErpError, ErpErrorKind};
use bridge_model::Timestamp;
use reqwest::header::DATE;
use serde_json::{Value, json};

/// The version in full and its leading number.
pub(super) async fn ask(client: &Client) -> Result<(String, u32), ErpError> {
    let error = match jsonrpc::send(client, "/web/webclient/version_info", &json!({}), None, None).await {
        Ok(reply) => return read(&reply.result["server_version"]),
        Err(error) => error,
    };
    if !is_shut(&error) {
        return Err(error);
    }
    // Behind a proxy that lets only some of the addresses through.
    let params = json!({"service": "common", "method": "version", "args": []});
    let error = match jsonrpc::send(client, "/jsonrpc", &params, None, None).await {
        Ok(reply) => return read(&reply.result["server_version"]),
        Err(error) => error,
    };
    if !is_shut(&error) {
        return Err(error);
    }
    if let Ok(answer) = xml::send(client, "common", "version", &[], None).await {
        return read(&answer["server_version"]);
    }
    let path = "/json/version";
    let outgoing = Outgoing { path, body: None, headers: Vec::new(), refusal_has_body: false };
    match client.fetch(outgoing).await.map(|incoming| serde_json::from_slice::<Value>(&incoming.body)) {
        Ok(Ok(answer)) => read(&answer["version"]),
        _ => Err(error),
    }
}

/// The date of an answer. Whatever it answers there has one, so that it need not have this page.
pub(super) async fn date(client: &Client) -> Result<Option<Timestamp>, ErpError> {
    let outgoing = Outgoing { path: "/web/health", body: None, headers: Vec::new(), refusal_has_body: true };
    let incoming = client.fetch(outgoing).await?;
    let date = incoming.headers.get(DATE).and_then(|date| date.to_str().ok());
    Ok(date.and_then(|date| Timestamp::parse_http(date).ok()))
}

fn is_shut(error: &ErpError) -> bool {
    matches!(error.kind, ErpErrorKind::Protocol | ErpErrorKind::AccessDenied)
}

/// Reads `19.0` as well as the hosted service's `saas~18.1+e`.
fn read(version: &Value) -> Result<(String, u32), ErpError> {
    let unexpected = || ErpError::new(ErpErrorKind::Protocol, "the system does not say its version");
    let version = version.as_str().ok_or_else(unexpected)?;
    let digits: String = version.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let major = digits.parse().map_err(|error| unexpected().caused_by(error))?;
    Ok((version.to_owned(), major))
}
