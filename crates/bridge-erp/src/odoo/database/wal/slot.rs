//! The slot: PostgreSQL's promise to keep its log for us until we have confirmed it.

use super::connection::{Connection, Target};
use super::lsn::Lsn;
use super::pgoutput::Malformed;
use crate::odoo::database::{Database, DatabaseError, DatabaseErrorKind};
use postgres_protocol::escape::escape_literal;
use std::time::Duration;

/// The first version that can drop a slot's log when it grows too large, and says so.
const VERSION_WITH_SLOT_LIMIT: i32 = 130_000;

/// What the server says of itself, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its version, 150004 for 15.4.
    pub version: i32,
    /// Its `wal_level`; only `logical` lets changes of rows be read.
    pub wal_level: String,
    /// Whether it follows another server.
    pub is_standby: bool,
    /// The database's number.
    pub database: u32,
    /// Where its log ends.
    pub end: Lsn,
    /// How much of the log a slot may hold back before the server drops it, in megabytes; `None` if without end, or
    /// if the server is too old to do so.
    pub slot_keep_mb: Option<i64>,
}

/// What the server says of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// The process that reads through it.
    pub active_pid: Option<i32>,
    /// What that process calls itself.
    pub active_name: Option<String>,
    /// Up to where the reader has confirmed.
    pub confirmed: Lsn,
    /// How much of the log is kept for it, in bytes.
    pub retained_bytes: u64,
    /// Whether the server has dropped what the slot needs: it can't be read any more.
    pub is_lost: bool,
}

/// Asks the server about itself.
pub async fn server(database: &Database) -> Result<Server, DatabaseError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('wal_level'), pg_is_in_recovery(),
            (SELECT oid FROM pg_database WHERE datname = current_database()),
            CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END::text,
            (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size' AND setting <> '-1')";
    let row = database.query_opt(sql, &[]).await?.ok_or(NO_ANSWER)?;
    Ok(Server {
        version: row.try_get(0)?,
        wal_level: row.try_get(1)?,
        is_standby: row.try_get(2)?,
        database: row.try_get(3)?,
        end: place(row.try_get(4)?)?,
        slot_keep_mb: row.try_get(5)?,
    })
}

/// The server at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Where its log ends, with what is committed and not on the disk yet.
    pub end: Lsn,
    /// The lowest number of a transaction that is open.
    pub oldest_transaction: i64,
}

/// Asks where the server is. Only on one that follows no other.
pub async fn look(database: &Database) -> Result<Look, DatabaseError> {
    // The snapshot is taken after the place in the log: what is committed up to there is seen by it.
    let sql = "SELECT pg_current_wal_insert_lsn()::text, txid_snapshot_xmin(s) FROM txid_current_snapshot() AS s";
    let row = database.query_opt(sql, &[]).await?.ok_or(NO_ANSWER)?;
    Ok(Look { end: place(row.try_get(0)?)?, oldest_transaction: row.try_get(1)? })
}

/// The slots of this database whose names begin with `prefix` and that `pgoutput` writes for.
pub async fn slots(database: &Database, version: i32, prefix: &str) -> Result<Vec<Slot>, DatabaseError> {
    Ok(select(database, version, prefix, false).await?.into_iter().map(|(_, slot)| slot).collect())
}

/// The same in all databases of the server, each with the name of its database.
pub async fn slots_of_server(
    database: &Database,
    version: i32,
    prefix: &str,
) -> Result<Vec<(String, Slot)>, DatabaseError> {
    select(database, version, prefix, true).await
}

