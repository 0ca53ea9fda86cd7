//! What only SQLite has: one process per file.

use super::Bed;
use super::accounts::tenant_with_user;
use super::bed::changes;
use super::cursors::cursor_of;
use crate::db::migrations;
use crate::{Cursor, LogSpan, Retention, StoreError};
use bridge_model::{Clock as _, Position, SystemKey};
use futures_util::FutureExt as _;
use std::error::Error as _;

#[tokio::test]
async fn a_second_handle_on_the_file_is_refused_until_the_first_is_closed() {
    let bed = Bed::sqlite();
    let first = bed.open().await;
    let error = bed.try_open(migrations::ALL).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }));
    let reason = error.source().unwrap().to_string();
    assert!(reason.contains("in use by another BridgeCore process"), "{reason}");
    first.close().await;
    bed.open().await.close().await;
}

#[tokio::test]
async fn the_file_is_in_wal_mode_and_every_commit_is_synced() {
    let bed = Bed::sqlite();
    let store = bed.open().await;
    let pragma = async |sql: &'static str| {
        // Through the writer, whose settings they are.
        let statement = crate::db::Statement::new(sql, Vec::new());
        store.db().write(vec![statement]).await.unwrap().remove(0).rows.remove(0)
    };
    assert_eq!(pragma("PRAGMA journal_mode").await.get_text(0).unwrap(), "wal");
    assert_eq!(pragma("PRAGMA synchronous").await.get_i64(0).unwrap(), 2, "2 is FULL");
    assert_eq!(pragma("PRAGMA foreign_keys").await.get_i64(0).unwrap(), 1);
}

/// Requests that cross and requests that are given up in the middle of a write, of which nobody hears how it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_remembered_is_what_is_in_the_file() {
    let bed = Bed::sqlite();
    let store = bed.open().await;
    let (tenant, ada) = tenant_with_user(&store, "ada").await;
    let devices: Vec<Cursor> =
        ["phone-1", "phone-2", "phone-3"].map(|device| cursor_of(&ada, device, &bed)).into_iter().collect();
    for round in 0..150_i64 {
        let mut work = tokio::task::JoinSet::new();
        for n in 0..12_i64 {
            let (store, fresh, now) =
                (store.clone(), devices[usize::try_from(n % 3).unwrap()].clone(), bed.clock.now());
            work.spawn(async move {
                let device = &fresh.key.device;
                let done = match (round + n) % 7 {
                    0 => store.forget_device(tenant, ada.id, device).await.map(drop),
                    1 => store.reset_cursors(tenant, ada.id, device, None, Position::new(round)).await.map(drop),
                    2 => store.append(tenant, changes([round * 100 + n])).await.map(drop),
                    3 => {
                        let keep = Retention { received_before: now, rows_max: 5, keep_after: now, batch_rows_max: 3 };
                        store.trim(tenant, &keep).await.map(drop)
                    }
                    4 => store.purge_cursors(now.plus(std::time::Duration::from_secs(1)), 1).await.map(drop),
                    _ => {
                        let cursor = store.cursor(&fresh.key).await.unwrap().unwrap_or(fresh);
                        store.save_cursor(&cursor).await.map(drop)
                    }
                };
                done.unwrap();
            });
        }
        if round % 2 == 0 {
            // Some of them are in the middle of a write.
            work.join_next().await.unwrap().unwrap();
            work.abort_all();
        }
        while let Some(ended) = work.join_next().await {
            assert!(ended.is_ok() || ended.unwrap_err().is_cancelled());
        }
        // Writes take turns: when this one has ended, so have those that were given up.
        let nothing = crate::db::Statement::new("UPDATE tenants SET name = name", Vec::new());
        store.db().write(vec![nothing]).await.unwrap();
        let kept = store.cursors(tenant, ada.id, None).await.unwrap();
        for fresh in &devices {
            let remembered = store.cursor(&fresh.key).await.unwrap();
            assert_eq!(remembered.as_ref(), kept.iter().find(|cursor| cursor.key == fresh.key), "round {round}");
        }
        let sql = "SELECT trimmed_to, head FROM log_heads";
        if let Some(row) = store.db().read(sql, Vec::new()).await.unwrap().first() {
            let position = |column| Position::new(row.get_i64(column).unwrap());
            assert_eq!(store.kept(tenant).await.unwrap(), LogSpan { after: position(0), up_to: position(1) });
        }
    }
}

#[tokio::test]
async fn an_epoch_whose_opening_nobody_waits_for_is_read_all_the_same() {
    let bed = Bed::sqlite();
    let store = bed.open().await;
    let (tenant, system) = (bed.tenant(&store).await, SystemKey(1));
    assert_eq!(store.source(tenant, system).await.unwrap().identity, None);
    let opening = store.open_epoch(tenant, system, "database 1", 0, None);
    assert!(opening.now_or_never().is_none(), "the caller has gone away");
    // What is written later is committed later.
    store.append(tenant, changes([1])).await.unwrap();
    assert_eq!(store.source(tenant, system).await.unwrap().identity.as_deref(), Some("database 1"));
}
