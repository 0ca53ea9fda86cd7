//! Appending on SQLite: plain inserts on the writer thread, where nothing else writes meanwhile.

use super::{error, run};
use crate::dead_letters::dead_letter_statements;
use crate::jobs::insert_job;
use crate::log::{Append, Appended, numeric_source_id};
use crate::source::{require, save_progress};
use crate::{StoreError, db};
use bridge_model::{NewChange, Position, RecordId, TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};

/// Appends in the transaction that `connection` is in.
pub(crate) fn append(
    connection: &Connection,
    tenant: TenantId,
    batch: &Append,
    now: Timestamp,
) -> Result<Appended, StoreError> {
    if let Some(fence) = &batch.fence {
        run(connection, &require(fence, now))?;
    }
    let (mut head, last_received_at) = head(connection, tenant)?;
    let received_at = now.max(last_received_at);
    let mut positions = Vec::with_capacity(batch.changes.len());
    let start = head;
    for change in &batch.changes {
        let next = head.plus(1);
        let taken = !was_trimmed(connection, tenant, change)? && insert(connection, tenant, next, received_at, change)?;
        positions.push(taken.then_some(next));
        if taken {
            head = next;
        }
    }
    if head != start {
        let sql = "UPDATE log_heads SET head = ?2, last_received_at = ?3 WHERE tenant_id = ?1";
        let mut update = connection.prepare_cached(sql).map_err(error)?;
        update.execute((tenant.0, head.get(), received_at.as_micros())).map_err(error)?;
    }
    if let Some(progress) = &batch.progress {
        run_all(connection, save_progress(tenant, progress, now))?;
    }
    run_all(connection, batch.jobs.iter().map(|job| insert_job(job, now)))?;
    run_all(connection, dead_letter_statements(tenant, batch, now))?;
    Ok(Appended { positions, head })
}

fn run_all(connection: &Connection, statements: impl IntoIterator<Item = db::Statement>) -> Result<(), StoreError> {
    statements.into_iter().try_for_each(|statement| run(connection, &statement).map(drop))
}

fn head(connection: &Connection, tenant: TenantId) -> Result<(Position, Timestamp), StoreError> {
    let sql = "SELECT head, last_received_at FROM log_heads WHERE tenant_id = ?1";
    let mut select = connection.prepare_cached(sql).map_err(error)?;
    let found: Option<(i64, i64)> =
        select.query_row([tenant.0], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(error)?;
    if let Some((head, last_received_at)) = found {
        return Ok((Position::new(head), Timestamp::from_micros(last_received_at)));
    }
    let sql = "INSERT INTO log_heads (tenant_id, head, trimmed_to, last_received_at) VALUES (?1, 0, 0, 0)";
    connection.execute(sql, [tenant.0]).map_err(error)?;
    Ok((Position::START, Timestamp::from_micros(0)))
}

/// Whether this change was in the log and has been trimmed: its source id is not above the mark of what is trimmed,
/// the reader (if the system has one) has passed it, and it is not among the ids that were missing then.
fn was_trimmed(connection: &Connection, tenant: TenantId, change: &NewChange) -> Result<bool, StoreError> {
    let Some(id) = numeric_source_id(change) else { return Ok(false) };
    let sql = "SELECT 1 FROM source_marks AS m
        WHERE m.tenant_id = ?1 AND m.system_key = ?2 AND m.epoch = ?3 AND m.mark >= ?4
            AND NOT EXISTS (SELECT 1 FROM sources AS s WHERE s.tenant_id = ?1 AND s.system_key = ?2
                AND s.epoch = ?3 AND s.read_to < ?4)
            AND NOT EXISTS (SELECT 1 FROM sources AS s JOIN source_gaps AS g ON g.tenant_id = s.tenant_id
                AND g.system_key = s.system_key WHERE s.tenant_id = ?1 AND s.system_key = ?2
                AND s.epoch = ?3 AND g.gap_id = ?4)";
    let mut select = connection.prepare_cached(sql).map_err(error)?;
    select.exists((tenant.0, change.system.0, change.epoch.0, id)).map_err(error)
}

/// Inserts one change; `false` if its source id is in the log already.
fn insert(
    connection: &Connection,
    tenant: TenantId,
    position: Position,
    received_at: Timestamp,
    change: &NewChange,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO changes (tenant_id, position, system_key, epoch, source_id, model, record_id, event,
            priority, occurred_at, received_at, origin, erp_user_id, idempotency_key, changed_fields, payload,
            old_data, new_data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
        ON CONFLICT (tenant_id, system_key, epoch, source_id) WHERE source_id IS NOT NULL DO NOTHING";
    let mut insert = connection.prepare_cached(sql).map_err(error)?;
    let rows = insert
        .execute(rusqlite::params![
            tenant.0,
            position.get(),
            change.system.0,
            change.epoch.0,
            change.source_id.as_ref().map(|id| id.0.as_str()),
            change.model.as_str(),
            change.record_id.as_ref().map(RecordId::to_stored),
            change.event.as_str(),
            change.priority.as_str(),
            change.occurred_at.as_micros(),
            received_at.as_micros(),
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
