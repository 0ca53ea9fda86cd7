//! How files are passed on, and where they are kept.

use serde::{Deserialize, Serialize};

/// How files are passed on, and where they are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Where uploaded files are kept: `erp`, as attachments of their records there; `folder`, in the folder of that name.
    /// Files that are in another place stay there and can be read as long as that is configured.
    pub storage: FileStorage,
    /// The folder in which the service keeps files, which no other program may write to. Several nodes share one. Empty:
    /// there is none.
    pub folder: String,
    /// How long the bytes of a file that was deleted, or whose upload was cut off, are kept before they are removed, in
    /// hours.
    pub removal_hours: u64,
    /// The largest file that is taken or handed out, in bytes. An ERP takes and gives files as text, so that one under
    /// way needs about three times as much memory, and `erp.reply_bytes_max` bounds what can be handed out as well. Files
    /// that the service keeps pass in pieces.
    pub bytes_max: usize,
    /// The most uploads and downloads at once; further ones are told to come back later.
    pub transfers_at_once_max: usize,
    /// The longest that an upload may take, or the sending of a file, in milliseconds: phones are slow. What was not sent
    /// by then can be asked for as a part.
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
            storage: FileStorage::Erp,
            folder: String::new(),
            removal_hours: 24,
            bytes_max: 20 * 1024 * 1024,
            transfers_at_once_max: 16,
            transfer_timeout_ms: 300_000,
            types: types.map(str::to_owned).to_vec(),
        }
    }
}

/// Where uploaded files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FileStorage {
    /// By the ERP, as attachments.
    Erp,
    /// In a folder.
    Folder,
}
