//! How files are passed between apps and ERPs.

use serde::{Deserialize, Serialize};

/// How files are passed between apps and ERPs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// The largest file that is taken or handed out, in bytes. An ERP takes and gives files as text, so that one under
    /// way needs about three times as much memory. `erp.reply_bytes_max` bounds what can be handed out as well.
    pub bytes_max: usize,
    /// The most uploads and downloads at once; further ones are told to come back later.
    pub transfers_at_once_max: usize,
    /// The longest that one of them may take, in milliseconds: phones are slow.
    pub transfer_timeout_ms: u64,
    /// The types of files that may be uploaded; `image/*` stands for all images. A file's type is told by its contents
    /// where they tell it.
    pub types: Vec<String>,
}

impl Default for Files {
    fn default() -> Self {
        let types = [
            "image/*",
            "audio/*",
            "video/*",
            "text/plain",
            "text/csv",
            "application/json",
            "application/pdf",
            "application/rtf",
            "application/zip",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.oasis.opendocument.*",
            "application/vnd.openxmlformats-officedocument.*",
        ];
        Self {
            bytes_max: 20 * 1024 * 1024,
            transfers_at_once_max: 16,
            transfer_timeout_ms: 120_000,
            types: types.map(str::to_owned).to_vec(),
        }
    }
}
