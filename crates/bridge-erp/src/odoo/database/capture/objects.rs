//! What is put into Odoo's database: one schema, and triggers on the captured tables.
//!
//! A trigger writes into the outbox inside Odoo's own transaction. It never makes that transaction fail: an error is
//! caught, and counted in a sequence, which keeps its number also when the transaction is rolled back. Whoever reads
//! the outbox sees the count go up and knows that something of that table is missing.
//!
//! The usual triggers fire once for each statement and take the rows from its transition table: a statement that
//! changes 100,000 rows costs one subtransaction and not 100,000. Where that is not exact (tables that inherit from
//! each other) or not enough (changed columns, row images), one fires for each row.

use super::super::{Table, TableKind};
use super::CaptureOptions;
use crate::odoo::trail::{holds_secrets, secret_pattern};
use postgres_protocol::escape::{escape_identifier, escape_literal};

/// The schema in Odoo's database.
pub(super) const SCHEMA: &str = "bridgecore";

/// The channel by which a commit wakes the reader.
pub(super) const CHANNEL: &str = "bridgecore_changes";

/// How every trigger's name begins.
pub(super) const TRIGGER_PREFIX: &str = "bridgecore_";

/// The outbox and what belongs to it. `incarnation` names this life of it.
pub(super) fn tables(incarnation: &str) -> Vec<String> {
    vec![
        format!("CREATE SCHEMA {SCHEMA}"),
        format!("CREATE TABLE {SCHEMA}.settings (name text PRIMARY KEY, value text NOT NULL)"),
        format!("INSERT INTO {SCHEMA}.settings VALUES ('incarnation', {})", escape_literal(incarnation)),
        format!(
            "CREATE TABLE {SCHEMA}.tables (table_name text PRIMARY KEY, number integer NOT NULL UNIQUE, \
             triggers text[] NOT NULL, definition text NOT NULL)"
        ),
        format!("CREATE SEQUENCE {SCHEMA}.marks"),
        format!(
            "CREATE TABLE {SCHEMA}.outbox (id bigserial PRIMARY KEY, table_name text NOT NULL, record_id bigint, \
             key_column text, operation \"char\" NOT NULL, txid bigint NOT NULL, occurred_at timestamptz NOT NULL, \
             changed_columns text[], old_row jsonb, new_row jsonb, began_at timestamptz, user_id bigint) WITH (autovacuum_vacuum_scale_factor = 0, \
             autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0, \
             autovacuum_analyze_threshold = 50000, autovacuum_vacuum_cost_delay = 0)"
        ),
    ]
}

/// The first columns of a row of the outbox.
const COLUMNS: &str = "(table_name, record_id, key_column, operation, txid, occurred_at)";

/// Its transaction and its time.
const NOW: &str = "pg_catalog.txid_current(), pg_catalog.clock_timestamp()";

/// What happened.
const OPERATION: &str = "left(TG_OP, 1)::\"char\"";

