//! Putting into the database what the reading of its log needs, and taking it out again.

use super::publication::{self, Choice, Publication};
use super::slot::{self, Server, Slot};
use crate::odoo::database::role::{Given, Role, reader_rights};
use crate::odoo::database::steps::{LockPatience, Step, lock, run};
use crate::odoo::database::{Database, DatabaseError, TableMap, tables};
use bridge_model::{ModelName, is_among};
use postgres_protocol::escape::{escape_identifier, escape_literal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// What the names of our slots begin with.
pub const SLOT_PREFIX: &str = "bridgecore_";

/// The role that reads the log if none is named.
pub const ROLE: &str = "bridgecore_wal";

/// What to install.
#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// The publication's name.
    pub publication: String,
    /// The tables to publish; empty means those of all models that are not transient.
    pub tables: BTreeSet<String>,
    /// Models whose tables are left out unless they are named; a `*` stands for any part of a name.
    pub left_out: Vec<String>,
    /// The role that reads the log, made if it does not exist. Without one, the role that was installed before, or else
    /// [`ROLE`]. If it is another one than before, that one loses what it was given.
    pub role: Option<String>,
    /// Its password, if it has to be made; `None` where nothing is done: in the SQL stands psql's variable
    /// `role_password`.
    pub role_password: Option<String>,
    /// Whether the role may also read what Odoo itself notes of changes.
    pub trail: bool,
}

/// What an installation needs or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The steps; none if everything is there.
    pub steps: Vec<Step>,
    /// The tables that are published with it, and those that can't be, with the reason.
    pub choice: Choice,
    /// The role that reads the log.
    pub role: String,
    /// Whether it has to be made.
    pub makes_role: bool,
    /// What a superuser has to run beside it: a role that was there before may not be allowed to read the log.
    pub role_needs: Option<String>,
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
    let left_out = |model: &ModelName| is_among(&options.left_out, model.as_str());
    let wanted: BTreeSet<String> = if options.tables.is_empty() {
        let kept = map.iter().filter(|(_, table)| !table.is_transient && !table.models().into_iter().all(left_out));
        kept.map(|(name, _)| name.to_owned()).collect()
    } else {
        options.tables.clone()
    };
    let choice = publication::choose(database, &wanted).await?;
    let now = publication::find(database, &options.publication).await?;
    let before = Memory::read(database, &options.publication).await?;
    let name = options.role.as_deref().or(before.role.as_deref()).unwrap_or(ROLE);
    let role = Role::find(database, name).await?;
    let mut statements = publication::statements(&options.publication, now.as_ref(), &choice.tables);
    if !role.exists() {
        statements.extend(role.make("LOGIN NOINHERIT REPLICATION", options.role_password.as_deref()));
    }
    let former = before.role.as_deref().filter(|former| *former != name);
    let given = if former.is_some() { Given::default() } else { before.given.clone() };
    let rights = reader_rights(database, map.schema(), options.trail).await?;
    let granting = role.grant(database, &rights, &given).await?;
    statements.extend(granting.statements);
    if let Some(former) = former {
        let ours = reader_rights(database, map.schema(), true).await?;
        let former = Role::find(database, former).await?;
        let removing = former.remove(database, &before.given, |right| ours.contains(right), None).await?;
        statements.extend(removing.revocations.into_iter().chain(removing.drop));
    }
    let after = Memory { role: Some(name.to_owned()), given: granting.given };
    let is_new = now.is_none_or(|now| now.fault.is_some());
    if is_new || after != before {
        statements.push(after.note(&options.publication));
    }
    let steps = if statements.is_empty() { Vec::new() } else { vec![Step::new("let the log be read", statements)] };
    let role_needs = role.replication_grant(database).await?;
    Ok(Plan { steps, choice, makes_role: !role.exists(), role_needs, role: role.name })
}

