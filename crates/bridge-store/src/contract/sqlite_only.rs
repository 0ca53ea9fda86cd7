//! What only SQLite has: one process per file.

use super::Bed;
use crate::StoreError;
use crate::db::migrations;
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
