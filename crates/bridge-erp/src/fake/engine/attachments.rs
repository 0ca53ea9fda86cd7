//! Files on records: whoever may write a record may attach something to it, and whoever may read it sees what is there.

use super::cell::{Cell, Row};
use super::rights::Access;
use super::view::View;
use super::work::{Values, Work};
use crate::fake::refusal::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_model::domain::{Domain, Operator};
use serde_json::Value;
use sha1::{Digest as _, Sha1};

/// The model of the files.
pub(in crate::fake) const ATTACHMENT: &str = "ir.attachment";

/// Works out what a new file does not bring along, and refuses one for a record that the user may not write.
pub(super) fn prepare(work: &Work<'_>, model: usize, row: &mut Row, values: &Values) -> Result<(), Refusal> {
    let def = &work.state.schema.models[model];
    if let Some(name) = values.get("res_model").and_then(Value::as_str) {
        let target = work.model(name)?;
        work.view().check(work.tx.uid, target, Access::Write)?;
        if let Some(id) = values.get("res_id").and_then(Value::as_i64).filter(|id| *id != 0) {
            work.get(target, id)?;
        }
    }
    let mut set = |name: &str, cell: Cell| {
        if let Some(place) = def.find(name) {
            row[place] = cell;
        }
    };
    if let Some(datas) = values.get("datas").and_then(Value::as_str) {
        let bytes = STANDARD.decode(datas).map_err(|error| Refusal::value(format!("Incorrect padding: {error}")))?;
        set("file_size", Cell::Int(i64::try_from(bytes.len()).unwrap_or(i64::MAX)));
        set("checksum", Cell::text(&format!("{:x}", Sha1::digest(&bytes))));
        if !values.contains_key("mimetype") {
            set("mimetype", Cell::text(guessed(&bytes)));
        }
    }
    Ok(())
}

/// The type of a file by its first bytes.
fn guessed(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        _ if std::str::from_utf8(bytes).is_ok() => "text/plain",
        _ => "application/octet-stream",
    }
}

/// The files that a user sees: those on records of models that they may read.
pub(in crate::fake) fn seen_by(view: View<'_>, uid: i64) -> Domain {
    let readable: Vec<Value> = (0..view.schema.models.len())
        .filter(|model| view.may(uid, *model, Access::Read))
        .map(|model| Value::from(view.schema.models[model].name.as_str()))
        .collect();
    Domain::condition("res_model", Operator::In, readable)
}