async fn select(
    database: &Database,
    version: i32,
    prefix: &str,
    everywhere: bool,
) -> Result<Vec<(String, Slot)>, DatabaseError> {
    let lost = if version >= VERSION_WITH_SLOT_LIMIT { "wal_status = 'lost'" } else { "false" };
    let sql = format!(
        "SELECT slot_name::text, active_pid, a.application_name, confirmed_flush_lsn::text,
            COALESCE(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                ELSE pg_current_wal_lsn() END, restart_lsn), 0)::bigint,
            COALESCE({lost}, false) OR restart_lsn IS NULL, s.database::text
         FROM pg_replication_slots AS s LEFT JOIN pg_stat_activity AS a ON a.pid = s.active_pid
         WHERE (s.database = current_database() OR $2) AND plugin = 'pgoutput' AND NOT temporary
            AND starts_with(slot_name::text, $1) ORDER BY slot_name"
    );
    let rows = database.query(&sql, &[&prefix, &everywhere]).await?;
    rows.iter()
        .map(|row| {
            let slot = Slot {
                name: row.try_get(0)?,
                active_pid: row.try_get(1)?,
                active_name: row.try_get(2)?,
                confirmed: row.try_get::<_, Option<&str>>(3)?.map_or(Ok(Lsn::default()), place)?,
                retained_bytes: u64::try_from(row.try_get::<_, i64>(4)?).unwrap_or(0),
                is_lost: row.try_get(5)?,
            };
            Ok((row.try_get(6)?, slot))
        })
        .collect()
}

/// Makes a slot and answers from where on it tells. This waits until the transactions that are open now have ended,
/// as long as `database` allows a statement to take; a slot that is not finished by then is gone again.
pub async fn create(database: &Database, name: &str) -> Result<Lsn, DatabaseError> {
    let sql = "SELECT lsn::text FROM pg_create_logical_replication_slot($1, 'pgoutput')";
    place(database.query_opt(sql, &[&name]).await?.ok_or(NO_ANSWER)?.try_get(0)?)
}

/// What removes a slot, if there is one. While somebody reads through it, it is an error with the `sql_state` `55006`.
pub fn removal(name: &str) -> String {
    format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {} AND database = \
         current_database()",
        escape_literal(name)
    )
}

/// Does what [`removal`] says.
pub async fn remove(database: &Database, name: &str) -> Result<(), DatabaseError> {
    database.batch_execute(&removal(name)).await
}

/// The same, and waits a little for a reader that is about to leave.
pub async fn remove_when_free(database: &Database, name: &str) -> Result<(), DatabaseError> {
    let mut tries = 0;
    loop {
        match remove(database, name).await {
            Err(error) if error.sql_state.as_deref() == Some(IN_USE) && tries < FREE_TRIES => {
                tries += 1;
                tokio::time::sleep(FREE_WAIT).await;
            }
            outcome => return outcome,
        }
    }
}

/// What PostgreSQL answers when somebody reads through the slot.
pub const IN_USE: &str = "55006";

/// How often it is tried to remove a slot that is in use, and the pause in between.
const FREE_TRIES: u32 = 20;
const FREE_WAIT: Duration = Duration::from_millis(100);

/// What ends the process that reads through the slot, if it calls itself `application_name` and still is the one.
pub fn reader_end(slot: &str, application_name: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(s.active_pid) FROM pg_replication_slots AS s JOIN pg_stat_activity AS a ON a.pid = \
         s.active_pid WHERE s.slot_name = {} AND a.application_name = {}",
        escape_literal(slot),
        escape_literal(application_name)
    )
}

/// Does what [`reader_end`] says. Answers whether there was one and it was told to end.
pub async fn end_reader(database: &Database, slot: &str, application_name: &str) -> Result<bool, DatabaseError> {
    let row = database.query_opt(&reader_end(slot, application_name), &[]).await?;
    row.map_or(Ok(false), |row| Ok(row.try_get(0)?))
}

/// Names the life that the server's log is in: another one after a restore or a failover, in which places in the log
/// may mean something else. Needs the right to replicate.
pub async fn life(target: &Target, server: &Server) -> Result<String, DatabaseError> {
    let mut connection = Connection::open(target).await?;
    let rows = connection.command("IDENTIFY_SYSTEM", target.timeout).await?;
    match rows.first().map(Vec::as_slice) {
        Some([Some(system), Some(timeline), ..]) => Ok(format!("{system}.{timeline}.{}", server.database)),
        _ => Err(Malformed { what: "an identity without a system or a timeline" }.into()),
    }
}

const NO_ANSWER: Malformed = Malformed { what: "no row where one must be" };

fn place(text: &str) -> Result<Lsn, DatabaseError> {
    let unreadable = |error| DatabaseError::new(DatabaseErrorKind::Failed, "read a place in the log").caused_by(error);
    text.parse().map_err(unreadable)
}
