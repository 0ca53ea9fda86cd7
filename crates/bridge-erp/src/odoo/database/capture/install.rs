//! Putting the capture into a database.

use super::super::role::{Given, Granting, On, Right, Role, reader_rights};
use super::super::steps::{LockPatience, Step, lock, run};
use super::super::{Database, DatabaseError, DatabaseErrorKind, Table, TableMap};
use super::CaptureOptions;
use super::objects::{self, SCHEMA, Trigger};
use super::present::{GIVEN, Present, ROLE};
use bridge_model::{ModelName, is_among};
use postgres_protocol::escape::{escape_identifier, escape_literal};

/// The setting that says whether all tables are to be captured that there are, or those that somebody named.
pub(super) const OF_ALL_TABLES: &str = "of_all_tables";

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The steps that were needed; none if everything was there.
    pub steps: Vec<Step>,
    /// The role that reads the outbox.
    pub role: String,
    /// Whether it was made, with the password of the options.
    pub made_role: bool,
    /// How many tables are captured now.
    pub tables: usize,
}

/// What has to be done for this capture to be in the database, without doing any of it.
pub async fn plan(database: &Database, options: &CaptureOptions) -> Result<Installed, DatabaseError> {
    let map = TableMap::read(database).await?;
    let present = Present::read(database, map.schema()).await?;
    let name = options.role.as_deref().or(present.role()).unwrap_or(super::ROLE);
    let role = Role::find(database, name).await?;
    let mut steps = base(&present, options);
    steps.extend(role_steps(database, &present, &map, &role, options).await?);
    let numbers = present.tables.values().map(|table| table.number);
    let mut number = numbers.chain(present.marks.iter().copied()).max().unwrap_or(0);
    let selected: Vec<_> = map.iter().filter(|(name, table)| is_selected(name, table, options)).collect();
    for name in options.tables.iter().chain(&options.models).filter(|name| !name.contains('*')) {
        let is_model = |table: &Table| table.models().iter().any(|model| model.as_str() == name);
        if !selected.iter().any(|(table, kind)| table == name || is_model(kind)) {
            let message = format!("{name} is neither a table nor a model of this Odoo");
            return Err(DatabaseError::new(DatabaseErrorKind::Missing, message));
        }
    }
    for (name, table) in &selected {
        let known = present.tables.get(*name);
        let this = known.map_or_else(
            || {
                number += 1;
                number
            },
            |known| known.number,
        );
        let wanted = objects::triggers(map.schema(), name, table, this, options);
        steps.extend(table_step(&present, map.schema(), name, this, &wanted, &role.name));
    }
    let is_other = |name: &&String| map.get(name).is_some() && !selected.iter().any(|(table, _)| table == name);
    let others = present.tables.keys().filter(is_other).count();
    steps.extend(forget_steps(&present, &map));
    Ok(Installed { steps, made_role: !role.exists(), tables: selected.len() + others, role: role.name })
}

/// Puts the capture into the database, or completes what is there. Running it again changes nothing. `told` hears of
/// each step before it is done.
///
/// The connection needs the right to make schemas and roles and to make triggers on Odoo's tables: the owner of
/// Odoo's database has all but the making of roles. `Timeout` if a table's lock could not be had: what was done until
/// then stays, and running it again goes on from there.
pub async fn install(
    database: &Database,
    options: &CaptureOptions,
    patience: LockPatience,
    told: &mut (dyn FnMut(&Step) + Send),
) -> Result<Installed, DatabaseError> {
    lock(database).await?;
    let installed = plan(database, options).await?;
    for step in &installed.steps {
        told(step);
        run(database, step, patience).await?;
    }
    Ok(installed)
}

fn is_selected(name: &str, table: &Table, options: &CaptureOptions) -> bool {
    let is_named = |model: &ModelName| is_among(&options.models, model.as_str());
    if is_among(&options.tables, name) || table.models().into_iter().any(is_named) {
        return true;
    }
    let nothing_named = options.tables.is_empty() && options.models.is_empty();
    let left_out = |model: &ModelName| is_among(&options.left_out, model.as_str());
    nothing_named && !table.is_transient && !table.models().into_iter().all(left_out)
}

