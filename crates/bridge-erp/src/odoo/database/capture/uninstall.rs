//! Taking the capture out of a database.

use super::super::role::{Removing, Role, reader_rights};
use super::super::steps::{LockPatience, Step, lock, run};
use super::super::{Database, DatabaseError, TableMap};
use super::objects::SCHEMA;
use super::present::Present;
use postgres_protocol::escape::escape_identifier;

/// What a removal needs or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The steps; none if there is nothing to remove.
    pub steps: Vec<Step>,
    /// What stays and why, in a sentence.
    pub note: Option<String>,
}

/// What has to be done for nothing of the capture to be left, without doing any of it.
pub async fn plan_uninstall(database: &Database) -> Result<Removal, DatabaseError> {
    let map = TableMap::read(database).await?;
    let present = Present::read(database, map.schema()).await?;
    let schema = escape_identifier(map.schema());
    let mut steps: Vec<Step> = present
        .triggers
        .iter()
        .map(|(table, triggers)| {
            let drop = |name: &str| {
                format!("DROP TRIGGER {} ON {schema}.{}", escape_identifier(name), escape_identifier(table))
            };
            Step::new(format!("release {table}"), triggers.iter().map(|found| drop(&found.name)).collect())
        })
        .collect();
    if !present.is_installed() {
        return Ok(Removal { steps, note: None });
    }
    let ours = reader_rights(database, map.schema(), true).await?;
    let removing = match present.role() {
        Some(name) => {
            let role = Role::find(database, name).await?;
            role.remove(database, &present.given(), |right| ours.contains(right), Some(SCHEMA)).await?
        }
        None => Removing::default(),
    };
    let mut statements = removing.revocations;
    // Not CASCADE beyond the schema's own contents: triggers that are still there make it fail, and are looked at.
    statements.push(format!("DROP SCHEMA {SCHEMA} CASCADE"));
    statements.extend(removing.drop);
    steps.push(Step::new("remove the outbox and what its role was given", statements));
    Ok(Removal { steps, note: removing.note })
}

/// Takes everything of the capture out of the database; answers what it did. `told` hears of each step before it is
/// done.
///
/// Changes that are still in the outbox are gone with it.
pub async fn uninstall(
    database: &Database,
    patience: LockPatience,
    told: &mut (dyn FnMut(&Step) + Send),
) -> Result<Removal, DatabaseError> {
    lock(database).await?;
    let removal = plan_uninstall(database).await?;
    for step in &removal.steps {
        told(step);
        run(database, step, patience).await?;
    }
    Ok(removal)
}