/// The trigger functions. Each runs with its owner's rights, so that Odoo's role needs none in our schema, and with a
/// search path that nobody can put anything into. Only who owns them may make triggers of them.
pub(super) fn functions() -> Vec<String> {
    let links = |rows: &str| {
        format!(
            "FOR i IN 1 .. TG_NARGS - 1 LOOP
      INSERT INTO {SCHEMA}.outbox {COLUMNS}
        SELECT TG_TABLE_NAME, (to_jsonb(link) ->> TG_ARGV[i])::bigint, TG_ARGV[i], {OPERATION}, {NOW}
        FROM {rows} AS link;
    END LOOP;"
        )
    };
    let rows = format!(
        "INSERT INTO {SCHEMA}.outbox {COLUMNS}
      SELECT TG_TABLE_NAME, id, NULL, {OPERATION}, {NOW} FROM changed;"
    );
    let written = format!(
        "INSERT INTO {SCHEMA}.outbox (table_name, record_id, operation, txid, occurred_at, began_at, user_id)
      SELECT TG_TABLE_NAME, id, {OPERATION}, {NOW}, transaction_timestamp(),
        CASE WHEN TG_OP <> 'DELETE' THEN {} END FROM changed;",
        writer("")
    );
    let row = "  before jsonb; after jsonb; names text[]; bytes_max integer := TG_ARGV[2];
  began timestamptz; writer bigint;\n";
    let bodies = [
        ("note_rows", "", rows),
        ("note_written", "", written),
        ("note_links", "", links("changed")),
        // What a link was before is written as well, since its owner has lost it.
        ("note_relinks", "", links("(SELECT * FROM before UNION ALL SELECT * FROM changed)")),
        ("note_truncate", "", one("'T'", "NULL")),
        ("note_rekey", "", one("'D'", "OLD.id")),
        ("note_row", row, row_body()),
        ("wake", "", format!("PERFORM pg_notify('{CHANNEL}', '');")),
    ];
    // An outbox that an earlier version made has no place for these.
    let mut statements = vec![format!(
        "ALTER TABLE {SCHEMA}.outbox ADD COLUMN IF NOT EXISTS began_at timestamptz, ADD COLUMN IF NOT EXISTS user_id \
         bigint"
    )];
    for (name, declared, body) in bodies {
        let declare = if declared.is_empty() { String::new() } else { format!("DECLARE\n{declared}") };
        statements.push(format!(
            "CREATE OR REPLACE FUNCTION {SCHEMA}.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $bridgecore$
{declare}BEGIN
  BEGIN
    {body}
  EXCEPTION WHEN OTHERS THEN
    -- Cancellations are not among these. What went wrong must not stop Odoo, but it must not be forgotten.
    BEGIN
      PERFORM nextval(('{SCHEMA}.mark_' || TG_ARGV[0])::regclass);
      PERFORM nextval('{SCHEMA}.marks'::regclass);
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING 'bridgecore: a change of % could be neither noted nor marked: %', TG_TABLE_NAME, SQLERRM;
    END;
  END;
  RETURN NULL;
END
$bridgecore$"
        ));
        statements.push(format!("REVOKE ALL ON FUNCTION {SCHEMA}.{name}() FROM PUBLIC"));
    }
    statements
}

/// What a trigger writes that fires for each row.
fn row_body() -> String {
    let secrets = secret_pattern();
    let without_secrets = |row: &str| {
        format!(
            "{row} := (SELECT jsonb_object_agg(key, value) FROM jsonb_each({row}) WHERE key !~ '{secrets}');
    IF octet_length({row}::text) > bytes_max THEN {row} := NULL; END IF;"
        )
    };
    format!(
        "IF TG_OP = 'UPDATE' AND OLD.id IS DISTINCT FROM NEW.id THEN
      {}
      {}
      RETURN NULL;
    END IF;
    IF TG_ARGV[1] = 'columns' AND TG_OP = 'UPDATE' OR bytes_max > 0 THEN
      IF TG_OP <> 'INSERT' THEN before := to_jsonb(OLD); END IF;
      IF TG_OP <> 'DELETE' THEN after := to_jsonb(NEW); END IF;
    END IF;
    IF TG_ARGV[1] = 'columns' AND TG_OP = 'UPDATE' THEN
      names := ARRAY(SELECT name FROM jsonb_object_keys(after) AS name
        WHERE after -> name IS DISTINCT FROM before -> name ORDER BY name);
    END IF;
    IF bytes_max > 0 THEN
    {}
    {}
    ELSE
      before := NULL;
      after := NULL;
    END IF;
    IF TG_ARGV[3] = 'trail' THEN
      began := transaction_timestamp();
      IF TG_OP <> 'DELETE' THEN writer := {}; END IF;
    END IF;
    INSERT INTO {SCHEMA}.outbox
        (table_name, record_id, operation, txid, occurred_at, changed_columns, old_row, new_row, began_at, user_id)
      VALUES (TG_TABLE_NAME, CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END, {OPERATION}, {NOW}, names, before, after,
        began, writer);",
        one("'D'", "OLD.id"),
        one("'I'", "NEW.id"),
        without_secrets("before"),
        without_secrets("after"),
        writer("NEW."),
    )
}

