//! The few forms that a call to the database has, so that each noun's file states only its SQL.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::Timestamp;

impl Store {
    /// Every row of a query.
    pub(crate) async fn rows<T>(
        &self,
        statement: Statement,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.db().read(statement.sql, statement.params).await?.iter().map(read).collect()
    }

    /// The one row of a query, if there is one.
    pub(crate) async fn row<T>(
        &self,
        statement: Statement,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.db().read(statement.sql, statement.params).await?.first().map(read).transpose()
    }

    /// The first row that the last of these statements returned, all of them in one transaction.
    pub(crate) async fn returned<T>(
        &self,
        statements: Vec<Statement>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let outcomes = self.db().write(statements).await?;
        outcomes.last().and_then(|outcome| outcome.rows.first()).map(read).transpose()
    }

    /// How many rows a statement changed.
    pub(crate) async fn affected(&self, statement: Statement) -> Result<u64, StoreError> {
        self.affected_with(statement, ()).await
    }

    /// The same, with something that lives until the change is durable or undone, also when the caller has gone away
    /// by then.
    pub(crate) async fn affected_with(
        &self,
        statement: Statement,
        along: impl Send + 'static,
    ) -> Result<u64, StoreError> {
        let (outcomes, _along) = self.db().write_with(vec![statement], along).await?;
        Ok(outcomes.iter().map(|outcome| outcome.affected).sum())
    }

    /// Whether a statement changed anything.
    pub(crate) async fn changed(&self, statement: Statement) -> Result<bool, StoreError> {
        Ok(self.affected(statement).await? > 0)
    }

    /// Runs all statements in one transaction; `false` if one did not find the rows that it expects, and then
    /// nothing is changed.
    pub(crate) async fn all_or_nothing(&self, statements: Vec<Statement>) -> Result<bool, StoreError> {
        match self.db().write(statements).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs a DELETE of rows that are older than ?1 and at most ?2 at once until it finds none; answers how many.
    pub(crate) async fn purge(&self, sql: &'static str, before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge_with(sql, before, batch, || ()).await
    }

    /// The same, with something for each transaction that lives until it is durable.
    pub(crate) async fn purge_with<T: Send + 'static>(
        &self,
        sql: &'static str,
        before: Timestamp,
        batch: u32,
        along: impl Fn() -> T,
    ) -> Result<u64, StoreError> {
        let batch = batch.max(1);
        let mut purged = 0;
        loop {
            let rows = self.affected_with(Statement::new(sql, params![before, batch]), along()).await?;
            purged += rows;
            if rows < u64::from(batch) {
                return Ok(purged);
            }
        }
    }
}
