//! Calls over XML-RPC, `/xmlrpc/2`.

use super::client::{Client, Outgoing};
use super::errors;
use crate::xmlrpc::{self, Document, Flaw};
use crate::{ErpError, ErpErrorKind};
use serde_json::Value;

/// Calls a method of the service `common` or `object`. A method that returns nothing is a fault of Odoo's own making
/// there, after the work was done: it answers null.
pub(super) async fn send(
    client: &Client,
    service: &str,
    method: &str,
    params: &[Value],
    model: Option<&str>,
) -> Result<Value, ErpError> {
    let body = xmlrpc::write_call(method, params)
        .map_err(|flaw| ErpError::new(ErpErrorKind::InvalidRequest, flaw.to_string()).caused_by(flaw))?;
    let path = format!("/xmlrpc/2/{service}");
    let body = Some(("text/xml", body.into_bytes()));
    let incoming = client.fetch(Outgoing { path: &path, body, headers: Vec::new(), refusal_has_body: false }).await?;
    decode(&incoming.body, model)
}

fn decode(body: &[u8], model: Option<&str>) -> Result<Value, ErpError> {
    match xmlrpc::read(body) {
        Ok(Document::Answer(value)) => Ok(value),
        Ok(Document::Fault(_, text)) if text.contains("cannot marshal None") => {
            // The traceback tells whether the answer is None or holds one: only the first says that there is none.
            if text.contains("in dump_array") || text.contains("in dump_struct") {
                let message = "the method has run, but XML-RPC can't carry its answer, which holds a None";
                return Err(ErpError::new(ErpErrorKind::Protocol, message).named(errors::HOLDS_NONE));
            }
            Ok(Value::Null)
        }
        Ok(Document::Fault(code, text)) => Err(errors::from_fault(&code, &text, model)),
        Ok(Document::Call(..)) => Err(ErpError::new(ErpErrorKind::Protocol, "the answer is a call")),
        Err(flaw) => {
            let starts_well = body.is_empty() || body.trim_ascii_start().starts_with(b"<?xml");
            let is_cut = match &flaw {
                Flaw::Cut => true,
                Flaw::Xml(error) => matches!(error, quick_xml::Error::Syntax(_)),
                Flaw::Form(_) | Flaw::Character(_) => false,
            };
            if is_cut && starts_well {
                return Err(ErpError::new(ErpErrorKind::Unreachable, "the reply ended too early").caused_by(flaw));
            }
            Err(ErpError::new(ErpErrorKind::Protocol, "the answer is not an XML-RPC reply").caused_by(flaw))
        }
    }
}