/// The schema and its functions, where they are not there yet.
fn base(present: &Present, options: &CaptureOptions) -> Vec<Step> {
    let mut steps = Vec::new();
    if !present.is_installed() {
        steps.push(Step::new("make the outbox", objects::tables(&options.incarnation)));
    }
    // What was installed for some tables and later for all is of all from then on: nothing is ever taken out.
    if options.tables.is_empty()
        && options.models.is_empty()
        && present.settings.get(OF_ALL_TABLES).is_none_or(|of_all| of_all != "true")
    {
        steps.push(Step::new("note that all tables are to be captured", vec![setting(OF_ALL_TABLES, "true")]));
    }
    let version = current_functions();
    if present.settings.get("functions") != Some(&version) {
        let mut statements = objects::functions();
        statements.push(setting("functions", &version));
        steps.push(Step::new("make the trigger functions", statements));
    }
    steps
}

/// What has to be done for the role to be there with exactly its rights, and for one that it follows to have none.
async fn role_steps(
    database: &Database,
    present: &Present,
    map: &TableMap,
    role: &Role,
    options: &CaptureOptions,
) -> Result<Vec<Step>, DatabaseError> {
    let mut steps = Vec::new();
    if !role.exists() {
        let make = role.make("LOGIN NOINHERIT", options.role_password.as_deref());
        steps.push(Step::new("make the role that reads the outbox", make));
    }
    let former = present.role().filter(|former| *former != role.name);
    let given = if former.is_some() { Given::default() } else { present.given() };
    let outside = reader_rights(database, map.schema(), options.trail).await?;
    let Granting { mut statements, given: remembered } = role.grant(database, &outside, &given).await?;
    // What is in our own schema ends with it and need not be remembered.
    let inside = role.grant(database, &rights_in_schema(present), &Given::default()).await?;
    statements.extend(inside.statements);
    if remembered != given {
        statements.push(setting(GIVEN, &serde_json::json!(remembered).to_string()));
    }
    if present.role() != Some(role.name.as_str()) {
        statements.push(setting(ROLE, &role.name));
    }
    if !statements.is_empty() {
        steps.push(Step::new("give the role its rights", statements));
    }
    if let Some(former) = former {
        let ours = reader_rights(database, map.schema(), true).await?;
        let is_ours = |right: &Right| ours.contains(right) || right.is_in(SCHEMA);
        let mut given = present.given();
        given.extend(rights_in_schema(present).iter().map(ToString::to_string));
        let removing = Role::find(database, former).await?.remove(database, &given, is_ours, None).await?;
        let statements: Vec<_> = removing.revocations.into_iter().chain(removing.drop).collect();
        if !statements.is_empty() {
            steps.push(Step::new(format!("take its rights from {former}, which reads no more"), statements));
        }
    }
    Ok(steps)
}

/// What the role needs in our own schema, as far as that is there or will be before it is needed.
fn rights_in_schema(present: &Present) -> Vec<Right> {
    let sequence = |name: String| Right::new("SELECT", On::Sequence(SCHEMA.to_owned(), name));
    let mut rights = vec![
        Right::usage(SCHEMA),
        Right::select(SCHEMA, "settings"),
        Right::select(SCHEMA, "tables"),
        Right::select(SCHEMA, "outbox"),
        Right::new("DELETE", On::Table(SCHEMA.to_owned(), "outbox".to_owned())),
    ];
    rights.extend(["marks", "outbox_id_seq"].map(|name| sequence(name.to_owned())));
    let numbers = present.tables.values().map(|table| table.number);
    rights.extend(numbers.filter(|number| present.marks.contains(number)).map(|number| sequence(mark(number))));
    rights
}

/// The sequence that counts the errors of a table's triggers.
fn mark(number: i32) -> String {
    format!("mark_{number}")
}

