//! Opening: an empty database, one of the previous version, a newer one, and one that was closed or left.

use super::bed::{changes, ids, positions};
use super::{Bed, contract, eventually};
use crate::db::{Statement, migrations, params};
use crate::{LogQuery, LogRead, StoreError};
use bridge_model::{Position, TenantId};
use futures_util::future::join_all;

contract! {
    an_empty_database_and_the_previous_version_come_up_with_their_data,
    a_newer_database_is_refused,
    what_was_answered_is_there_after_reopening,
    a_closed_store_refuses_and_the_next_one_opens,
    nodes_that_start_at_once_do_not_hinder_each_other,
}

async fn an_empty_database_and_the_previous_version_come_up_with_their_data(bed: Bed) {
    for version in 1..migrations::ALL.len() {
        let old_bed = bed.blank().await;
        let old = old_bed.try_open(&migrations::ALL[..version]).await.unwrap();
        let sql = "INSERT INTO tenants (name, plan, created_at) VALUES ('old', 'free', 0) RETURNING id";
        let rows = old.db().write(vec![Statement::new(sql, params![])]).await.unwrap().remove(0).rows;
        let tenant = TenantId(rows[0].get_i64(0).unwrap());
        old.append(tenant, changes([1, 2])).await.unwrap();
        old.close().await;

        let new = old_bed.open().await;
        assert_eq!(positions(&new.append(tenant, changes([2, 3])).await.unwrap()), [0, 3]);
        assert_eq!(new.tenant(tenant).await.unwrap().unwrap().name, "old");
        assert_eq!(new.job_counts().await.unwrap().queued, 0, "the tables of the newer version are there");
        new.close().await;
        old_bed.remove().await;
    }
}

async fn a_newer_database_is_refused(bed: Bed) {
    let store = bed.open().await;
    let sql = "INSERT INTO schema_migrations (number, name, applied_at) VALUES (99, 'from the future', 0)";
    store.db().write(vec![Statement::new(sql, params![])]).await.unwrap();
    store.close().await;
    let error = bed.try_open(migrations::ALL).await.unwrap_err();
    assert!(matches!(error, StoreError::Migration { .. }));
    assert!(error.to_string().contains("schema version 99"), "{error}");
}

async fn what_was_answered_is_there_after_reopening(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    store.append(tenant, changes([1, 2, 3])).await.unwrap();
    // Left, not closed: what was answered needs no farewell.
    drop(store);
    eventually("the file is free again", async || bed.try_open(migrations::ALL).await.is_ok()).await;
    eventually("the file is free again", async || match bed.try_open(migrations::ALL).await {
        Ok(store) => {
            let query = LogQuery {
                after: Position::START,
                models: None,
                system: None,
                limit: 10,
                scan_max: 10,
                contents: true,
            };
            let LogRead::Page(page) = store.read(tenant, &query).await.unwrap() else { panic!("not a page") };
            assert_eq!(ids(&page.changes), [1, 2, 3]);
            true
        }
        Err(_) => false,
    })
    .await;
}

async fn a_closed_store_refuses_and_the_next_one_opens(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    // Everything that was queued before closing is written.
    let appends: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.append(tenant, changes([number])).await.is_ok() })
        })
        .collect();
    let kept = join_all(appends);
    store.append(tenant, changes([100])).await.unwrap();
    store.close().await;
    let kept = kept.await.into_iter().filter(|kept| *kept.as_ref().unwrap()).count();
    let refused = store.append(tenant, changes([101])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert!(store.head(tenant).await.is_err());
    store.close().await;
    let next = bed.open().await;
    assert_eq!(next.head(tenant).await.unwrap().get(), 1 + i64::try_from(kept).unwrap());
    next.ping().await.unwrap();
}

async fn nodes_that_start_at_once_do_not_hinder_each_other(bed: Bed) {
    let blank = bed.blank().await;
    let count = if bed.is_postgres() { 6 } else { 1 };
    let opened = join_all((0..count).map(|_| blank.try_open(migrations::ALL))).await;
    for store in opened {
        let store = store.unwrap();
        let rows = store.db().read("SELECT COUNT(*) FROM schema_migrations", params![]).await.unwrap();
        assert_eq!(rows[0].get_u64(0).unwrap(), migrations::ALL.len() as u64);
        store.close().await;
    }
    blank.remove().await;
}