/// Writes one row of the outbox.
fn one(operation: &str, key: &str) -> String {
    format!("INSERT INTO {SCHEMA}.outbox {COLUMNS} VALUES (TG_TABLE_NAME, {key}, NULL, {operation}, {NOW});")
}

/// Who wrote a row. Odoo writes the start of its transaction into `write_date`: a row with another one was written by
/// something else, and its `write_uid` is of an earlier write.
fn writer(row: &str) -> String {
    format!("CASE WHEN {row}write_date = transaction_timestamp() AT TIME ZONE 'UTC' THEN {row}write_uid END")
}

/// A trigger as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trigger {
    pub(super) name: String,
    /// The whole statement that makes it.
    pub(super) create: String,
}

/// The triggers of a table. `number` is the table's in `bridgecore.tables`, and so its mark's.
pub(super) fn triggers(schema: &str, name: &str, table: &Table, number: i32, options: &CaptureOptions) -> Vec<Trigger> {
    let target = format!("{}.{}", escape_identifier(schema), escape_identifier(name));
    let make = |suffix: &str, when: &str, rest: &str, function: &str, arguments: &[&str]| {
        let name = format!("{TRIGGER_PREFIX}{suffix}");
        let mark = number.to_string();
        let arguments: Vec<_> =
            std::iter::once(mark.as_str()).chain(arguments.iter().copied()).map(escape_literal).collect();
        let arguments = arguments.join(", ");
        let create = format!(
            "CREATE TRIGGER {name} AFTER {when} ON {target} {rest} EXECUTE FUNCTION {SCHEMA}.{function}({arguments})"
        );
        Trigger { name, create }
    };
    let (new, old) = ("REFERENCING NEW TABLE AS changed", "REFERENCING OLD TABLE AS changed");
    let each = "FOR EACH STATEMENT";
    let mut triggers = match &table.kind {
        TableKind::Links(columns) => {
            let columns: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
            let both = format!("REFERENCING OLD TABLE AS before NEW TABLE AS changed {each}");
            vec![
                make("insert", "INSERT", &format!("{new} {each}"), "note_links", &columns),
                make("update", "UPDATE", &both, "note_relinks", &columns),
                make("delete", "DELETE", &format!("{old} {each}"), "note_links", &columns),
            ]
        }
        TableKind::Records(_)
            if table.is_in_inheritance || options.changed_columns || options.row_image_bytes_max > 0 =>
        {
            let columns = if options.changed_columns { "columns" } else { "" };
            let bytes_max = if holds_secrets(name) { 0 } else { options.row_image_bytes_max }.to_string();
            let mut arguments = vec![columns, &bytes_max];
            arguments.extend((options.trail && table.names_writer).then_some("trail"));
            vec![make("row", "INSERT OR UPDATE OR DELETE", "FOR EACH ROW", "note_row", &arguments)]
        }
        TableKind::Records(_) => {
            let note = if options.trail && table.names_writer { "note_written" } else { "note_rows" };
            let rekeyed = "FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id)";
            vec![
                make("insert", "INSERT", &format!("{new} {each}"), note, &[]),
                make("update", "UPDATE", &format!("{new} {each}"), note, &[]),
                make("delete", "DELETE", &format!("{old} {each}"), note, &[]),
                make("rekey", "UPDATE OF id", rekeyed, "note_rekey", &[]),
            ]
        }
    };
    triggers.push(make("truncate", "TRUNCATE", each, "note_truncate", &[]));
    if options.notify {
        triggers.push(make("wake", "INSERT OR UPDATE OR DELETE OR TRUNCATE", each, "wake", &[]));
    }
    triggers
}
