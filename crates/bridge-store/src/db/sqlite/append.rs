//! Appending on SQLite: plain inserts on the writer thread, where nothing else writes meanwhile.

use super::{error, run};
use crate::dead_letters::dead_letter_statements;
use crate::jobs::insert_job;
use crate::log::{Appended, Head, numeric_source_id};
use crate::polled::polled_statements;
use crate::reader_notes::save_note;
use crate::source::{require, save_progress};
use crate::wal::save_place;
use crate::{
    StoreError,
    db::{self, Item},
};
use bridge_model::{NewChange, Position, RecordId, TenantId, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Appends all items, in their order, in the transaction that `connection` is in. After an error some of it may have
/// been done, and the caller undoes it.
pub(super) fn append_all<'a>(
    connection: &Connection,
    items: impl Iterator<Item = &'a Item>,
) -> Result<Vec<Appended>, StoreError> {
    let mut log = Log {
        connection,
        insert: connection.prepare_cached(INSERT).map_err(error)?,
        heads: BTreeMap::new(),
        marks: BTreeMap::new(),
    };
    let appended = items.map(|item| log.append(item)).collect::<Result<_, _>>()?;
    log.save_heads()?;
    Ok(appended)
}

const INSERT: &str = "INSERT INTO changes (tenant_id, position, system_key, epoch, source_id, model, record_id, event,
        priority, occurred_at, received_at, origin, erp_user_id, idempotency_key, changed_fields, payload,
        old_data, new_data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
    ON CONFLICT (tenant_id, system_key, epoch, source_id) WHERE source_id IS NOT NULL DO NOTHING";

/// The log while items are appended to it. What is read of it once is kept until the end: nothing else changes it.
struct Log<'a> {
    connection: &'a Connection,
    insert: CachedStatement<'a>,
    /// The tenants' heads, and whether they have moved since they were read.
    heads: BTreeMap<i64, (Head, bool)>,
    /// Up to which source id each tenant's, system's and epoch's changes were trimmed.
    marks: BTreeMap<(i64, i64, i64), Option<i64>>,
}

