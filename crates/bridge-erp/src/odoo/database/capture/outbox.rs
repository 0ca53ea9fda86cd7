//! Reading the outbox as a queue: the rows that can be seen, in the order of their ids, and then away with exactly
//! those.
//!
//! Ids are given before commit, so that a lower one can appear after a higher one was read. Reading what can be seen
//! and deleting just that takes it in whenever it comes. For one record, ids are in commit order, because whoever
//! writes it holds its lock until the commit.

use super::super::{Database, DatabaseError, DatabaseErrorKind, RowChange, RowKey, RowOperation};
use super::objects::CHANNEL;
use super::status::marks;
use bridge_model::{SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_postgres::{Row, Statement};

/// A row that was read last and is left in the outbox until the next is read: when it is gone, the outbox is not the
/// one that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Its id.
    pub id: i64,
    /// The transaction that wrote it.
    pub txid: i64,
    /// When it was written, in microseconds since 1970.
    pub occurred_us: i64,
}

/// What the outbox says of itself at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// How many errors the triggers have caught in all.
    pub marks: i64,
    /// The highest id that was ever given.
    pub last_id: i64,
    /// The lowest number of a transaction that still ran.
    pub oldest_running: i64,
    /// Whether the witness is still there; true if there was none to look for.
    pub has_witness: bool,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// What to know it by later.
    pub witness: Witness,
    /// What it says.
    pub change: RowChange,
}

/// Whether there is an outbox in this database, also for a role that may not read it.
pub async fn is_installed(database: &Database) -> Result<bool, DatabaseError> {
    let sql = "SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'bridgecore' AND c.relname = 'outbox'";
    Ok(!database.query(sql, &[]).await?.is_empty())
}

