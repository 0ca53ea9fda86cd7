//! Reading the log on SQLite: one range of the primary key, inside one snapshot.

use super::error;
use crate::StoreError;
use crate::db::{StoredChange, field_list};
use crate::log::{LogQuery, LogRead};
use bridge_model::{Change, ModelName, Position, TenantId};
use rusqlite::{Connection, OptionalExtension as _, Row};

/// Reads a page.
pub(crate) fn read_log(connection: &Connection, tenant: TenantId, query: &LogQuery) -> Result<LogRead, StoreError> {
    // A transaction is one snapshot; dropping it ends it.
    let snapshot = connection.unchecked_transaction().map_err(error)?;
    let sql = "SELECT head, trimmed_to FROM log_heads WHERE tenant_id = ?1";
    let bounds = snapshot
        .prepare_cached(sql)
        .and_then(|mut select| select.query_row([tenant.0], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(error)?;
    let (head, trimmed_to) = bounds.map_or((Position::START, Position::START), |(head, trimmed_to)| {
        (Position::new(head), Position::new(trimmed_to))
    });
    let changes =
        if query.after < trimmed_to || query.after >= head { Vec::new() } else { changes(&snapshot, tenant, query)? };
    Ok(query.answer(head, trimmed_to, changes))
}

macro_rules! select {
    ($contents:literal) => {
        concat!(
            "SELECT position, system_key, epoch, source_id, model, record_id, event, priority, occurred_at,
                received_at, origin, erp_user_id, idempotency_key, changed_fields, ",
            $contents,
            " FROM changes
            WHERE tenant_id = ?1 AND position > ?2 AND position <= ?3
                AND (?4 IS NULL OR model IN (SELECT value FROM json_each(?4)))
                AND (?5 IS NULL OR system_key = ?5)
            ORDER BY position LIMIT ?6"
        )
    };
}

fn changes(connection: &Connection, tenant: TenantId, query: &LogQuery) -> Result<Vec<Change>, StoreError> {
    let sql = if query.contents { select!("payload, old_data, new_data") } else { select!("NULL, NULL, NULL") };
    let models = query
        .models
        .as_ref()
        .map(|models| field_list(&models.iter().map(|model| ModelName::as_str(model).to_owned()).collect::<Vec<_>>()));
    let mut select = connection.prepare_cached(sql).map_err(error)?;
    let mut rows = select
        .query((
            tenant.0,
            query.after.get(),
            query.scan_end().get(),
            models,
            query.system.map(|system| system.0),
            query.limit(),
        ))
        .map_err(error)?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next().map_err(error)? {
        changes.push(stored(row).map_err(error)?.into_change()?);
    }
    Ok(changes)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredChange> {
    Ok(StoredChange {
        position: row.get(0)?,
        system_key: row.get(1)?,
        epoch: row.get(2)?,
        source_id: row.get(3)?,
        model: row.get(4)?,
        record_id: row.get(5)?,
        event: row.get(6)?,
        priority: row.get(7)?,
        occurred_at: row.get(8)?,
        received_at: row.get(9)?,
        origin: row.get(10)?,
        erp_user_id: row.get(11)?,
        idempotency_key: row.get(12)?,
        changed_fields: row.get(13)?,
        payload: row.get(14)?,
        old_data: row.get(15)?,
        new_data: row.get(16)?,
    })
}
