//! The floor of durable writes: append the same bytes to a file and sync it, in groups of the same size.

use crate::time::now;
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// Events a second that are appended and synced in groups of `group`, each of `event_bytes`. Blocks.
pub(crate) fn events_per_second(
    folder: &Path,
    event_bytes: usize,
    group: usize,
    duration: Duration,
) -> anyhow::Result<f64> {
    let bytes = vec![b'x'; event_bytes * group.max(1)];
    let mut file = tempfile::tempfile_in(folder).context("make a file for the floor")?;
    let begin = now();
    let mut syncs = 0_u32;
    while now() - begin < duration {
        file.write_all(&bytes).context("append")?;
        file.sync_data().context("sync")?;
        syncs += 1;
    }
    let group = u32::try_from(group.max(1)).unwrap_or(u32::MAX);
    Ok(f64::from(syncs) * f64::from(group) / (now() - begin).as_secs_f64())
}
