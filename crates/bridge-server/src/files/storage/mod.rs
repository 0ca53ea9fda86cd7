//! Where the service itself keeps files, where an operator wants that.
//!
//! A file is known by a key, under which it is there whole or not at all. Nothing is ever found by looking around: what
//! is there and what is to be removed stands in the database.

mod file_body;
mod folder;
mod s3;

use crate::config::{self, FileStorage};
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use anyhow::Context as _;
use axum::body::Body;
use bridge_model::{Clock, TenantId, Timestamp};
use bridge_store::FilePlace;
use folder::Folder;
use s3::S3;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// The places that are configured.
#[derive(Debug)]
pub struct Storages {
    new_files: Option<FilePlace>,
    folder: Option<Folder>,
    s3: Option<S3>,
}

/// What a file is called in its place. Each tenant has a part of its own.
#[derive(Debug, Clone, Copy)]
pub struct StorageKey<'a> {
    /// Whose it is.
    pub tenant: TenantId,
    /// Unlike that of any other file; letters and digits.
    pub id: &'a str,
}

impl fmt::Display for StorageKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant.0, self.id)
    }
}

/// Why a file can't be stored, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The place can't be used at this moment.
    #[error("{what}")]
    Away {
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        source: io::Error,
    },
    /// The file is in a place that is not configured.
    #[error("the file is in a place that is not configured: {}", .0.as_str())]
    NotConfigured(FilePlace),
    /// The place does not have the file that the database tells of.
    #[error("the bytes of the file {key} are not there as they should be: {found}")]
    Lost {
        /// What it is called.
        key: String,
        /// What is there in its place.
        found: String,
    },
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Lost { .. } => Self::new(ProblemKind::Internal, Message::internal()),
            _ => Self::new(ProblemKind::Busy, Message::file_storage_away()),
        }
        .caused_by(error)
    }
}

/// A file on its way in. It goes away with this, unless it was stored.
#[derive(Debug)]
pub struct Spool {
    place: FilePlace,
    file: File,
    /// Where it is, if it has a name.
    path: Option<TempPath>,
}

impl Spool {
    /// Where it is to be stored.
    pub fn place(&self) -> FilePlace {
        self.place
    }

    /// Takes the next piece.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), StorageError> {
        self.file.write_all(piece).await.map_err(away("write a file that arrives"))
    }
}

impl Storages {
    /// Prepares the places; the error is a folder that can't be used, or a setting that can't be right. Whether a bucket
    /// can be used shows later: what is needed to start is on this machine alone.
    pub fn open(config: &config::Files, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let folder = match config.folder.as_str() {
            "" => None,
            path => Some(Folder::open(path).with_context(|| format!("prepare the folder {path}"))?),
        };
        let s3 = if config.s3.bucket.is_empty() { None } else { Some(S3::new(&config.s3, Arc::clone(clock))?) };
        let new_files = match config.storage {
            FileStorage::Erp => None,
            FileStorage::Folder => Some(FilePlace::Folder),
            FileStorage::S3 => Some(FilePlace::S3),
        };
        Ok(Self { new_files, folder, s3 })
    }

    /// Where new files go; `None`: into the ERP.
    pub fn of_new_files(&self) -> Option<FilePlace> {
        self.new_files
    }

    /// Where a file can be written that is to be stored in this place.
    pub async fn spool(&self, place: FilePlace) -> Result<Spool, StorageError> {
        match self.at(place)? {
            At::Folder(folder) => folder.spool().await,
            At::S3(s3) => s3.spool().await,
        }
    }

    /// Stores a file with this SHA-256. When this answers, it is there whole and outlives a crash.
    pub async fn store(&self, key: StorageKey<'_>, file: Spool, sha256: &str) -> Result<(), StorageError> {
        match self.at(file.place)? {
            At::Folder(folder) => folder.store(key, file).await,
            At::S3(s3) => s3.store(key, file, sha256).await,
        }
    }

    /// A part of a file that is `size` bytes long, as it is read.
    pub async fn read(
        &self,
        place: FilePlace,
        key: StorageKey<'_>,
        size: u64,
        part: Range<u64>,
    ) -> Result<Body, StorageError> {
        match self.at(place)? {
            At::Folder(folder) => folder.read(key, size, part).await,
            At::S3(s3) => s3.read(key, size, part).await,
        }
    }

    /// Removes a file; that there is none is no error.
    pub async fn remove(&self, place: FilePlace, key: StorageKey<'_>) -> Result<(), StorageError> {
        match self.at(place)? {
            At::Folder(folder) => folder.remove(key).await,
            At::S3(s3) => s3.remove(key).await,
        }
    }

    /// Removes what uploads that were begun before this time left behind when the process died; answers how many they
    /// were.
    pub async fn clear_spools(&self, begun_before: Timestamp) -> Result<u64, StorageError> {
        match &self.folder {
            Some(folder) => folder.clear_spools(begun_before).await,
            None => Ok(0),
        }
    }

    fn at(&self, place: FilePlace) -> Result<At<'_>, StorageError> {
        let found = match place {
            FilePlace::Folder => self.folder.as_ref().map(At::Folder),
            FilePlace::S3 => self.s3.as_ref().map(At::S3),
        };
        found.ok_or(StorageError::NotConfigured(place))
    }
}

/// A place that is configured.
enum At<'a> {
    Folder(&'a Folder),
    S3(&'a S3),
}

fn away(what: &'static str) -> impl FnOnce(io::Error) -> StorageError {
    move |source| StorageError::Away { what, source }
}

/// Does what waits for the disk where nothing else waits.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
