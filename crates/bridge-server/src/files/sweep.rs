//! Removes the bytes of files that nobody sees any more.

use super::StorageKey;
use crate::context::Context;
use anyhow::Context as _;
use std::time::Duration;

/// How many rows are read at once.
const PAGE_ROWS: u32 = 500;

/// The most files that one run removes; the next goes on.
const FILES_MAX: usize = 50_000;

/// Removes what was deleted, and what uploads that were cut off left behind, each when it has been so for
/// `files.removal_hours`. A file that can't be removed hinders no other; the first failure is answered at the end.
pub async fn sweep(cx: &Context) -> anyhow::Result<()> {
    let hidden_to = cx.clock.now().minus(Duration::from_secs(cx.config.files.removal_hours * 3_600));
    let mut first_failure = cx.storages.clear_spools(hidden_to).await.map(drop).context("clear what uploads left");
    let (mut last, mut looked_at) = (None, 0);
    while looked_at < FILES_MAX {
        let page = cx.store.hidden_files(hidden_to, last.as_ref(), PAGE_ROWS).await.context("find deleted files")?;
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        looked_at += page.len();
        for file in page {
            // The bytes first: a row that goes before them would leave them there for ever.
            let key = StorageKey { tenant: file.tenant, id: &file.id };
            match cx.storages.remove(file.place, key).await {
                Ok(()) => {
                    cx.store.forget_hidden_file(&file).await.context("forget a deleted file")?;
                }
                Err(error) if first_failure.is_ok() => {
                    first_failure = Err(error).with_context(|| format!("remove the file {key}"));
                }
                Err(_) => {}
            }
        }
    }
    first_failure
}
