//! Many writers at once, with everything that goes wrong meanwhile: what was committed is what is told.

use super::database::{ErpDatabase, log_when, quick, register, running};
use crate::support::Setup;
use bridge_model::Change;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use tokio_postgres::{Client, Transaction};

const WRITERS: u64 = 6;
const TRANSACTIONS: u64 = 40;

/// What was done to one record, with the version that its row had then; 0 for a deletion, which shows none.
type Done = (String, i64, &'static str, i64);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_writers_commit_is_told_once_and_each_record_in_order() {
    for seed in [1, 2] {
        torture(seed).await;
    }
}

async fn torture(seed: u64) {
    let setup = quick(Setup::sqlite()).config(|config| config.wal.batch_rows_max = 50);
    let erp = ErpDatabase::create().await;
    erp.sql("INSERT INTO res_partner (version) SELECT 0 FROM generate_series(1, 10)").await;
    erp.sql("INSERT INTO sale_order (version) SELECT 0 FROM generate_series(1, 10)").await;
    let mut app = setup.start().await;
    let mut admin = app.admin().await;
    register(&app, &admin, &erp).await;
    running(&admin).await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = erp.connect().await;
        let random = ChaCha8Rng::seed_from_u64(seed * 1_000 + writer);
        writers.push(tokio::spawn(write(client, random)));
    }
    // Meanwhile the service is cut off and started anew.
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    while writers.iter().any(|writer| !writer.is_finished()) {
        if random.random_bool(0.5) {
            erp.cut().await;
        } else {
            app = app.stop().await.start().await;
        }
        admin = app.admin().await;
        running(&admin).await;
    }
    let mut expected: Vec<Done> = Vec::new();
    for writer in writers {
        expected.extend(writer.await.unwrap());
    }
    let told =
        |log: &[Change]| log.iter().filter(|change| change.body.record_id.is_some()).map(done).collect::<Vec<_>>();
    let all = expected.len();
    let log = log_when(&app, &admin, "everything is told", |log| told(log).len() >= all).await;
    let found = told(&log);
    for (record, versions) in by_record(&found) {
        assert!(versions.is_sorted(), "seed {seed}: {record:?} is told out of order: {versions:?}");
    }
    let (mut found, mut expected) = (found, expected);
    found.sort();
    expected.sort();
    assert!(found == expected, "seed {seed}: {} were committed and {} told", expected.len(), found.len());
    app.stop().await;
    erp.drop_slots().await;
}

/// The versions of each record in the order of the log, without deletions.
fn by_record(done: &[Done]) -> BTreeMap<(&str, i64), Vec<i64>> {
    let mut records = BTreeMap::<_, Vec<i64>>::new();
    for (model, id, _, version) in done.iter().filter(|(.., version)| *version > 0) {
        records.entry((model.as_str(), *id)).or_default().push(*version);
    }
    records
}

fn done(change: &Change) -> Done {
    let body = &change.body;
    let id = body.record_id.as_ref().unwrap().to_stored().parse().unwrap();
    let version = body
        .new_data
        .as_ref()
        .map_or(0, |row| serde_json::from_str::<serde_json::Value>(row.get()).unwrap()["version"].as_i64().unwrap());
    (body.model.to_string(), id, body.event.as_str(), version)
}

/// Writes in transactions of its own and answers what it committed.
async fn write(mut client: Client, mut random: ChaCha8Rng) -> Vec<Done> {
    let mut committed = Vec::new();
    for _ in 0..TRANSACTIONS {
        let mut done = Vec::new();
        let mut transaction = client.transaction().await.unwrap();
        // One record after the other in the order of their names, so that no two writers wait for each other.
        let mut records: Vec<(&str, &str, i64)> = (0..random.random_range(1..6))
            .map(|_| {
                let (table, model) =
                    if random.random_bool(0.5) { ("res_partner", "res.partner") } else { ("sale_order", "sale.order") };
                (table, model, random.random_range(1..=10))
            })
            .collect();
        records.sort_unstable();
        records.dedup();
        for (table, model, id) in records {
            match random.random_range(0..10) {
                0..6 => done.extend(update(&transaction, table, model, id).await),
                6..8 => done.extend(insert(&transaction, table, model, random.random_bool(0.3)).await),
                8 => {
                    // What is taken back to a savepoint was never there.
                    let inner = transaction.savepoint("before").await.unwrap();
                    update(&inner, table, model, id).await;
                    insert(&inner, table, model, false).await;
                    inner.rollback().await.unwrap();
                }
                _ => {
                    let inner = transaction.savepoint("before").await.unwrap();
                    done.extend(update(&inner, table, model, id).await);
                    inner.commit().await.unwrap();
                }
            }
        }
        if random.random_bool(0.1) {
            // Stays open while others commit.
            let rows = random.random_range(100_000..1_500_000);
            let sql = format!("SELECT sum(n) FROM generate_series(1, {rows}) AS n");
            transaction.batch_execute(&sql).await.unwrap();
        }
        if random.random_bool(0.2) {
            transaction.rollback().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
            committed.extend(done);
        }
    }
    committed
}

async fn update(transaction: &Transaction<'_>, table: &str, model: &str, id: i64) -> Option<Done> {
    let sql = format!("UPDATE {table} SET version = nextval('versions') WHERE id = {id} RETURNING version");
    // The version is given while the row is locked, so that it grows with each write of the record.
    let lock = format!("SELECT 1 FROM {table} WHERE id = {id} FOR UPDATE");
    transaction.query(&lock, &[]).await.unwrap();
    let row = transaction.query_opt(&sql, &[]).await.unwrap()?;
    Some((model.to_owned(), id, "write", row.get(0)))
}

/// Adds a record, and deletes it in the same transaction or leaves it.
async fn insert(transaction: &Transaction<'_>, table: &str, model: &str, delete: bool) -> Vec<Done> {
    let sql = format!("INSERT INTO {table} (version) VALUES (nextval('versions')) RETURNING id, version");
    let row = transaction.query_one(&sql, &[]).await.unwrap();
    let id = i64::from(row.get::<_, i32>(0));
    let mut done = vec![(model.to_owned(), id, "create", row.get(1))];
    if delete {
        transaction.batch_execute(&format!("DELETE FROM {table} WHERE id = {id}")).await.unwrap();
        done.push((model.to_owned(), id, "unlink", 0));
    }
    done
}
