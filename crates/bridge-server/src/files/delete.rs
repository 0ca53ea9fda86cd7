//! `DELETE /api/v1/files/{file_id}`

use super::FileId;
use super::download::{no_such_file, stored};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use crate::records::acting;
use serde::Serialize;
use utoipa::ToSchema;

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileDeleted {
    /// Always true.
    pub success: bool,
    /// The file.
    pub file_id: String,
}

/// Takes a file off its record, which the caller has to have the right to change; `NotFound` if there is none that they
/// may read.
pub async fn delete(cx: &Context, caller: &Caller, file_id: &str) -> Result<FileDeleted, Problem> {
    let file = file_id.parse().map_err(|_| no_such_file())?;
    match &file {
        FileId::InErp { system_id, attachment } => {
            let acting = acting(cx, caller, system_id).await?;
            let attachment = acting.attachment(*attachment).await?;
            acting.detach(&attachment).await?;
        }
        FileId::Stored(id) => {
            let (acting, file) = stored(cx, caller, id).await?;
            acting.check_attach(&file.model, file.record_id).await?;
            // Its bytes are removed by the sweep.
            if !cx.store.hide_stored_file(caller.tenant, id).await? {
                return Err(no_such_file());
            }
        }
    }
    Ok(FileDeleted { success: true, file_id: file.to_string() })
}
