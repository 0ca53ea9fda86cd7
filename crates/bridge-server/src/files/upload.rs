//! `POST /api/v1/files/upload`

use super::FileId;
use super::incoming::{Arrived, Incoming};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use crate::records::{NewAttachment, acting};
use bridge_model::{ModelName, SystemId};
use serde::Serialize;
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
    /// Whether the system may make a large picture smaller.
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
    /// Whether the system keeps just what was sent, by its own checksum; a picture that it made smaller is not. `null` where
    /// the system did not say.
    pub is_unchanged: Option<bool>,
}

/// Attaches a file to a record.
pub async fn upload(
    cx: &Context,
    caller: &Caller,
    target: Target,
    file: Incoming,
    name: &str,
    declared: Option<&str>,
) -> Result<Uploaded, Problem> {
    let Arrived { name, content_type, size, datas, sha1, sha256 } = file.end(name, declared, &cx.config.files)?;
    let system_id = cx.erps.system_of(&cx.store, caller.tenant, target.system_id.as_ref()).await?.system_id.clone();
    let acting = acting(cx, caller, &system_id).await?;
    let new = NewAttachment {
        name: name.clone(),
        content_type: content_type.clone(),
        datas,
        may_shrink: target.image_downscale,
    };
    let (attachment, checksum) = acting.attach(&target.model, target.record_id, new).await?;
    Ok(Uploaded {
        success: true,
        file_id: FileId { system_id: system_id.clone(), attachment }.to_string(),
        filename: name,
        size,
        content_type,
        sha256,
        system_id,
        model: target.model,
        record_id: target.record_id,
        is_unchanged: checksum.map(|checksum| checksum == sha1),
    })
}
