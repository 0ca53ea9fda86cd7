//! How files are passed on, and where they are kept.

use serde::{Deserialize, Serialize};

/// How files are passed on, and where they are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Where uploaded files are kept: `erp`, as attachments of their records there; `folder`, in the folder of that name;
    /// `s3`, in a bucket. Files that are in another place stay there and can be read as long as that is configured.
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
    /// The bucket in which the service keeps files.
    pub s3: S3,
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
            s3: S3::default(),
        }
    }
}

/// A bucket of an S3-compatible service.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    /// Its name. Empty: there is none.
    pub bucket: String,
    /// The address of the service, `https://files.example.com`. Empty: that of Amazon in the region.
    pub endpoint: String,
    /// The region, which is part of every signature; services that have none mostly want this one.
    pub region: String,
    /// What the names of files in the bucket begin with, so that other things can be in it too.
    pub prefix: String,
    /// The name of the key by which requests are signed. It needs to put, get and delete objects, and nothing else.
    pub access_key_id: String,
    /// The key itself.
    pub secret_access_key: String,
    /// Whether the bucket is named in the path (`https://host/bucket/…`) and not before the host.
    pub path_style: bool,
    /// Whether an endpoint without encryption (`http://`) is taken.
    pub allow_http: bool,
    /// How long the service may take to answer, in milliseconds. To take a file it has a second more for each MiB.
    pub timeout_ms: u64,
    /// Where files wait on their way to the bucket, with room for `bytes_max` times `transfers_at_once_max`. Empty: where
    /// the machine keeps what is temporary.
    pub spool_folder: String,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
            path_style: true,
            allow_http: false,
            timeout_ms: 20_000,
            spool_folder: String::new(),
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
    /// In a bucket.
    S3,
}