/// What makes this life of the outbox another than that of a copy or a restored backup, as a text to be compared.
/// `Missing` if nothing is installed.
pub async fn life(database: &Database) -> Result<String, DatabaseError> {
    let own = "SELECT s.value, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
        'bridgecore.outbox'::regclass::oid::bigint FROM bridgecore.settings AS s WHERE s.name = 'incarnation'";
    let Some(row) = database.query_opt(own, &[]).await? else {
        return Err(DatabaseError::new(DatabaseErrorKind::Missing, "the outbox has no settings"));
    };
    let (incarnation, here, outbox): (String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let server = "SELECT system_identifier, (SELECT timeline_id FROM pg_control_checkpoint()) FROM pg_control_system()";
    let server = match database.query_opt(server, &[]).await {
        Ok(Some(row)) => format!("{}/{}", row.try_get::<_, i64>(0)?, row.try_get::<_, i32>(1)?),
        Ok(None) => String::new(),
        // Some hosts keep this from everybody; the rest tells nearly as much.
        Err(error) if error.kind == DatabaseErrorKind::Denied => String::new(),
        Err(error) => return Err(error),
    };
    Ok(format!("{incarnation}/{server}/{here}/{outbox}"))
}

/// An outbox that is read on one connection.
#[derive(Debug)]
pub struct Outbox {
    pulse: Statement,
    rows: Statement,
    ids: Statement,
    rows_of: Statement,
    delete: Statement,
}

impl Outbox {
    /// Prepares to read; also from an outbox that an earlier version made. `Missing` if nothing is installed, `Denied` if the role may not.
    pub async fn open(database: &Database) -> Result<Self, DatabaseError> {
        // Whether or not the triggers notify: to listen costs nothing.
        database.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        let rows = if database.query(NAMES_WRITER, &[]).await?.is_empty() {
            ROWS.replace(WRITER, "NULL::bigint, NULL::bigint")
        } else {
            ROWS.to_owned()
        };
        Ok(Self {
            pulse: database.prepare(PULSE).await?,
            rows: database.prepare(&format!("{rows} WHERE id > $1 ORDER BY id LIMIT $2")).await?,
            ids: database.prepare("SELECT id FROM bridgecore.outbox WHERE id > $1 ORDER BY id LIMIT $2").await?,
            rows_of: database.prepare(&format!("{rows} WHERE id = ANY($1) ORDER BY id")).await?,
            delete: database.prepare("DELETE FROM bridgecore.outbox WHERE id = ANY($1)").await?,
        })
    }

    /// How the outbox is now. `witness` is looked for, if there is one.
    pub async fn pulse(&self, database: &Database, witness: Option<Witness>) -> Result<Pulse, DatabaseError> {
        let (id, txid, occurred) = witness.map_or((0, 0, 0), |row| (row.id, row.txid, row.occurred_us));
        let rows = database.query_prepared(&self.pulse, &[&id, &txid, &occurred]).await?;
        let Some(row) = rows.first() else {
            return Err(DatabaseError::new(DatabaseErrorKind::Failed, "the outbox did not answer"));
        };
        Ok(Pulse {
            marks: row.try_get(0)?,
            last_id: row.try_get(1)?,
            oldest_running: row.try_get(2)?,
            has_witness: witness.is_none() || row.try_get(3)?,
        })
    }

    /// The rows that can be seen above the id `after`, lowest first, at most `limit`. `incarnation` names this life in
    /// their source ids.
    pub async fn rows(
        &self,
        database: &Database,
        incarnation: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, DatabaseError> {
        let rows = database.query_prepared(&self.rows, &[&after, &i64::from(limit)]).await?;
        rows.iter().map(|row| outbox_row(row, incarnation)).collect()
    }

    /// The ids of the rows that can be seen above the id `after` at one moment, lowest first, at most `limit`.
    pub async fn ids(&self, database: &Database, after: i64, limit: u32) -> Result<Vec<i64>, DatabaseError> {
        let rows = database.query_prepared(&self.ids, &[&after, &i64::from(limit)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The rows `ids`, lowest first.
    pub async fn rows_of(
        &self,
        database: &Database,
        incarnation: &str,
        ids: &[i64],
    ) -> Result<Vec<OutboxRow>, DatabaseError> {
        let rows = database.query_prepared(&self.rows_of, &[&ids]).await?;
        rows.iter().map(|row| outbox_row(row, incarnation)).collect()
    }

    /// Deletes exactly these rows.
    pub async fn delete(&self, database: &Database, ids: &[i64]) -> Result<(), DatabaseError> {
        if !ids.is_empty() {
            database.execute_prepared(&self.delete, &[&ids]).await?;
        }
        Ok(())
    }

    /// The tables whose triggers have ever caught an error, with how many.
    pub async fn marks(&self, database: &Database) -> Result<Vec<(String, i64)>, DatabaseError> {
        marks(database).await
    }

    /// Each captured table with what its triggers are like now: the text is another one when a trigger was made anew
    /// or switched off or on in between, and `None` when one is missing or off.
    pub async fn triggers(&self, database: &Database) -> Result<Vec<(String, Option<String>)>, DatabaseError> {
        let rows = database.query(TRIGGERS, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

const PULSE: &str = "SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM bridgecore.marks),
        (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM bridgecore.outbox_id_seq),
        txid_snapshot_xmin(now),
        EXISTS (SELECT FROM bridgecore.outbox
            WHERE id = $1 AND txid = $2 AND (extract(epoch FROM occurred_at) * 1000000)::bigint = $3)
    FROM txid_current_snapshot() AS now";

const ROWS: &str = "SELECT id, table_name, record_id, key_column, operation::text, txid,
        (extract(epoch FROM occurred_at) * 1000000)::bigint, changed_columns, old_row, new_row,
        (extract(epoch FROM began_at) * 1000000)::bigint, user_id
    FROM bridgecore.outbox";

/// What of it an older outbox does not have.
const WRITER: &str = "(extract(epoch FROM began_at) * 1000000)::bigint, user_id";

const NAMES_WRITER: &str =
    "SELECT FROM pg_attribute WHERE attrelid = 'bridgecore.outbox'::regclass AND attname = 'began_at'";

/// The row of a trigger in the catalogue gets another `xmin` by every change of it.
const TRIGGERS: &str = "SELECT t.table_name,
        CASE WHEN count(g.oid) FILTER (WHERE g.tgenabled IN ('O', 'A')) = cardinality(t.triggers)
            THEN string_agg(g.oid || ':' || g.xmin, ' ' ORDER BY g.oid) END
    FROM bridgecore.tables AS t
    LEFT JOIN pg_class AS c ON c.relname = t.table_name
        AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('ir_model'))
    LEFT JOIN pg_trigger AS g ON g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgname = ANY (t.triggers)
    GROUP BY t.table_name, t.triggers ORDER BY t.table_name";

fn outbox_row(row: &Row, incarnation: &str) -> Result<OutboxRow, DatabaseError> {
    let (id, table): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let (record, key_column): (Option<i64>, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
    let operation: String = row.try_get(4)?;
    let (txid, occurred_us): (i64, i64) = (row.try_get(5)?, row.try_get(6)?);
    let operation = match operation.as_str() {
        "I" => RowOperation::Insert,
        "U" => RowOperation::Update,
        "D" => RowOperation::Delete,
        "T" => RowOperation::Truncate,
        other => {
            let message = format!("the outbox has the unknown operation {other:?}");
            return Err(DatabaseError::new(DatabaseErrorKind::Failed, message));
        }
    };
    let record = match (record, key_column) {
        (Some(id), Some(column)) => RowKey::Links(vec![(column, id)]),
        (Some(id), None) => RowKey::Id(id),
        // A link to nothing, or a record without a key, can't be told from the table: all of it may have changed.
        (None, _) => RowKey::Table,
    };
    let object = |value: Option<Value>| match value {
        Some(Value::Object(fields)) => Some(fields),
        _ => None::<Map<String, Value>>,
    };
    let change = RowChange {
        source_id: SourceId(format!("capture:{incarnation}:{id}")),
        table,
        record,
        operation,
        occurred_at: Timestamp::from_micros(occurred_us),
        changed_columns: row.try_get(7)?,
        old: object(row.try_get(8)?),
        new: object(row.try_get(9)?),
        began_at: row.try_get::<_, Option<i64>>(10)?.map(Timestamp::from_micros),
        user_id: row.try_get(11)?,
    };
    Ok(OutboxRow { witness: Witness { id, txid, occurred_us }, change })
}
