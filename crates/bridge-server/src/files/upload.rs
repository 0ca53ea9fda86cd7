//! `POST /api/v1/files/upload`

use super::incoming::{Arrived, Contents, Incoming};
use super::{FileId, Spool, StorageKey};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{NewAttachment, acting};
use bridge_model::{ModelName, SystemId};
use bridge_store::StoredFile;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Where a file goes.
#[derive(Debug)]
pub struct Target {
    /// The system; the primary one if left out.
    pub system_id: Option<SystemId>,
    /// The model.
    pub model: ModelName,
    /// The record.
    pub record_id: i64,
    /// Whether the system may make a large picture smaller, where it keeps the file.
    pub image_downscale: bool,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uploaded {
    /// Always true.
    pub success: bool,
    /// By which the file can be downloaded.
    pub file_id: String,
    /// Its name, without a path.
    pub filename: String,
    /// Its size as it was sent, in bytes.
    pub size: usize,
    /// Its type, as its contents tell it.
    pub content_type: String,
    /// The SHA-256 of what was sent, in hexadecimal.
    pub sha256: String,
    /// Its system.
    pub system_id: SystemId,
    /// Its model.
    pub model: ModelName,
    /// Its record.
    pub record_id: i64,
    /// Whether what is kept is just what was sent. Where the system keeps it, its own checksum tells: a picture that it
    /// made smaller is not, and it is `null` where the system did not say.
    pub is_unchanged: Option<bool>,
}

/// Puts a file onto a record, there where new files are kept.
pub async fn upload(
    cx: &Context,
    caller: &Caller,
    target: Target,
    file: Incoming,
    name: &str,
    declared: Option<&str>,
) -> Result<Uploaded, Problem> {
    let Arrived { name, content_type, size, sha256, contents } = file.end(name, declared, &cx.config.files)?;
    let system_id = cx.erps.system_of(&cx.store, caller.tenant, target.system_id.as_ref()).await?.system_id.clone();
    let acting = acting(cx, caller, &system_id).await?;
    let Target { model, record_id, image_downscale, .. } = target;
    let (file_id, is_unchanged) = match contents {
        Contents::Encoded { datas, sha1 } => {
            let (name, content_type) = (name.clone(), content_type.clone());
            let new = NewAttachment { name, content_type, datas, may_shrink: image_downscale };
            let (attachment, checksum) = acting.attach(&model, record_id, new).await?;
            let file_id = FileId::InErp { system_id: system_id.clone(), attachment };
            (file_id, checksum.map(|checksum| checksum == sha1))
        }
        Contents::Spooled(spool) => {
            acting.check_attach(&model, record_id).await?;
            let file = StoredFile {
                tenant: caller.tenant,
                id: cx.entropy.hex(16),
                system: acting.system(),
                model: model.clone(),
                record_id,
                name: name.clone(),
                content_type: content_type.clone(),
                size: size as u64,
                sha256: sha256.clone(),
                place: spool.place(),
                created_by: caller.user,
                created_at: cx.clock.now(),
            };
            store(cx, &file, spool).await?;
            (FileId::Stored(file.id), Some(true))
        }
    };
    Ok(Uploaded {
        success: true,
        file_id: file_id.to_string(),
        filename: name,
        size,
        content_type,
        sha256,
        system_id,
        model,
        record_id,
        is_unchanged,
    })
}

/// Keeps a file. Its row comes first, so that whatever happens the bytes can be found and removed; nobody sees it before
/// they are there for good.
async fn store(cx: &Context, file: &StoredFile, spool: Spool) -> Result<(), Problem> {
    cx.store.begin_stored_file(file).await?;
    cx.storages.store(file.place, StorageKey { tenant: file.tenant, id: &file.id }, spool).await?;
    let begun_after = cx.clock.now().minus(Duration::from_secs(cx.config.files.removal_hours * 3_600));
    if cx.store.show_stored_file(file.tenant, &file.id, begun_after).await? {
        return Ok(());
    }
    // The system was deleted meanwhile, or this took so long that the bytes may be gone.
    Err(Problem::new(ProblemKind::Busy, Message::request_too_slow()))
}
