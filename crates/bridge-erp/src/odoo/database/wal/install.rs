//! Putting into the database what the reading of its log needs, and taking it out again.

use super::publication::{self, Choice, Publication, quoted};
use super::slot::{self, Server, Slot};
use crate::odoo::database::{Database, DatabaseError, TableMap, trail};
use bridge_model::ModelName;
use std::collections::BTreeSet;

/// What the names of our slots begin with.
pub const SLOT_PREFIX: &str = "bridgecore_";

/// What to install.
#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// The publication's name.
    pub publication: String,
    /// The tables to publish; empty means those of all models that are not transient.
    pub tables: BTreeSet<String>,
    /// Models whose tables are left out unless they are named; a trailing `*` stands for any rest.
    pub left_out: Vec<String>,
    /// The role that reads the log; it is made if it does not exist.
    pub role: String,
    /// Its password, if it has to be made.
    pub role_password: String,
    /// Whether the role may also read what Odoo itself notes of changes.
    pub trail: bool,
}

/// What an installation needs or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The statements, in their order; none if everything is there.
    pub statements: Vec<String>,
    /// The tables that are published with it, and those that can't be, with the reason.
    pub choice: Choice,
    /// Whether the role has to be made.
    pub makes_role: bool,
}

/// What is in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The server.
    pub server: Server,
    /// The publication, if there is one.
    pub publication: Option<Publication>,
    /// Our slots.
    pub slots: Vec<Slot>,
}

/// Looks at what is in the database.
pub async fn present(database: &Database, publication: &str) -> Result<Present, DatabaseError> {
    let server = slot::server(database).await?;
    let slots = slot::slots(database, server.version, SLOT_PREFIX).await?;
    Ok(Present { slots, publication: publication::find(database, publication).await?, server })
}

/// What has to be done, without doing any of it.
pub async fn plan(database: &Database, options: &InstallOptions) -> Result<Plan, DatabaseError> {
    let map = TableMap::read(database).await?;
    let left_out = |model: &ModelName| options.left_out.iter().any(|pattern| matches(pattern, model.as_str()));
    let wanted: BTreeSet<String> = if options.tables.is_empty() {
        let kept = map.iter().filter(|(_, table)| !table.is_transient && !table.models().into_iter().all(left_out));
        kept.map(|(name, _)| name.to_owned()).collect()
    } else {
        options.tables.clone()
    };
    let choice = publication::choose(database, &wanted).await?;
    let now = publication::find(database, &options.publication).await?;
    let mut statements = publication::statements(&options.publication, now.as_ref(), &choice.tables);
    let exists = database.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&options.role]).await?.is_some();
    let role = quoted(&options.role);
    if !exists {
        let password = options.role_password.replace('\'', "''");
        statements.push(format!("CREATE ROLE {role} LOGIN NOINHERIT REPLICATION PASSWORD '{password}'"));
    }
    let schema = map.schema();
    for table in ["ir_model", "ir_model_fields", "ir_model_constraint"] {
        let readable = exists && may_read(database, &options.role, schema, table).await?;
        if !readable {
            statements.push(format!("GRANT SELECT ON {}.{table} TO {role}", quoted(schema)));
        }
    }
    if options.trail {
        // A right that is there already is given again, which changes nothing; then there is nothing else to do.
        let grants = trail::grants(database, schema, &options.role).await?;
        let missing = if exists { !trail::may_read(database, &options.role).await? } else { true };
        statements.extend(grants.into_iter().filter(|_| missing));
    }
    Ok(Plan { statements, choice, makes_role: !exists })
}

async fn may_read(database: &Database, role: &str, schema: &str, table: &str) -> Result<bool, DatabaseError> {
    let name = format!("{}.{table}", quoted(schema));
    let row = database.query_opt("SELECT has_table_privilege($1::text, $2::text, 'SELECT')", &[&role, &name]).await?;
    row.map_or(Ok(false), |row| Ok(row.try_get(0)?))
}

/// Does what a plan says, all of it or nothing. A lock that is not had within two seconds is a `Timeout`, and then
/// nothing was done: Odoo is not to wait behind it.
pub async fn apply(database: &Database, statements: &[String]) -> Result<(), DatabaseError> {
    if statements.is_empty() {
        return Ok(());
    }
    let done = database
        .batch_execute(&format!("BEGIN; SET LOCAL lock_timeout = '2s'; {}; COMMIT", statements.join(";\n")))
        .await;
    if done.is_err() {
        // A failed batch leaves its transaction open.
        database.batch_execute("ROLLBACK").await?;
    }
    done
}

/// Takes everything out: our slots (those in use only with `force`, which ends whoever reads), the publication and
/// the role. Answers what was done, in words. What is not there is no error.
pub async fn uninstall(
    database: &Database,
    publication: &str,
    role: &str,
    force: bool,
) -> Result<Vec<String>, DatabaseError> {
    let mut done = Vec::new();
    for found in present(database, publication).await?.slots {
        if force && let Some(name) = &found.active_name {
            slot::end_reader(database, &found.name, name).await?;
        }
        slot::remove_when_free(database, &found.name).await?;
        done.push(format!("dropped the slot {}", found.name));
    }
    for statement in removal(database, publication, role).await? {
        database.batch_execute(&statement).await?;
        done.push(statement);
    }
    Ok(done)
}

/// The statements that take the publication and the role out, those that are there.
pub async fn removal(database: &Database, publication: &str, role: &str) -> Result<Vec<String>, DatabaseError> {
    let mut statements = Vec::new();
    if publication::find(database, publication).await?.is_some() {
        statements.push(format!("DROP PUBLICATION {}", quoted(publication)));
    }
    let sql = "SELECT 1 FROM pg_roles WHERE rolname = $1 AND NOT rolsuper";
    if database.query_opt(sql, &[&role]).await?.is_some() {
        statements.push(format!("DROP OWNED BY {}", quoted(role)));
        statements.push(format!("DROP ROLE {}", quoted(role)));
    }
    Ok(statements)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
