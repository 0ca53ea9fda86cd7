//! Putting the capture into a database.

use super::super::{Database, DatabaseError, DatabaseErrorKind, Table, TableMap, trail};
use super::objects::{self, Trigger, ident, literal};
use super::present::Present;
use super::{ADVISORY_LOCK, CaptureOptions, LockPatience, Step, matches};
use bridge_model::ModelName;
use std::time::Duration;

/// The setting that says whether all tables are to be captured that there are, or those that somebody named.
pub(super) const OF_ALL_TABLES: &str = "of_all_tables";

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The steps that were needed; none if everything was there.
    pub steps: Vec<Step>,
    /// Whether the role was made, with the password of the options.
    pub made_role: bool,
    /// How many tables are captured now.
    pub tables: usize,
}

/// What has to be done for this capture to be in the database, without doing any of it.
pub async fn plan(database: &Database, options: &CaptureOptions) -> Result<Installed, DatabaseError> {
    let map = TableMap::read(database).await?;
    let present = Present::read(database, map.schema()).await?;
    let made_role = !role_exists(database, &options.role).await?;
    let mut steps = Vec::new();
    steps.extend(base(&present, &map, options, made_role, &database_name(database).await?));
    steps.extend(trail(database, &present, map.schema(), options).await?);
    let mut number = present.tables.values().map(|table| table.number).max().unwrap_or(0);
    let selected: Vec<_> = map.iter().filter(|(name, table)| is_selected(name, table, options)).collect();
    let named = options.tables.iter().filter(|name| !name.ends_with('*'));
    for name in named.chain(&options.models).filter(|name| !name.ends_with('*')) {
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
        let wanted = objects::triggers(map.schema(), name, table, this, "medium", options);
        steps.extend(table_step(&present, map.schema(), name, this, &wanted, &options.role));
    }
    let gone = present.tables.keys().filter(|name| map.get(name).is_none());
    let others = present.tables.keys().filter(|name| !selected.iter().any(|(table, _)| table == name)).count();
    let gone: Vec<_> = gone.cloned().collect();
    if !gone.is_empty() {
        let list = gone.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
        steps.push(Step {
            purpose: "forget tables that are no more".to_owned(),
            statements: vec![format!("DELETE FROM bridgecore.tables WHERE table_name IN ({list})")],
        });
    }
    Ok(Installed { steps, made_role, tables: selected.len() + others - gone.len() })
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

/// How often that lock is asked for, and the pause between.
const LOCK_ATTEMPTS: u32 = 15;
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// Takes the lock that keeps two installations apart; the connection's end gives it back.
pub(super) async fn lock(database: &Database) -> Result<(), DatabaseError> {
    // The server may not have noticed yet that a command before this one has ended.
    for attempt in 1..=LOCK_ATTEMPTS {
        let row = database.query_opt(ADVISORY_LOCK, &[]).await?;
        if row.map(|row| row.try_get(0)).transpose()? == Some(true) {
            return Ok(());
        }
        if attempt < LOCK_ATTEMPTS {
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }
    let message = "somebody else installs or removes the capture in this database at the moment";
    Err(DatabaseError::new(DatabaseErrorKind::Unavailable, message))
}

/// Does a step in one transaction. A lock that is not had in time is asked for again after a pause.
pub(super) async fn run(database: &Database, step: &Step, patience: LockPatience) -> Result<(), DatabaseError> {
    let sql = format!(
        "BEGIN; SET LOCAL lock_timeout = {}; {}; COMMIT",
        patience.attempt.as_millis().max(1),
        step.statements.join(";\n")
    );
    let mut attempt = 1;
    loop {
        let Err(error) = database.batch_execute(&sql).await else { return Ok(()) };
        // A failed batch leaves its transaction open.
        database.batch_execute("ROLLBACK").await?;
        if error.kind != DatabaseErrorKind::Timeout || attempt >= patience.attempts_max {
            return Err(error.doing(&step.purpose));
        }
        tracing::info!(step = %step.purpose, attempt, "a lock was not had in time; trying again");
        attempt += 1;
        tokio::time::sleep(patience.pause).await;
    }
}

async fn role_exists(database: &Database, role: &str) -> Result<bool, DatabaseError> {
    Ok(!database.query("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await?.is_empty())
}

async fn database_name(database: &Database) -> Result<String, DatabaseError> {
    let row = database.query_opt("SELECT current_database()::text", &[]).await?;
    row.map_or(Ok(String::new()), |row| Ok(row.try_get(0)?))
}

fn is_selected(name: &str, table: &Table, options: &CaptureOptions) -> bool {
    let any_model = |patterns: &[String]| {
        table.models().iter().any(|model| patterns.iter().any(|pattern| matches(pattern, model.as_str())))
    };
    if options.tables.iter().any(|pattern| matches(pattern, name)) || any_model(&options.models) {
        return true;
    }
    let nothing_named = options.tables.is_empty() && options.models.is_empty();
    let left_out = |model: &ModelName| options.left_out.iter().any(|pattern| matches(pattern, model.as_str()));
    nothing_named && !table.is_transient && !table.models().into_iter().all(left_out)
}

/// The schema, its functions and the role's rights, where they are not there yet.
fn base(present: &Present, map: &TableMap, options: &CaptureOptions, made_role: bool, database: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let step = |purpose: &str, statements| Step { purpose: purpose.to_owned(), statements };
    if !present.is_installed() {
        steps.push(step("make the outbox", objects::tables(&options.incarnation)));
    }
    // What was installed for some tables and later for all is of all from then on: nothing is ever taken out.
    if options.tables.is_empty()
        && options.models.is_empty()
        && present.settings.get(OF_ALL_TABLES).is_none_or(|of_all| of_all != "true")
    {
        steps.push(step("note that all tables are to be captured", vec![setting(OF_ALL_TABLES, "true")]));
    }
    let version = current_functions();
    if present.settings.get("functions") != Some(&version) {
        let mut statements = objects::functions();
        statements.push(setting("functions", &version));
        steps.push(step("make the trigger functions", statements));
    }
    if made_role {
        let make = format!(
            "CREATE ROLE {} LOGIN NOINHERIT PASSWORD {}",
            ident(&options.role),
            literal(&options.role_password)
        );
        steps.push(step("make the role that reads the outbox", vec![make, setting("role_made", &options.role)]));
    }
    if made_role || present.settings.get("role") != Some(&options.role) {
        let (role, schema) = (ident(&options.role), ident(map.schema()));
        let mut statements = vec![
            format!("GRANT CONNECT ON DATABASE {} TO {role}", ident(database)),
            format!("GRANT USAGE ON SCHEMA bridgecore, {schema} TO {role}"),
            format!("GRANT SELECT ON bridgecore.settings, bridgecore.tables TO {role}"),
            format!("GRANT SELECT, DELETE ON bridgecore.outbox TO {role}"),
            format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA bridgecore TO {role}"),
        ];
        statements.extend(
            ["ir_model", "ir_model_fields", "ir_model_constraint"]
                .map(|table| format!("GRANT SELECT ON {schema}.{table} TO {role}")),
        );
        statements.push(setting("role", &options.role));
        steps.push(step("give the role its rights", statements));
    }
    steps
}

/// What the role needs to read what Odoo itself notes, or loses if that is not wanted any more.
async fn trail(
    database: &Database,
    present: &Present,
    schema: &str,
    options: &CaptureOptions,
) -> Result<Option<Step>, DatabaseError> {
    let grants = trail::grants(database, schema, &options.role).await?;
    let given = present.settings.get("trail").map_or("", String::as_str);
    let wanted = if options.trail { fingerprint(&grants) } else { String::new() };
    if given == wanted {
        return Ok(None);
    }
    let mut statements = if options.trail { grants } else { trail::revocations(&grants) };
    statements.push(setting("trail", &wanted));
    let purpose = if options.trail { "let the role read Odoo's own trail" } else { "keep Odoo's own trail to itself" };
    Ok(Some(Step { purpose: purpose.to_owned(), statements }))
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
        && present.tables.get(name).is_some_and(|known| known.definition == definition);
    if complete {
        return None;
    }
    let target = format!("{}.{}", ident(schema), ident(name));
    let mut statements = Vec::new();
    if !present.tables.contains_key(name) {
        statements.push(format!("CREATE SEQUENCE bridgecore.mark_{number}"));
        statements.push(format!("GRANT SELECT ON SEQUENCE bridgecore.mark_{number} TO {}", ident(role)));
    }
    // The old ones go and the new ones come in one transaction, which holds the table's lock: nothing gets through
    // in between.
    statements.extend(found.iter().map(|found| format!("DROP TRIGGER {} ON {target}", ident(&found.name))));
    statements.extend(wanted.iter().map(|trigger| trigger.create.clone()));
    let list = names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
    statements.push(format!(
        "INSERT INTO bridgecore.tables VALUES ({}, {number}, ARRAY[{list}], {definition}) ON CONFLICT (table_name) \
         DO UPDATE SET triggers = excluded.triggers, definition = excluded.definition",
        literal(name),
        definition = literal(&definition),
    ));
    Some(Step { purpose: format!("capture {name}"), statements })
}

fn setting(name: &str, value: &str) -> String {
    format!(
        "INSERT INTO bridgecore.settings VALUES ({}, {}) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        literal(name),
        literal(value)
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
