//! `GET /api/v1/files/download/{file_id}`

use super::FileId;
use super::incoming::too_large;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use crate::records::{Acting, Attachment, acting};
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_model::entropy::hex;
use sha1::{Digest as _, Sha1};

/// A file that the caller may read.
#[derive(Debug)]
pub struct Found {
    acting: Acting,
    attachment: Attachment,
}

/// What is in it.
#[derive(Debug)]
pub struct Contents {
    /// All of it.
    pub bytes: Bytes,
    /// What stands for just these bytes, as an entity tag.
    pub tag: String,
}

/// Looks for a file; `NotFound` if there is none that the caller may read.
pub async fn find(cx: &Context, caller: &Caller, file: &str) -> Result<Found, Problem> {
    let Ok(file) = file.parse::<FileId>() else {
        return Err(Problem::new(ProblemKind::NotFound, Message::no_such_attachment()));
    };
    let acting = acting(cx, caller, &file.system_id).await?;
    let attachment = acting.attachment(file.attachment).await?;
    if attachment.size > cx.config.files.bytes_max as u64 {
        return Err(too_large(&cx.config.files));
    }
    Ok(Found { acting, attachment })
}

impl Found {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.attachment.name
    }

    /// Its MIME type.
    pub fn content_type(&self) -> Option<&str> {
        self.attachment.content_type.as_deref()
    }

    /// The entity tag of what is in it, if the system says.
    pub fn tag(&self) -> Option<String> {
        self.attachment.checksum.as_deref().map(quoted)
    }

    /// What is in it.
    pub async fn contents(&self) -> Result<Contents, Problem> {
        let datas = self.acting.attached(&self.attachment).await?;
        let bytes = STANDARD.decode(datas).map_err(|error| {
            Problem::new(ProblemKind::ErpFailed, Message::erp_failed("a file in another form than Base64"))
                .caused_by(error)
        })?;
        // It may have been replaced since it was looked for.
        let tag = quoted(&hex(&Sha1::digest(&bytes)));
        Ok(Contents { bytes: bytes.into(), tag })
    }
}

fn quoted(checksum: &str) -> String {
    format!("\"{checksum}\"")
}
