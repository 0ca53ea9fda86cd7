//! Positions are in commit order: a reader that goes on from the last position it has seen misses nothing.

use super::bed::{changes, ids};
use super::{Bed, contract, eventually};
use crate::{LogQuery, LogRead};
use bridge_model::Position;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

contract! { a_follower_misses_nothing_of_64_concurrent_writers }

const WRITERS: i64 = 64;
const APPENDS: i64 = 12;

/// On PostgreSQL the writers are spread over three nodes, each with a transaction of its own under way.
async fn a_follower_misses_nothing_of_64_concurrent_writers(bed: Bed) {
    let nodes = bed.nodes(3).await;
    let tenant = bed.tenant(&nodes[0]).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = nodes[usize::try_from(writer).unwrap() % nodes.len()].clone();
        writers.spawn(async move {
            for append in 0..APPENDS {
                let first = (writer * APPENDS + append) * 3;
                store.append(tenant, changes(first..first + 3)).await.unwrap();
            }
        });
    }
    let store = nodes[0].clone();
    let follower = tokio::spawn(async move {
        let mut query =
            LogQuery { after: Position::START, models: None, system: None, limit: 50, scan_max: 200, contents: true };
        let mut seen = Vec::new();
        let total = usize::try_from(WRITERS * APPENDS * 3).unwrap();
        while seen.len() < total {
            let LogRead::Page(page) = store.read(tenant, &query).await.unwrap() else { panic!("not a page") };
            for (expected, change) in (query.after.get() + 1..).zip(&page.changes) {
                assert_eq!(change.position.get(), expected, "a position that appears later would be missed");
            }
            seen.extend(ids(&page.changes));
            query.after = page.scanned_to;
        }
        seen
    });
    writers.join_all().await;
    let seen = tokio::time::timeout(std::time::Duration::from_mins(1), follower).await.unwrap().unwrap();
    let unique: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!(unique, (0..WRITERS * APPENDS * 3).collect::<BTreeSet<_>>());
    assert_eq!(seen.len(), unique.len(), "each once");
    // The three changes of one append stand together: nobody else's came between them.
    assert!(seen.chunks(3).all(|three| three[0] % 3 == 0 && three[1] == three[0] + 1 && three[2] == three[0] + 2));
}

/// The control: the same slow transaction, once with a sequence, where the follower loses the row, and once with
/// the log, where the faster writer has to wait for its turn and nothing is lost.
async fn a_slow_transaction_loses_a_row_of_a_sequence_but_none_of_the_log(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let (slow, quick) = (bed.client().await, bed.client().await);
    quick.batch_execute("CREATE TABLE control (id BIGSERIAL PRIMARY KEY, who TEXT)").await.unwrap();
    slow.batch_execute("BEGIN; INSERT INTO control (who) VALUES ('slow')").await.unwrap();
    quick.batch_execute("INSERT INTO control (who) VALUES ('quick')").await.unwrap();
    let follow = "SELECT id FROM control WHERE id > $1 ORDER BY id";
    let first: Vec<i64> = quick.query(follow, &[&0_i64]).await.unwrap().iter().map(|row| row.get(0)).collect();
    slow.batch_execute("COMMIT").await.unwrap();
    let second = quick.query(follow, &[&first[0]]).await.unwrap();
    assert_eq!((first, second.len()), (vec![2], 0), "the slow writer's row 1 is never seen");

    store.append(tenant, changes([1])).await.unwrap();
    // What another node does in its append, up to its commit.
    slow.batch_execute(
        "BEGIN; SELECT * FROM log_heads FOR UPDATE; UPDATE log_heads SET head = 2;
         INSERT INTO changes SELECT tenant_id, 2, system_key, epoch, 'slow', model, record_id, event, priority,
            occurred_at, received_at, origin FROM changes",
    )
    .await
    .unwrap();
    let quick_append = tokio::spawn({
        let store = store.clone();
        async move { store.append(tenant, changes([3])).await.unwrap().positions }
    });
    eventually("the append waits for the lock", async || {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        quick.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await;
    let mut query =
        LogQuery { after: Position::new(1), models: None, system: None, limit: 10, scan_max: 100, contents: true };
    let LogRead::Page(page) = store.read(tenant, &query).await.unwrap() else { panic!("not a page") };
    assert_eq!((page.changes.len(), page.scanned_to), (0, Position::new(1)), "nothing passes the slow writer");
    assert!(!quick_append.is_finished());
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(quick_append.await.unwrap(), [Some(Position::new(3))]);
    query.after = page.scanned_to;
    let LogRead::Page(page) = store.read(tenant, &query).await.unwrap() else { panic!("not a page") };
    let seen: Vec<_> = page.changes.iter().map(|change| change.position.get()).collect();
    assert_eq!(seen, [2, 3]);
}

mod control {
    use super::super::Bed;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slow_transaction_loses_a_row_of_a_sequence_but_none_of_the_log() {
        let test = super::a_slow_transaction_loses_a_row_of_a_sequence_but_none_of_the_log;
        Bed::postgres().await.run(test).await;
    }
}
