//! Readers that look right and are not: the same writers make them lose changes, so that a torture test which passes
//! means something.

use super::script::Script;
use super::{Asked, writers};
use crate::support::OdooDatabase;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Reads rows above the highest value that was read, again and again, until the writers have ended.
async fn read_above(database: &OdooDatabase, sql: &str, start: &str, ended: &std::cell::Cell<bool>) -> BTreeSet<i64> {
    let client = database.client().await;
    let (mut cursor, mut found) = (start.to_owned(), BTreeSet::new());
    loop {
        // Whatever the last look does not see is never seen.
        let is_last = ended.get();
        for row in client.query(sql, &[&cursor]).await.unwrap() {
            found.insert(row.get::<_, i64>(0));
            cursor = row.get(1);
        }
        if is_last {
            return found;
        }
        client.execute("SELECT pg_sleep_for('5 ms')", &[]).await.unwrap();
    }
}

const BY_ID: &str = "SELECT id AS found, id::text AS cursor FROM bridgecore.outbox
    WHERE id > $1::text::bigint ORDER BY bridgecore.outbox.id";
const BY_WRITE_DATE: &str = "SELECT id::bigint AS found, write_date::text AS cursor FROM res_partner
    WHERE write_date > $1::text::timestamp ORDER BY res_partner.write_date, res_partner.id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_by_id_and_by_write_date_lose_changes() {
    let database = OdooDatabase::create().await;
    let client = database.client().await;
    client.batch_execute("CREATE TABLE torture_marks (number bigint PRIMARY KEY)").await.unwrap();
    database.install(&database.options()).await;
    let asked = Asked::of_environment();
    let (mut lost_by_id, mut lost_by_date) = (0, 0);
    for seed in asked.seed..asked.seed + 10 {
        let script = Script::of(&mut ChaCha8Rng::seed_from_u64(seed), asked.hold_ms_max);
        let (id, date) = {
            let sql = "SELECT coalesce(max(id), 0)::text, now()::timestamp::text FROM bridgecore.outbox";
            let row = client.query_one(sql, &[]).await.unwrap();
            (row.get::<_, String>(0), row.get::<_, String>(1))
        };
        let ended = std::cell::Cell::new(false);
        let writing = async {
            writers::run(&database, &script).await;
            ended.set(true);
        };
        let (by_id, by_date) =
            (read_above(&database, BY_ID, &id, &ended), read_above(&database, BY_WRITE_DATE, &date, &ended));
        let ((), by_id, by_date) = tokio::join!(writing, by_id, by_date);
        let all = async |sql: &str, from: &str| -> BTreeSet<i64> {
            client.query(sql, &[&from]).await.unwrap().iter().map(|row| row.get(0)).collect()
        };
        lost_by_id += all(BY_ID, &id).await.difference(&by_id).count();
        lost_by_date += all(BY_WRITE_DATE, &date).await.difference(&by_date).count();
    }
    assert!(lost_by_id > 0, "a reader by id should lose something");
    assert!(lost_by_date > 0, "a reader by write_date should lose something");
}