impl Log<'_> {
    fn append(&mut self, item: &Item) -> Result<Appended, StoreError> {
        let Item { tenant, batch, now } = item;
        if let Some(fence) = &batch.fence {
            run(self.connection, &require(fence, *now))?;
        }
        let mut head = self.head(*tenant)?;
        let start = head.position;
        head.received_at = head.received_at.max(*now);
        let mut positions = Vec::with_capacity(batch.changes.len());
        for change in &batch.changes {
            let next = Head { position: head.position.plus(1), ..head };
            let taken = !self.was_trimmed(*tenant, change)? && self.insert(*tenant, next, change)?;
            positions.push(taken.then_some(next.position));
            if taken {
                head = next;
            }
        }
        if head.position != start {
            self.heads.insert(tenant.0, (head, true));
        }
        if let Some(progress) = &batch.progress {
            self.run_all(save_progress(*tenant, progress, *now))?;
        }
        self.run_all(batch.wal.iter().map(|wal| save_place(*tenant, wal)))?;
        self.run_all(batch.note.iter().map(|note| save_note(*tenant, note)))?;
        self.run_all(batch.polled.iter().flat_map(|polled| polled_statements(*tenant, polled)))?;
        self.run_all(batch.jobs.iter().map(|job| insert_job(job, *now)))?;
        self.run_all(dead_letter_statements(*tenant, batch, *now))?;
        Ok(Appended { positions, head: head.position })
    }

    fn run_all(&self, statements: impl IntoIterator<Item = db::Statement>) -> Result<(), StoreError> {
        statements.into_iter().try_for_each(|statement| run(self.connection, &statement).map(drop))
    }

    fn head(&mut self, tenant: TenantId) -> Result<Head, StoreError> {
        match self.heads.entry(tenant.0) {
            Entry::Occupied(known) => Ok(known.get().0),
            Entry::Vacant(place) => Ok(place.insert((read_head(self.connection, tenant)?, false)).0),
        }
    }

    fn save_heads(&self) -> Result<(), StoreError> {
        let sql = "UPDATE log_heads SET head = ?2, last_received_at = ?3 WHERE tenant_id = ?1";
        let moved = self.heads.iter().filter(|(_, (_, moved))| *moved);
        moved.into_iter().try_for_each(|(tenant, (head, _))| {
            let mut update = self.connection.prepare_cached(sql).map_err(error)?;
            update.execute((tenant, head.position.get(), head.received_at.as_micros())).map_err(error).map(drop)
        })
    }

    /// Whether this change was in the log and has been trimmed: its source id is not above the mark of what is
    /// trimmed, the reader (if the system has one) has passed it, and it is not among the ids that were missing then.
    fn was_trimmed(&mut self, tenant: TenantId, change: &NewChange) -> Result<bool, StoreError> {
        let Some(id) = numeric_source_id(change) else { return Ok(false) };
        let mark = match self.marks.entry((tenant.0, change.system.0, change.epoch.0)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => *place.insert(read_mark(self.connection, tenant, change)?),
        };
        if mark.is_none_or(|mark| mark < id) {
            return Ok(false);
        }
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM sources AS s WHERE s.tenant_id = ?1 AND s.system_key = ?2
                    AND s.epoch = ?3 AND s.read_to < ?4)
                AND NOT EXISTS (SELECT 1 FROM sources AS s JOIN source_gaps AS g ON g.tenant_id = s.tenant_id
                    AND g.system_key = s.system_key WHERE s.tenant_id = ?1 AND s.system_key = ?2
                    AND s.epoch = ?3 AND g.gap_id = ?4)";
        let mut select = self.connection.prepare_cached(sql).map_err(error)?;
        select.query_row((tenant.0, change.system.0, change.epoch.0, id), |row| row.get(0)).map_err(error)
    }

    /// Inserts one change as the log's new head; `false` if its source id is in the log already.
    fn insert(&mut self, tenant: TenantId, head: Head, change: &NewChange) -> Result<bool, StoreError> {
        let rows = self
            .insert
            .execute(rusqlite::params![
                tenant.0,
                head.position.get(),
                change.system.0,
                change.epoch.0,
                change.source_id.as_ref().map(|id| id.0.as_str()),
                change.model.as_str(),
                change.record_id.as_ref().map(RecordId::to_stored),
                change.event.as_str(),
                change.priority.as_str(),
                change.occurred_at.as_micros(),
                head.received_at.as_micros(),
                change.origin.as_str(),
                change.erp_user_id,
                change.idempotency_key.as_deref(),
                change.changed_fields.as_deref().map(db::field_list),
                change.payload.as_ref().map(|json| json.get()),
                change.old_data.as_ref().map(|json| json.get()),
                change.new_data.as_ref().map(|json| json.get()),
            ])
            .map_err(error)?;
        Ok(rows == 1)
    }
}

/// A tenant's head; its first append makes the row.
fn read_head(connection: &Connection, tenant: TenantId) -> Result<Head, StoreError> {
    let sql = "SELECT head, last_received_at FROM log_heads WHERE tenant_id = ?1";
    let mut select = connection.prepare_cached(sql).map_err(error)?;
    let found: Option<(i64, i64)> =
        select.query_row([tenant.0], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(error)?;
    if let Some((head, last_received_at)) = found {
        return Ok(Head { position: Position::new(head), received_at: Timestamp::from_micros(last_received_at) });
    }
    let sql = "INSERT INTO log_heads (tenant_id, head, trimmed_to, last_received_at) VALUES (?1, 0, 0, 0)";
    connection.execute(sql, [tenant.0]).map_err(error)?;
    Ok(Head { position: Position::START, received_at: Timestamp::from_micros(0) })
}

/// The highest source id that was trimmed of this change's system and epoch, if any was.
fn read_mark(connection: &Connection, tenant: TenantId, change: &NewChange) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT mark FROM source_marks WHERE tenant_id = ?1 AND system_key = ?2 AND epoch = ?3";
    let mut select = connection.prepare_cached(sql).map_err(error)?;
    select.query_row((tenant.0, change.system.0, change.epoch.0), |row| row.get(0)).optional().map_err(error)
}
