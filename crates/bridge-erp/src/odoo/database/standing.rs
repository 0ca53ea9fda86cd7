//! Where we stand in Odoo's database: what the server is, what its clock shows, and what the role may do.

use super::role::MAY_REPLICATE;
use super::{Database, DatabaseError, DatabaseErrorKind};
use bridge_model::{ModelName, Timestamp};
use std::collections::BTreeSet;

/// What the server says of itself and of the role that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The server's version, 150004 for 15.4.
    pub version: i32,
    /// Whether it follows another server.
    pub is_standby: bool,
    /// What its clock shows.
    pub clock: Timestamp,
    /// The role that we are.
    pub role: String,
    /// Whether it may do anything.
    pub is_superuser: bool,
    /// Whether it may read the log: by its own attribute or, where the server's provider gives that by a role of its
    /// own, by membership in it.
    pub may_replicate: bool,
}

/// How many there may be of what the reading of the log needs, and how many there are, in the whole server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Replication slots.
    pub slots: i64,
    /// The most of them, `max_replication_slots`.
    pub slots_max: i64,
    /// Processes that send the log.
    pub senders: i64,
    /// The most of them, `max_wal_senders`.
    pub senders_max: i64,
}

/// Asks where we stand.
pub async fn standing(database: &Database) -> Result<Standing, DatabaseError> {
    let sql = format!(
        "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, current_user::text, role.rolsuper,
            {MAY_REPLICATE}
         FROM pg_roles AS role WHERE role.rolname = current_user"
    );
    let row = database.query_opt(&sql, &[]).await?.ok_or_else(no_answer)?;
    Ok(Standing {
        version: row.try_get(0)?,
        is_standby: row.try_get(1)?,
        clock: Timestamp::from_micros(row.try_get(2)?),
        role: row.try_get(3)?,
        is_superuser: row.try_get(4)?,
        may_replicate: row.try_get(5)?,
    })
}

/// Asks how much room there is.
pub async fn room(database: &Database) -> Result<Room, DatabaseError> {
    let sql = "SELECT (SELECT count(*) FROM pg_replication_slots), current_setting('max_replication_slots')::bigint,
            (SELECT count(*) FROM pg_stat_replication), current_setting('max_wal_senders')::bigint";
    let row = database.query_opt(sql, &[]).await?.ok_or_else(no_answer)?;
    Ok(Room {
        slots: row.try_get(0)?,
        slots_max: row.try_get(1)?,
        senders: row.try_get(2)?,
        senders_max: row.try_get(3)?,
    })
}

/// The models that the Odoo in this database has, by its own registry.
pub async fn models(database: &Database) -> Result<BTreeSet<ModelName>, DatabaseError> {
    let rows = database.query("SELECT model::text FROM ir_model", &[]).await?;
    let names = rows.iter().map(|row| row.try_get::<_, String>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(names.into_iter().filter_map(|name| ModelName::parse(name).ok()).collect())
}

fn no_answer() -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::Failed, "the database answered nothing")
}
