//! `POST /api/v1/files/upload`

use super::incoming::{Arrived, Contents, Incoming};
use super::{FileId, Spool, StorageKey};
use crate::audit::{Change, audited_making};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{
    Acting, IdempotencyKey, Keep, NewAttachment, Once, Series, acting, once, request_hash, write_once,
};
use bridge_model::entropy::hex;
use bridge_model::{ModelName, RecordId, SystemId};
use bridge_store::{StoreError, StoredFile};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
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

/// Puts a file onto a record, there where new files are kept; with a key, once for that key.
pub async fn upload(
    cx: &Context,
    caller: &Caller,
    target: Target,
    file: Incoming,
    name: &str,
    declared: Option<&str>,
    key: Option<IdempotencyKey>,
) -> Result<Once<Uploaded>, Problem> {
    let Arrived { name, content_type, size, sha256, contents } = file.end(name, declared, &cx.config.files)?;
    let system_id = cx.erps.system_of(&cx.store, caller.tenant, target.system_id.as_ref()).await?.system_id.clone();
    let acting = acting(cx, caller, &system_id).await?;
    let Target { model, record_id, image_downscale, .. } = target;
    let is_stored = matches!(contents, Contents::Spooled(_));
    let hash = request_hash(&json!([
        "upload",
        system_id,
        model,
        record_id,
        image_downscale,
        name,
        content_type,
        sha256,
        is_stored
    ]));
    let uploaded = Uploaded {
        success: true,
        file_id: String::new(),
        filename: name,
        size,
        content_type,
        sha256,
        system_id,
        model,
        record_id,
        is_unchanged: Some(true),
    };
    match contents {
        Contents::Encoded { datas, sha1 } => {
            let work = async move |acting: Acting| {
                let Uploaded { filename: name, content_type, .. } = &uploaded;
                let (name, content_type) = (name.clone(), content_type.clone());
                let new = NewAttachment { name, content_type, datas, may_shrink: image_downscale };
                let (attachment, checksum) = acting.attach(&uploaded.model, record_id, new).await?;
                let file_id = FileId::InErp { system_id: uploaded.system_id.clone(), attachment }.to_string();
                Ok(Uploaded { file_id, is_unchanged: checksum.map(|checksum| checksum == sha1), ..uploaded })
            };
            write_once(acting, caller, key, hash, work, |done: &Uploaded| json!(done)).await
        }
        Contents::Spooled(spool) => {
            let (cx_of_work, by, system) = (cx.clone(), caller.clone(), acting.system());
            let work = async move |series: Option<Series>, _| {
                let change = Change::new("file", "create").in_system(&uploaded.system_id).to(json!({
                    "name": uploaded.filename, "mimetype": uploaded.content_type, "size": size,
                    "res_model": uploaded.model, "res_id": record_id,
                }));
                let kept = async {
                    acting.check_attach(&uploaded.model, record_id).await?;
                    keep(&cx_of_work, &by, &acting, &uploaded, spool, series).await
                };
                let made = |id: &String| RecordId::Text(id.clone());
                let id = audited_making(&cx_of_work, &by, change, kept, made).await?;
                Ok(Uploaded { file_id: FileId::Stored(id).to_string(), ..uploaded })
            };
            once(cx, caller, system, key, hash, work, |done: &Uploaded| Keep::Answer(json!(done))).await
        }
    }
}

/// How often a file with a key can be begun anew.
const TRIES_MAX: u32 = 16;

/// Keeps a file and answers its id. One with a key has ids that follow from the key, of which each try takes the next: a
/// file that was kept before its answer was is found by them.
async fn keep(
    cx: &Context,
    caller: &Caller,
    acting: &Acting,
    uploaded: &Uploaded,
    spool: Spool,
    series: Option<Series>,
) -> Result<String, Problem> {
    let mut file = StoredFile {
        tenant: caller.tenant,
        id: cx.entropy.hex(16),
        system: acting.system(),
        model: uploaded.model.clone(),
        record_id: uploaded.record_id,
        name: uploaded.filename.clone(),
        content_type: uploaded.content_type.clone(),
        size: uploaded.size as u64,
        sha256: uploaded.sha256.clone(),
        place: spool.place(),
        created_by: caller.user,
        created_at: cx.clock.now(),
    };
    let Some(series) = series else {
        cx.store.begin_stored_file(&file).await?;
        return store(cx, &file, spool).await.map(|()| file.id);
    };
    for attempt in 0..TRIES_MAX {
        let name = hex(&Sha256::digest(format!("{} {attempt}", series.name)));
        name[..32].clone_into(&mut file.id);
        if cx.store.stored_file(file.tenant, &file.id).await?.is_some() {
            return Ok(file.id);
        }
        match cx.store.begin_stored_file(&file).await {
            // It was begun and not ended.
            Err(StoreError::Conflict(_)) => {}
            begun => {
                begun?;
                return store(cx, &file, spool).await.map(|()| file.id);
            }
        }
    }
    Err(Problem::new(ProblemKind::Busy, Message::request_too_slow()))
}

/// Keeps the bytes of a file. Its row came first, so that whatever happens they can be found and removed; nobody sees it
/// before they are there for good.
async fn store(cx: &Context, file: &StoredFile, spool: Spool) -> Result<(), Problem> {
    cx.storages.store(StorageKey { tenant: file.tenant, id: &file.id }, spool, &file.sha256).await?;
    let begun_after = cx.clock.now().minus(Duration::from_secs(cx.config.files.removal_hours * 3_600));
    if cx.store.show_stored_file(file.tenant, &file.id, begun_after).await? {
        return Ok(());
    }
    // The system was deleted meanwhile, or this took so long that the bytes may be gone.
    Err(Problem::new(ProblemKind::Busy, Message::request_too_slow()))
}
