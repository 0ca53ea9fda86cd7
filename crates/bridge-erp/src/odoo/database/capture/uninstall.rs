//! Taking the capture out of a database.

use super::super::{Database, DatabaseError, TableMap, trail};
use super::install::{lock, run};
use super::objects::ident;
use super::present::Present;
use super::{LockPatience, Step};

/// What has to be done for nothing of the capture to be left, without doing any of it.
pub async fn plan_uninstall(database: &Database) -> Result<Vec<Step>, DatabaseError> {
    let map = TableMap::read(database).await?;
    let present = Present::read(database, map.schema()).await?;
    let schema = ident(map.schema());
    let mut steps: Vec<Step> = present
        .triggers
        .iter()
        .map(|(table, triggers)| {
            let drop = |name: &str| format!("DROP TRIGGER {} ON {schema}.{}", ident(name), ident(table));
            let statements = triggers.iter().map(|found| drop(&found.name)).collect();
            Step { purpose: format!("release {table}"), statements }
        })
        .collect();
    if !present.is_installed() {
        return Ok(steps);
    }
    let mut statements = Vec::new();
    if let Some(role_name) = present.settings.get("role") {
        let role = ident(role_name);
        for table in ["ir_model", "ir_model_fields", "ir_model_constraint"] {
            statements.push(format!("REVOKE SELECT ON {schema}.{table} FROM {role}"));
        }
        if present.settings.get("trail").is_some_and(|given| !given.is_empty()) {
            statements.extend(trail::revocations(&trail::grants(database, map.schema(), role_name).await?));
        }
        statements.push(format!("REVOKE USAGE ON SCHEMA {schema} FROM {role}"));
        let name = database.query_opt("SELECT current_database()::text", &[]).await?;
        if let Some(name) = name {
            statements.push(format!("REVOKE CONNECT ON DATABASE {} FROM {role}", ident(name.try_get(0)?)));
        }
    }
    // Not CASCADE beyond the schema's own contents: triggers that are still there make it fail, and are looked at.
    statements.push("DROP SCHEMA bridgecore CASCADE".to_owned());
    if let Some(role) = present.settings.get("role_made") {
        statements.push(format!("DROP ROLE {}", ident(role)));
    }
    steps.push(Step { purpose: "remove the outbox and the role".to_owned(), statements });
    Ok(steps)
}

/// Takes everything of the capture out of the database; answers what it did. `told` hears of each step before it is
/// done.
///
/// Changes that are still in the outbox are gone with it.
pub async fn uninstall(
    database: &Database,
    patience: LockPatience,
    told: &mut (dyn FnMut(&Step) + Send),
) -> Result<Vec<Step>, DatabaseError> {
    lock(database).await?;
    let steps = plan_uninstall(database).await?;
    for step in &steps {
        told(step);
        run(database, step, patience).await?;
    }
    Ok(steps)
}
