//! What only PostgreSQL has: connections that can be cut, and several nodes.

use super::bed::{changes, positions};
use super::{Bed, eventually};
use bridge_model::Position;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_cut_are_made_anew() {
    Bed::postgres().await.run(cut).await;
}

async fn cut(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    store.append(tenant, changes([1])).await.unwrap();
    for number in 2..6 {
        bed.disconnect_all(&bed.client().await).await;
        // Nothing can have been done on the dead connection, so that no caller notices.
        assert_eq!(store.head(tenant).await.unwrap(), Position::new(number - 1));
        bed.disconnect_all(&bed.client().await).await;
        assert_eq!(positions(&store.append(tenant, changes([number])).await.unwrap()), [number]);
        bed.disconnect_all(&bed.client().await).await;
        bed.tenant(&store).await;
    }
    assert_eq!(store.tenants().await.unwrap().len(), 5, "each was made once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_is_cut_while_it_waits_is_done_once() {
    Bed::postgres().await.run(cut_while_waiting).await;
}

async fn cut_while_waiting(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    store.append(tenant, changes([1])).await.unwrap();
    let (stall, other) = (bed.client().await, bed.client().await);
    stall.batch_execute("BEGIN; SELECT * FROM log_heads FOR UPDATE").await.unwrap();
    let append = tokio::spawn({
        let store = store.clone();
        async move { store.append(tenant, changes([2, 3])).await }
    });
    eventually("the append waits for the lock", async || {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        !other.query(sql, &[]).await.unwrap().is_empty()
    })
    .await;
    stall.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(positions(&append.await.unwrap().unwrap()), [2, 3]);
    assert_eq!(store.head(tenant).await.unwrap(), Position::new(3));
}
