//! Bringing the schema forward while other nodes may be doing the same.

use super::connect::Connection;
use super::values::dollar_signs;
use super::{error, migrations};
use crate::StoreError;
use bridge_model::Clock;
use std::sync::Arc;

/// Any number that no other program in the same database uses: nodes that start at once take turns by it.
const LOCK: i64 = 0x6272_6964_6765;

pub(super) async fn migrate(
    connection: &mut Connection,
    clock: &dyn Clock,
    known: &'static [migrations::Migration],
) -> Result<(), StoreError> {
    // All in one transaction: the lock ends with it, also when this process dies, and another node that waited
    // sees either nothing or everything.
    let transaction = connection.transaction().await.map_err(error)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(error)?;
    transaction.batch_execute(migrations::TABLE).await.map_err(error)?;
    let version: i64 = transaction.query_one(migrations::VERSION, &[]).await.map_err(error)?.get(0);
    for migration in migrations::pending(version, known)? {
        let failed = |source: tokio_postgres::Error| StoreError::Migration {
            what: format!("{} failed; nothing of it was kept", migration.name),
            source: Some(Arc::new(source)),
        };
        transaction.batch_execute(migration.postgres).await.map_err(failed)?;
        let now = clock.now().as_micros();
        let record = dollar_signs(migrations::RECORD);
        transaction.execute(&record, &[&migration.number, &migration.name, &now]).await.map_err(failed)?;
        tracing::info!(migration = migration.name, "schema brought forward");
    }
    transaction.commit().await.map_err(error)
}
