//! Files in a folder: one that arrives is written beside the others, synced and then given its name, so that nobody ever
//! meets half of one, and what was answered is there after a crash of the machine.

use super::file_body::FileBody;
use super::{Spool, StorageError, StorageKey, away, blocking};
use axum::body::Body;
use bridge_model::Timestamp;
use bridge_store::FilePlace;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// The part of the folder in which files arrive; the others are named by the numbers of tenants.
const INCOMING: &str = "incoming";

/// A folder.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes what is missing of it.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let root = PathBuf::from(path);
        let incoming = root.join(INCOMING);
        private().recursive(true).create(&incoming)?;
        // Better no start than a service that takes no file.
        tempfile::tempfile_in(&incoming)?;
        Ok(Self(root))
    }

    pub(super) async fn spool(&self) -> Result<Spool, StorageError> {
        let incoming = self.0.join(INCOMING);
        let file = blocking(move || tempfile::NamedTempFile::new_in(incoming)).await.map_err(away("begin a file"))?;
        let (file, path) = file.into_parts();
        Ok(Spool { place: FilePlace::Folder, file: File::from_std(file), path: Some(path) })
    }

    pub(super) async fn store(&self, key: StorageKey<'_>, spool: Spool) -> Result<(), StorageError> {
        let Spool { mut file, path: arrived, .. } = spool;
        let (root, path) = (self.0.clone(), self.path(key));
        file.flush().await.map_err(away("write a file that arrives"))?;
        let file = file.into_std().await;
        let work = move || {
            file.sync_all()?;
            let folder = path.parent().unwrap_or(&root);
            match private().create(folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let arrived = arrived.ok_or(ErrorKind::NotFound)?;
            arrived.persist(&path).map_err(|error| error.error)?;
            // A name is in its folder for good only when that was synced.
            sync_folder(folder)?;
            sync_folder(&root)
        };
        blocking(work).await.map_err(away("store a file in the folder"))
    }

    pub(super) async fn read(&self, key: StorageKey<'_>, size: u64, part: Range<u64>) -> Result<Body, StorageError> {
        let lost = |found: String| StorageError::Lost { key: key.to_string(), found };
        let (path, incoming) = (self.path(key), self.0.join(INCOMING));
        let open = move || match fs::File::open(path) {
            // A folder that is not mounted has no file either, and it will be back.
            Err(error) if error.kind() == ErrorKind::NotFound && incoming.is_dir() => Ok(None),
            Err(error) => Err(error),
            Ok(file) => {
                let found = file.metadata()?.len();
                Ok(Some((file, found)))
            }
        };
        match blocking(open).await.map_err(away("read a file in the folder"))? {
            Some((file, found)) if found == size => Ok(Body::new(FileBody::new(Arc::new(file), part))),
            Some((_, found)) => Err(lost(format!("{found} bytes and not {size}"))),
            None => Err(lost("nothing".to_owned())),
        }
    }

    pub(super) async fn remove(&self, key: StorageKey<'_>) -> Result<(), StorageError> {
        let (root, path) = (self.0.clone(), self.path(key));
        let work = move || match fs::remove_file(&path) {
            // As above: what is not mounted may still have the file.
            Err(error) if error.kind() == ErrorKind::NotFound && root.join(INCOMING).is_dir() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync_folder(path.parent().unwrap_or(&root)),
        };
        blocking(work).await.map_err(away("remove a file from the folder"))
    }

    pub(super) async fn clear_spools(&self, begun_before: Timestamp) -> Result<u64, StorageError> {
        let incoming = self.0.join(INCOMING);
        blocking(move || clear(&incoming, begun_before)).await.map_err(away("clear what uploads left behind"))
    }

    fn path(&self, key: StorageKey<'_>) -> PathBuf {
        self.0.join(key.to_string())
    }
}

fn clear(incoming: &Path, begun_before: Timestamp) -> io::Result<u64> {
    let before = system_time(begun_before);
    let mut cleared = 0;
    for entry in fs::read_dir(incoming)? {
        let entry = entry?;
        // One that has gone meanwhile was stored or given up.
        let Ok(about) = entry.metadata() else { continue };
        if about.is_file() && about.modified()? < before && fs::remove_file(entry.path()).is_ok() {
            cleared += 1;
        }
    }
    Ok(cleared)
}

fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or_default())
}

/// Makes folders that nobody else may look into.
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