/// Does what [`plan`] says, all of it or nothing. A lock that is not had within two seconds is a `Timeout`, and then
/// nothing was done: Odoo is not to wait behind it.
pub async fn install(database: &Database, options: &InstallOptions) -> Result<Plan, DatabaseError> {
    lock(database).await?;
    let plan = plan(database, options).await?;
    for step in &plan.steps {
        run(database, step, PATIENCE).await?;
    }
    Ok(plan)
}

/// How the locks are waited for that this needs.
pub const PATIENCE: LockPatience =
    LockPatience { attempt: Duration::from_secs(2), pause: Duration::ZERO, attempts_max: 1 };

/// What has to be taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Our slots.
    pub slots: Vec<Slot>,
    /// What is done after they are gone.
    pub steps: Vec<Step>,
    /// What stays and why, a sentence each.
    pub notes: Vec<String>,
}

impl Removal {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.steps.is_empty()
    }
}

/// What has to be done for nothing of ours to be left: our slots, the publication, and what the role was given, which is
/// dropped if we made it. `role` is one beside the one that the publication remembers.
pub async fn plan_uninstall(
    database: &Database,
    publication: &str,
    role: Option<&str>,
) -> Result<Removal, DatabaseError> {
    let memory = Memory::read(database, publication).await?;
    let ours = match tables::schema(database).await? {
        Some(schema) => reader_rights(database, &schema, true).await?,
        None => Vec::new(),
    };
    let (mut statements, mut notes) = (Vec::new(), Vec::new());
    let mut drops = Vec::new();
    let names: BTreeSet<&str> = [memory.role.as_deref(), role].into_iter().flatten().collect();
    for name in if names.is_empty() { BTreeSet::from([ROLE]) } else { names } {
        let given = if memory.role.as_deref() == Some(name) { memory.given.clone() } else { Given::default() };
        let role = Role::find(database, name).await?;
        let removing = role.remove(database, &given, |right| ours.contains(right), None).await?;
        statements.extend(removing.revocations);
        drops.extend(removing.drop);
        notes.extend(removing.note);
    }
    if publication::find(database, publication).await?.is_some() {
        statements.push(format!("DROP PUBLICATION {}", escape_identifier(publication)));
    }
    statements.extend(drops);
    let purpose = "remove the publication and what its role was given";
    let steps = if statements.is_empty() { Vec::new() } else { vec![Step::new(purpose, statements)] };
    Ok(Removal { slots: present(database, publication).await?.slots, steps, notes })
}

/// Does what [`plan_uninstall`] says; slots in use are dropped only with `force`, which ends whoever reads. What is not
/// there is no error.
pub async fn uninstall(
    database: &Database,
    publication: &str,
    role: Option<&str>,
    force: bool,
) -> Result<Removal, DatabaseError> {
    lock(database).await?;
    let removal = plan_uninstall(database, publication, role).await?;
    for found in &removal.slots {
        if force && let Some(name) = &found.active_name {
            slot::end_reader(database, &found.name, name).await?;
        }
        slot::remove_when_free(database, &found.name).await?;
    }
    for step in &removal.steps {
        run(database, step, PATIENCE).await?;
    }
    Ok(removal)
}

/// What is to be remembered of an installation. There is no table of ours where only the log is read, so that it is
/// kept as the comment on the publication.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    role: Option<String>,
    given: Given,
}

impl Memory {
    async fn read(database: &Database, publication: &str) -> Result<Self, DatabaseError> {
        let sql = "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = $1";
        let row = database.query_opt(sql, &[&publication]).await?;
        let comment: Option<String> = row.map_or(Ok(None), |row| row.try_get(0))?;
        // A comment of somebody else's remembers nothing.
        Ok(comment.and_then(|comment| serde_json::from_str(&comment).ok()).unwrap_or_default())
    }

    fn note(&self, publication: &str) -> String {
        let text = json!(self).to_string();
        format!("COMMENT ON PUBLICATION {} IS {}", escape_identifier(publication), escape_literal(&text))
    }
}
