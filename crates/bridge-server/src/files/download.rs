//! `GET /api/v1/files/download/{file_id}`

use super::incoming::too_large;
use super::{FileId, StorageKey};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{Acting, Attachment, acting};
use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_model::entropy::hex;
use bridge_store::StoredFile;
use sha1::{Digest as _, Sha1};
use std::ops::Range;

/// A file that the caller may read.
#[derive(Debug)]
pub enum Found {
    /// One that its system keeps.
    InErp(Box<(Acting, Attachment)>),
    /// One that the service keeps.
    Stored(StoredFile),
}

/// What is in it, or a part of that.
#[derive(Debug)]
pub struct Contents {
    /// The bytes, which may still have to be read.
    pub body: Body,
    /// What stands for just these contents, as an entity tag.
    pub tag: String,
    /// The size of the whole file, in bytes.
    pub size: u64,
    /// Which part it is; `None` for the whole.
    pub part: Option<Range<u64>>,
}

/// Looks for a file; `NotFound` if there is none that the caller may read.
pub async fn find(cx: &Context, caller: &Caller, file: &str) -> Result<Found, Problem> {
    match file.parse() {
        Ok(FileId::InErp { system_id, attachment }) => {
            let acting = acting(cx, caller, &system_id).await?;
            let attachment = acting.attachment(attachment).await?;
            if attachment.size > cx.config.files.bytes_max as u64 {
                return Err(too_large(&cx.config.files));
            }
            Ok(Found::InErp(Box::new((acting, attachment))))
        }
        Ok(FileId::Stored(id)) => stored(cx, caller, &id).await.map(|(_, file)| Found::Stored(file)),
        Err(_) => Err(no_such_file()),
    }
}

/// A file that the service keeps, and the caller at work in its system; `NotFound` if they may not read it.
pub(super) async fn stored(cx: &Context, caller: &Caller, id: &str) -> Result<(Acting, StoredFile), Problem> {
    let file = cx.store.stored_file(caller.tenant, id).await?.ok_or_else(no_such_file)?;
    let system = cx.store.system_by_key(caller.tenant, file.system).await?.ok_or_else(no_such_file)?;
    let acting = acting(cx, caller, &system.system_id).await?;
    if acting.may_read_files_of(&file.model, file.record_id).await? { Ok((acting, file)) } else { Err(no_such_file()) }
}

impl Found {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::InErp(found) => &found.1.name,
            Self::Stored(file) => &file.name,
        }
    }

    /// Its MIME type.
    pub fn content_type(&self) -> Option<&str> {
        match self {
            Self::InErp(found) => found.1.content_type.as_deref(),
            Self::Stored(file) => Some(&file.content_type),
        }
    }

    /// The entity tag of what is in it, if that is known.
    pub fn tag(&self) -> Option<String> {
        match self {
            Self::InErp(found) => found.1.checksum.as_deref().map(quoted),
            Self::Stored(file) => Some(quoted(&file.sha256)),
        }
    }

    /// What is in it, or the part that `choose` names when it is told the entity tag and the size.
    pub async fn open(
        &self,
        cx: &Context,
        choose: impl FnOnce(&str, u64) -> Result<Option<Range<u64>>, Problem>,
    ) -> Result<Contents, Problem> {
        match self {
            Self::InErp(found) => {
                let (acting, attachment) = &**found;
                let bytes = decoded(&acting.attached(attachment).await?)?;
                // It may have been replaced since it was looked for.
                let (tag, size) = (quoted(&hex(&Sha1::digest(&bytes))), bytes.len() as u64);
                let part = choose(&tag, size)?;
                let at = |place: u64| usize::try_from(place).unwrap_or(bytes.len()).min(bytes.len());
                let body = match &part {
                    Some(part) => bytes.slice(at(part.start)..at(part.end)),
                    None => bytes,
                };
                Ok(Contents { body: body.into(), tag, size, part })
            }
            Self::Stored(file) => {
                let (tag, size) = (quoted(&file.sha256), file.size);
                let part = choose(&tag, size)?;
                let key = StorageKey { tenant: file.tenant, id: &file.id };
                let body = cx.storages.read(file.place, key, size, part.clone().unwrap_or(0..size)).await?;
                Ok(Contents { body, tag, size, part })
            }
        }
    }
}

fn decoded(datas: &str) -> Result<Bytes, Problem> {
    let bytes = STANDARD.decode(datas).map_err(|error| {
        Problem::new(ProblemKind::ErpFailed, Message::erp_failed("a file in another form than Base64")).caused_by(error)
    })?;
    Ok(bytes.into())
}

fn quoted(checksum: &str) -> String {
    format!("\"{checksum}\"")
}

/// That there is no file, or none that the caller may read.
pub(super) fn no_such_file() -> Problem {
    Problem::new(ProblemKind::NotFound, Message::no_such_attachment())
}
