//! Reading the log on PostgreSQL: one statement, and so one snapshot and one round trip.

use super::connect::Connection;
use super::error;
use crate::StoreError;
use crate::db::StoredChange;
use crate::log::{LogQuery, LogRead};
use bridge_model::{ModelName, Position, TenantId};
use tokio_postgres::Row;

macro_rules! select {
    ($contents:literal) => {
        concat!(
            "SELECT h.head, h.trimmed_to, c.position, c.system_key, c.epoch, c.source_id, c.model, c.record_id,
                c.event, c.priority, c.occurred_at, c.received_at, c.origin, c.erp_user_id, c.idempotency_key,
                c.changed_fields, ",
            $contents,
            " FROM log_heads AS h LEFT JOIN LATERAL (SELECT * FROM changes
                WHERE tenant_id = h.tenant_id AND position > $2 AND position <= $3
                    AND ($4::text[] IS NULL OR model = ANY($4)) AND ($5::bigint IS NULL OR system_key = $5)
                ORDER BY position LIMIT $6) AS c ON TRUE
            WHERE h.tenant_id = $1"
        )
    };
}

/// Reads a page.
pub(super) async fn read_log(
    connection: &Connection,
    tenant: TenantId,
    query: &LogQuery,
) -> Result<LogRead, StoreError> {
    let sql = if query.contents {
        select!("c.payload, c.old_data, c.new_data")
    } else {
        select!("NULL::text, NULL::text, NULL::text")
    };
    let models = query.models.as_ref().map(|models| models.iter().map(ModelName::as_str).collect::<Vec<_>>());
    let select = connection.prepare_cached(sql).await.map_err(error)?;
    let rows = connection
        .query(
            &select,
            &[
                &tenant.0,
                &query.after.get(),
                &query.scan_end().get(),
                &models,
                &query.system.map(|system| system.0),
                &query.limit(),
            ],
        )
        .await
        .map_err(error)?;
    let Some(first) = rows.first() else { return Ok(query.answer(Position::START, Position::START, Vec::new())) };
    let bound = |column| first.try_get(column).map(Position::new).map_err(error);
    let (head, trimmed_to) = (bound(0)?, bound(1)?);
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(change) = stored(row).map_err(error)? {
            changes.push(change.into_change()?);
        }
    }
    Ok(query.answer(head, trimmed_to, changes))
}

/// The change of a row; `None` where the join found none.
fn stored(row: &Row) -> Result<Option<StoredChange>, tokio_postgres::Error> {
    let Some(position) = row.try_get(2)? else { return Ok(None) };
    Ok(Some(StoredChange {
        position,
        system_key: row.try_get(3)?,
        epoch: row.try_get(4)?,
        source_id: row.try_get(5)?,
        model: row.try_get(6)?,
        record_id: row.try_get(7)?,
        event: row.try_get(8)?,
        priority: row.try_get(9)?,
        occurred_at: row.try_get(10)?,
        received_at: row.try_get(11)?,
        origin: row.try_get(12)?,
        erp_user_id: row.try_get(13)?,
        idempotency_key: row.try_get(14)?,
        changed_fields: row.try_get(15)?,
        payload: row.try_get(16)?,
        old_data: row.try_get(17)?,
        new_data: row.try_get(18)?,
    }))
}
