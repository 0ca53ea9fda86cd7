//! The writers: real connections that follow a script and keep a journal of what they have committed.

use super::link::{Link, connect};
use super::script::{Part, Script, Statement, TABLES, Transaction};
use bridge_model::Clock as _;
use bridge_model::clock::SystemClock;
use tokio_postgres::{Client, Error};

/// A committed change, as the log should tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Change {
    pub(super) model: String,
    /// `None` for all records.
    pub(super) record: Option<i64>,
    /// The record's version after the change, or the last one of a record that was deleted.
    pub(super) version: i64,
    pub(super) event: &'static str,
    /// When its transaction was asked to commit, in microseconds since 1970.
    pub(super) committed_us: i64,
}

/// The writers of a database.
#[derive(Debug, Clone)]
pub(super) struct Writers {
    /// The database's address.
    pub(super) url: String,
    /// Whether they empty whole tables. An ORM never does, so that an add-on never hears of it.
    pub(super) truncate: bool,
}

/// Runs a script and answers what was committed, in no order.
pub(super) async fn run(database: &Writers, script: &Script) -> Vec<Change> {
    let sql = "SELECT coalesce(max(number), 0) FROM torture_marks";
    let link = Link::to(database.url.clone());
    let first: i64 = link.ask(sql, &[]).await.get(0);
    let writers = script.writers.iter().enumerate().map(|(index, transactions)| {
        // Each transaction has a number of its own, by which it is found out later whether it was committed.
        let first = first + 1 + i64::try_from(index).unwrap() * 1_000;
        writer(database, &link, transactions, first)
    });
    futures_util::future::join_all(writers).await.into_iter().flatten().collect()
}

async fn writer(database: &Writers, link: &Link, transactions: &[Transaction], first: i64) -> Vec<Change> {
    let mut committed = Vec::new();
    let mut unknown = Vec::new();
    let mut client = ready_to_write(database).await;
    for (number, transaction) in (first..).zip(transactions) {
        if client.is_closed() {
            client = ready_to_write(database).await;
        }
        let mut journal = Vec::new();
        match one(&client, database, transaction, number, &mut journal).await {
            Ok(true) => committed.append(&mut journal),
            Ok(false) => {}
            // Cut off: it may have been committed or not.
            Err(_) => {
                client.batch_execute("ROLLBACK").await.ok();
                unknown.push((number, journal));
            }
        }
    }
    for (number, mut journal) in unknown {
        let sql = "SELECT EXISTS (SELECT FROM torture_marks WHERE number = $1)";
        if link.ask(sql, &[&number]).await.get(0) {
            committed.append(&mut journal);
        }
    }
    committed
}

/// A connection that gives up on what others hold, and finds out soon when they wait for each other.
async fn ready_to_write(database: &Writers) -> Client {
    let client = connect(&database.url).await;
    // Where this fails, the connection is lost already, as the first transaction on it finds out.
    client.batch_execute("SET lock_timeout = '3s'; SET deadlock_timeout = '50ms'").await.ok();
    client
}

/// Does one transaction. True: it was committed. The error leaves that open.
async fn one(
    client: &Client,
    database: &Writers,
    transaction: &Transaction,
    number: i64,
    journal: &mut Vec<Change>,
) -> Result<bool, Error> {
    client.batch_execute("BEGIN").await?;
    client.execute("INSERT INTO torture_marks VALUES ($1)", &[&number]).await?;
    for part in &transaction.parts {
        match part {
            Part::Do(statement) => run_statement(client, database, *statement, journal).await?,
            Part::Undone(statements) => {
                client.batch_execute("SAVEPOINT part").await?;
                let mut undone = Vec::new();
                for statement in statements {
                    run_statement(client, database, *statement, &mut undone).await?;
                }
                client.batch_execute("ROLLBACK TO SAVEPOINT part").await?;
            }
            Part::Kept(statements) => {
                client.batch_execute("SAVEPOINT part").await?;
                for statement in statements {
                    run_statement(client, database, *statement, journal).await?;
                }
                client.batch_execute("RELEASE SAVEPOINT part").await?;
            }
        }
    }
    let now_us = SystemClock.now().as_micros();
    for change in &mut *journal {
        change.committed_us = now_us;
    }
    client.batch_execute(if transaction.commits { "COMMIT" } else { "ROLLBACK" }).await?;
    Ok(transaction.commits)
}

async fn run_statement(
    client: &Client,
    database: &Writers,
    statement: Statement,
    journal: &mut Vec<Change>,
) -> Result<(), Error> {
    let (table, event, sql, numbers) = match statement {
        Statement::Hold { ms } => {
            client
                .execute(
                    "SELECT pg_sleep_for(make_interval(secs => $1))",
                    &[&(f64::from(u32::try_from(ms).unwrap()) / 1_000.0)],
                )
                .await?;
            return Ok(());
        }
        Statement::Truncate { .. } if !database.truncate => return Ok(()),
        Statement::Truncate { table } => {
            let (name, model) = TABLES[table];
            client.batch_execute(&format!("TRUNCATE {name}")).await?;
            journal.push(Change { model: model.to_owned(), record: None, version: 0, event: "reset", committed_us: 0 });
            return Ok(());
        }
        Statement::Insert { table, rows } => {
            let name = TABLES[table].0;
            let sql = format!(
                "INSERT INTO {name} (version) SELECT 1 FROM generate_series(1, $1::bigint) RETURNING id, version"
            );
            (table, "create", sql, vec![rows])
        }
        Statement::Update { table, newest, rows } => {
            let name = TABLES[table].0;
            let sql = format!(
                "UPDATE {name} SET version = version + 1 WHERE id IN (SELECT id FROM {name} ORDER BY id DESC
                 OFFSET $1::bigint LIMIT $2::bigint) RETURNING id, version"
            );
            (table, "write", sql, vec![newest, rows])
        }
        Statement::Delete { table, newest, rows } => {
            let name = TABLES[table].0;
            let sql = format!(
                "DELETE FROM {name} WHERE id IN (SELECT id FROM {name} ORDER BY id DESC
                 OFFSET $1::bigint LIMIT $2::bigint) RETURNING id, version"
            );
            (table, "unlink", sql, vec![newest, rows])
        }
    };
    let params: Vec<_> = numbers.iter().map(|number| number as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
    for row in client.query(&sql, &params).await? {
        let (record, version): (i32, i32) = (row.get(0), row.get(1));
        let model = TABLES[table].1.to_owned();
        journal.push(Change { model, record: Some(record.into()), version: version.into(), event, committed_us: 0 });
    }
    Ok(())
}
