//! `DELETE /api/v1/files/{file_id}`

use super::FileId;
use super::download::{no_such_file, stored};
use crate::audit::{Change, audited};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use crate::records::acting;
use bridge_model::RecordId;
use serde::Serialize;
use serde_json::json;
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
            let change = Change::new("file", "delete")
                .of(RecordId::Text(id.clone()))
                .in_system(acting.system_id())
                .from(json!({
                    "name": file.name, "mimetype": file.content_type, "size": file.size, "res_model": file.model,
                    "res_id": file.record_id,
                }));
            audited(cx, caller, change, async {
                acting.check_attach(&file.model, file.record_id).await?;
                // Its bytes are removed by the sweep.
                if cx.store.hide_stored_file(caller.tenant, id).await? { Ok(()) } else { Err(no_such_file()) }
            })
            .await?;
        }
    }
    Ok(FileDeleted { success: true, file_id: file.to_string() })
}
