//! The folder outside the repository that keeps what takes long to make.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{account, process::Stop};

/// What was made is marked by a stamp that is written last, so that a step which was killed
/// half-way is done again. A stamp holds the key of what it was made from.
pub(crate) struct Cache {
    root: PathBuf,
    lock: Option<File>,
}

impl Cache {
    /// Opens the folder named by `BRIDGECORE_TEST_CACHE`, or the default one, and holds it alone
    /// until dropped or released.
    pub(crate) fn open(stop: &Stop) -> Result<Self> {
        Self::open_at(default_root()?, stop)
    }

    fn open_at(root: PathBuf, stop: &Stop) -> Result<Self> {
        fs::create_dir_all(root.join("stamps"))
            .with_context(|| format!("create the cache folder {}", root.display()))?;
        let lock = File::create(root.join("lock")).context("open the cache's lock")?;
        let mut told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        println!("xtask: waiting for another run to leave {}", root.display());
                        told = true;
                    }
                    stop.check()?;
                    thread::sleep(Duration::from_millis(200));
                }
                Err(TryLockError::Error(error)) => return Err(error).context("lock the cache"),
            }
        }
        Ok(Self { root, lock: Some(lock) })
    }

    /// Lets other runs into the cache. What was made stays readable.
    pub(crate) fn release(&mut self) {
        self.lock = None;
    }

    /// The folder `name`, made by `make` unless it was made from the same `key` before.
    ///
    /// `make` gets an empty folder. Its failure leaves no stamp, so the next run starts over.
    pub(crate) fn ensure(&self, name: &str, key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let dir = self.root.join(name);
        let stamp = self.root.join("stamps").join(name);
        if dir.is_dir() && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == key) {
            return Ok(dir);
        }
        remove_file(&stamp)?;
        remove_dir(&dir)?;
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        println!("xtask: making {name} in {}", self.root.display());
        make(&dir).with_context(|| format!("make {name}"))?;
        let fresh = stamp.with_extension("new");
        fs::write(&fresh, key).context("write a stamp")?;
        fs::rename(&fresh, &stamp).context("put a stamp in place")?;
        Ok(dir)
    }
}

fn default_root() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("BRIDGECORE_TEST_CACHE") {
        return std::path::absolute(PathBuf::from(named)).context("resolve BRIDGECORE_TEST_CACHE");
    }
    if account::is_root()? {
        // Not below root's home: the servers run unprivileged and could not reach it there.
        return Ok("/var/cache/bridgecore-test".into());
    }
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    Ok(PathBuf::from(home).join(".cache/bridgecore-test"))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_step_is_done_once_per_key_and_again_after_a_failure() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(home.path().join("cache"), &Stop::never()).unwrap();
        let mut runs = 0;
        for (key, fails, runs_after) in
            [("1", true, 1), ("1", false, 2), ("1", false, 2), ("2", true, 3), ("2", false, 4)]
        {
            let outcome = cache.ensure("step", key, |dir| {
                runs += 1;
                assert_eq!(fs::read_dir(dir)?.count(), 0, "left-overs of an earlier try");
                fs::write(dir.join("part"), key)?;
                if fails {
                    bail!("killed half-way");
                }
                Ok(())
            });
            assert_eq!(outcome.is_err(), fails);
            assert_eq!(runs, runs_after, "key {key}");
        }
    }

    #[test]
    fn a_released_cache_lets_the_next_run_in() {
        let home = tempfile::tempdir().unwrap();
        let mut first = Cache::open_at(home.path().to_owned(), &Stop::never()).unwrap();
        first.release();
        Cache::open_at(home.path().to_owned(), &Stop::never()).unwrap();
    }
}