/// What has to be done to forget tables that are no more: those that were dropped, and those that are no model's any
/// more.
fn forget_steps(present: &Present, map: &TableMap) -> Vec<Step> {
    let gone = present.tables.iter().filter(|(name, _)| map.get(name).is_none());
    let mut steps: Vec<_> = gone
        .map(|(name, table)| {
            let found = present.triggers.get(name).map_or(&[][..], Vec::as_slice);
            let target = format!("{}.{}", escape_identifier(map.schema()), escape_identifier(name));
            let mut statements: Vec<_> = found
                .iter()
                .map(|found| format!("DROP TRIGGER {} ON {target}", escape_identifier(&found.name)))
                .collect();
            statements.push(format!("DELETE FROM {SCHEMA}.tables WHERE table_name = {}", escape_literal(name)));
            if present.marks.contains(&table.number) {
                statements.push(format!("DROP SEQUENCE {SCHEMA}.{}", mark(table.number)));
            }
            Step::new(format!("forget {name}, which holds nothing of a model any more"), statements)
        })
        .collect();
    let stray = present.marks.iter().filter(|mark| !present.tables.values().any(|table| table.number == **mark));
    let statements: Vec<_> = stray.map(|number| format!("DROP SEQUENCE {SCHEMA}.{}", mark(*number))).collect();
    if !statements.is_empty() {
        steps.push(Step::new("drop counters of tables that were forgotten", statements));
    }
    steps
}

/// What has to be done for a table; nothing if it has exactly these triggers.
fn table_step(
    present: &Present,
    schema: &str,
    name: &str,
    number: i32,
    wanted: &[Trigger],
    role: &str,
) -> Option<Step> {
    let definition = fingerprint(wanted.iter().map(|trigger| &trigger.create));
    let found = present.triggers.get(name).map_or(&[][..], Vec::as_slice);
    let names: Vec<_> = wanted.iter().map(|trigger| trigger.name.clone()).collect();
    let complete = found.len() == wanted.len()
        && found.iter().all(|found| found.is_enabled && names.contains(&found.name))
        && present.tables.get(name).is_some_and(|known| known.definition == definition)
        && present.marks.contains(&number);
    if complete {
        return None;
    }
    let target = format!("{}.{}", escape_identifier(schema), escape_identifier(name));
    let mut statements = Vec::new();
    if !present.marks.contains(&number) {
        let mark = mark(number);
        statements.push(format!("CREATE SEQUENCE {SCHEMA}.{mark}"));
        statements.push(format!("GRANT SELECT ON SEQUENCE {SCHEMA}.{mark} TO {}", escape_identifier(role)));
    }
    // The old ones go and the new ones come in one transaction, which holds the table's lock: nothing gets through
    // in between.
    statements.extend(found.iter().map(|found| format!("DROP TRIGGER {} ON {target}", escape_identifier(&found.name))));
    statements.extend(wanted.iter().map(|trigger| trigger.create.clone()));
    let list = names.iter().map(|name| escape_literal(name)).collect::<Vec<_>>().join(", ");
    statements.push(format!(
        "INSERT INTO bridgecore.tables VALUES ({}, {number}, ARRAY[{list}], {definition}) ON CONFLICT (table_name) \
         DO UPDATE SET triggers = excluded.triggers, definition = excluded.definition",
        escape_literal(name),
        definition = escape_literal(&definition),
    ));
    Some(Step::new(format!("capture {name}"), statements))
}

fn setting(name: &str, value: &str) -> String {
    format!(
        "INSERT INTO bridgecore.settings VALUES ({}, {}) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        escape_literal(name),
        escape_literal(value)
    )
}

/// What tells the trigger functions of this program from those of others.
pub(super) fn current_functions() -> String {
    fingerprint(objects::functions())
}

/// Tells one list of statements from another.
fn fingerprint<T: AsRef<str>>(statements: impl IntoIterator<Item = T>) -> String {
    // FNV-1a: it only has to notice a change, and to be the same in every build.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for statement in statements {
        for byte in statement.as_ref().bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
