//! Readers that look right and are not: the same writers make them lose changes, and the same judgement says so. A
//! torture test that passes means something because of them.

use super::judge::{Course, Lives, PATIENCE, Told, compare, digest, states};
use super::link::{Link, connect};
use super::odoo::{self, Asked as Question, rows};
use super::script::{Script, TABLES};
use super::writers::{self, Change, Writers};
use super::{Asked, Versions};
use crate::support::{OdooDatabase, eventually};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;
use tokio::sync::watch;
use tokio_postgres::Client;

/// How many scripts the writers go through. Each of them ends with what every such reader loses.
const ROUNDS: u64 = 3;

/// What writers and reader know of each other.
#[derive(Default)]
struct Meeting {
    ended: Cell<bool>,
    looks: watch::Sender<u64>,
}

/// Reads what has a higher id than what was read, again and again, until the writers have ended.
async fn read_above(url: &str, sql: &str, mut last: i64, meeting: &Meeting) -> Vec<Told> {
    let mut told = Vec::new();
    let client = connect(url).await;
    loop {
        // Whatever the last look does not see is never seen.
        let is_last = meeting.ended.get();
        for row in client.query(sql, &[&last]).await.unwrap() {
            let (name, event): (String, String) = (row.get(1), row.get(3));
            let Some((_, model)) = TABLES.iter().find(|(table, model)| name == *table || name == *model) else {
                continue;
            };
            let event = match event.as_str() {
                "I" | "create" => "create",
                "U" | "write" => "write",
                "D" | "unlink" => "unlink",
                _ => "reset",
            };
            last = row.get(0);
            told.push(Told {
                position: i64::try_from(told.len()).unwrap(),
                model: (*model).to_owned(),
                record: row.get(2),
                event: event.to_owned(),
                version: 0,
                source_id: None,
                received_us: 0,
            });
        }
        if is_last {
            return told;
        }
        meeting.looks.send_modify(|looks| *looks += 1);
        client.execute("SELECT pg_sleep_for('5 ms')", &[]).await.unwrap();
    }
}

/// Lets the writers follow their script. In the end a record is made by a transaction that is still open when the reader has
/// seen a later one, which is made, and deleted again, by transactions of their own.
async fn write(writers: &Writers, script: &Script, meeting: &Meeting) -> Vec<Change> {
    let mut committed = writers::run(writers, script).await;
    let (slow, quick) = (connect(&writers.url).await, connect(&writers.url).await);
    slow.batch_execute("BEGIN").await.unwrap();
    committed.push(change(&slow, "INSERT INTO res_partner (version) VALUES (1) RETURNING id", "create").await);
    // Odoo tells times in whole seconds.
    let began: String = slow.query_one("SELECT date_trunc('second', now())::text", &[]).await.unwrap().get(0);
    eventually("the next second", PATIENCE, async || {
        let sql = "SELECT date_trunc('second', clock_timestamp())::text";
        let now: String = quick.query_one(sql, &[]).await.unwrap().get(0);
        (now != began).then_some(())
    })
    .await;
    let later = change(&quick, "INSERT INTO res_partner (version) VALUES (1) RETURNING id", "create").await;
    // A look that had begun before may not have seen it.
    let mut looks = meeting.looks.subscribe();
    let seen = *looks.borrow() + 2;
    tokio::time::timeout(PATIENCE, looks.wait_for(|looks| *looks >= seen)).await.unwrap().unwrap();
    let delete = format!("DELETE FROM res_partner WHERE id = {} RETURNING id", later.record.unwrap());
    committed.extend([later, change(&quick, &delete, "unlink").await]);
    slow.batch_execute("COMMIT").await.unwrap();
    meeting.ended.set(true);
    committed
}

/// Changes the partner whose id the statement answers.
async fn change(client: &Client, sql: &str, event: &'static str) -> Change {
    let record: i32 = client.query_one(sql, &[]).await.unwrap().get(0);
    Change { model: "res.partner".to_owned(), record: Some(record.into()), version: 1, event, committed_us: 0 }
}

/// Lets the writers write, and a reader by id read; answers in how many rounds the judgement found it out.
async fn found_out(database: &OdooDatabase, newest: &str, above: &str, truncate: bool) -> u64 {
    let asked = Asked::of_environment();
    let writers = Writers { url: database.url(), truncate };
    let mut found_out = 0;
    for seed in asked.seed..asked.seed + ROUNDS {
        let script = Script::of(&mut ChaCha8Rng::seed_from_u64(seed), 150);
        let last: i64 = Link::to(database.url()).ask(newest, &[]).await.get(0);
        let meeting = Meeting::default();
        let reading = read_above(&writers.url, above, last, &meeting);
        let (committed, told) = tokio::join!(write(&writers, &script, &meeting), reading);
        if let Err(wrong) = compare(&Course::Whole(committed), &told, Versions::Untold) {
            println!("seed {seed}: {wrong}");
            found_out += 1;
        }
    }
    found_out
}

async fn database_with_marks() -> OdooDatabase {
    let database = OdooDatabase::create().await;
    let marks = "CREATE TABLE torture_marks (number bigint PRIMARY KEY)";
    database.client().await.batch_execute(marks).await.unwrap();
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_queue_by_id_loses_changes() {
    let database = database_with_marks().await;
    database.install(&database.options()).await;
    let newest = "SELECT coalesce(max(id), 0) FROM bridgecore.outbox";
    let above =
        "SELECT id, table_name, record_id, operation::text FROM bridgecore.outbox WHERE id > $1::bigint ORDER BY id";
    assert_eq!(found_out(&database, newest, above, true).await, ROUNDS, "a reader by id should lose something");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_add_ons_events_by_id_loses_changes() {
    let database = database_with_marks().await;
    odoo::keep_events(&database).await;
    let newest = "SELECT coalesce(max(id), 0)::bigint FROM update_webhook";
    let above = "SELECT id::bigint, model::text, record_id::bigint, event::text FROM update_webhook
        WHERE id > $1::bigint ORDER BY id";
    assert_eq!(found_out(&database, newest, above, false).await, ROUNDS, "a reader by id should lose something");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_by_write_date_loses_changes_and_deletions() {
    let database = database_with_marks().await;
    odoo::keep_times(&database).await;
    let url = database.url();
    let writers = Writers { url: url.clone(), truncate: true };
    let asked = Asked::of_environment();
    let (mut late, mut deleted) = (0, 0);
    for seed in asked.seed..asked.seed + ROUNDS {
        let script = Script::of(&mut ChaCha8Rng::seed_from_u64(seed), 150);
        let meeting = Meeting::default();
        let (committed, told) = tokio::join!(write(&writers, &script, &meeting), read_newer(&url, &meeting));
        let now = states(&connect(&url).await).await.unwrap();
        let is_there =
            |change: &&Change| change.record.is_some_and(|record| now.contains_key(&(change.model.clone(), record)));
        let (kept, gone): (Vec<_>, Vec<_>) = committed.iter().partition(is_there);
        // Each is judged by itself: what is found out about the one must not stand for the other.
        for (changes, found_out) in [(kept, &mut late), (gone, &mut deleted)] {
            let mut lives = Lives::default();
            lives.commit(&changes.into_iter().cloned().collect::<Vec<_>>());
            lives.tell(&told).unwrap();
            if let Err(wrong) = lives.are_told(&now) {
                println!("seed {seed}: {wrong}");
                *found_out += 1;
            }
        }
    }
    assert_eq!(deleted, ROUNDS, "a reader by write_date should not see deletions");
    assert_eq!(late, ROUNDS, "a reader by write_date should lose the writes of long transactions");
}

/// Reads what was written after the last that was read, again and again, until the writers have ended.
async fn read_newer(url: &str, meeting: &Meeting) -> Vec<Told> {
    let mut last = TABLES.map(|_| "1970-01-01 00:00:00".to_owned());
    let (mut told, mut known) = (Vec::new(), BTreeSet::new());
    let client = connect(url).await;
    loop {
        let is_last = meeting.ended.get();
        for ((table, model), last) in TABLES.iter().zip(&mut last) {
            let mut question = Question::all(json!([["write_date", ">", last.as_str()]]));
            question.order = "write_date, id";
            for row in rows(&client, table, &question).await.unwrap() {
                row["write_date"].as_str().unwrap().clone_into(last);
                let record = row["id"].as_i64().unwrap();
                let event = if known.insert((*model, record)) { "create" } else { "write" };
                told.push(Told {
                    position: i64::try_from(told.len()).unwrap(),
                    model: (*model).to_owned(),
                    record: Some(record),
                    event: event.to_owned(),
                    version: 0,
                    source_id: Some(format!("control:{:016x}", digest(&row))),
                    received_us: 0,
                });
            }
        }
        if is_last {
            return told;
        }
        meeting.looks.send_modify(|looks| *looks += 1);
        client.execute("SELECT pg_sleep_for('20 ms')", &[]).await.unwrap();
    }
}
