//! The roles that read: what they may do, and what becomes of them.
//!
//! A role may have been there before us, with rights of its own; it may even own Odoo's tables. So it is given only what
//! it lacks, by the server's own account; what was given is remembered, and nothing else is taken back. A role is
//! dropped only if we made it, which a comment on it says, and if nothing but ours depends on it.

use super::{Database, DatabaseError, trail};
use postgres_protocol::escape::{escape_identifier, escape_literal};
use postgres_protocol::password::scram_sha_256;
use std::collections::BTreeSet;
use std::fmt;

/// The comment on a role that we made.
const MADE_BY_US: &str = "made by bridgecore";

/// What stands for a password in SQL that is only shown: psql puts a variable in its place.
const PASSWORD_SHOWN: &str = ":'role_password'";

/// A right, in the words that follow `GRANT` and `REVOKE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    privilege: String,
    on: On,
}

/// What a right is about; each name is as it is, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum On {
    Database(String),
    Schema(String),
    Table(String, String),
    Sequence(String, String),
    Column(String, String, String),
}

impl Right {
    pub(super) fn new(privilege: &str, on: On) -> Self {
        Self { privilege: privilege.to_owned(), on }
    }

    pub(super) fn select(schema: &str, table: &str) -> Self {
        Self::new("SELECT", On::Table(schema.to_owned(), table.to_owned()))
    }

    pub(super) fn usage(schema: &str) -> Self {
        Self::new("USAGE", On::Schema(schema.to_owned()))
    }

    /// Whether it is about a schema or something in it.
    pub(super) fn is_in(&self, schema: &str) -> bool {
        match &self.on {
            On::Database(_) => false,
            On::Schema(name) | On::Table(name, _) | On::Sequence(name, _) | On::Column(name, ..) => name == schema,
        }
    }

    /// The kind of its object and up to three names, as the questions below take them.
    fn parts(&self) -> (&str, [&str; 3]) {
        match &self.on {
            On::Database(name) => ("database", [name, "", ""]),
            On::Schema(name) => ("schema", [name, "", ""]),
            On::Table(schema, name) => ("table", [schema, name, ""]),
            On::Sequence(schema, name) => ("sequence", [schema, name, ""]),
            On::Column(schema, table, name) => ("column", [schema, table, name]),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (privilege, quoted) = (&self.privilege, |name: &str| escape_identifier(name));
        match &self.on {
            On::Database(name) => write!(f, "{privilege} ON DATABASE {}", quoted(name)),
            On::Schema(name) => write!(f, "{privilege} ON SCHEMA {}", quoted(name)),
            On::Table(schema, name) => write!(f, "{privilege} ON TABLE {}.{}", quoted(schema), quoted(name)),
            On::Sequence(schema, name) => write!(f, "{privilege} ON SEQUENCE {}.{}", quoted(schema), quoted(name)),
            On::Column(schema, table, name) => {
                write!(f, "{privilege} ({}) ON TABLE {}.{}", quoted(name), quoted(schema), quoted(table))
            }
        }
    }
}

/// What was given to a role, each right in its own words; it is kept as JSON.
pub(super) type Given = BTreeSet<String>;

/// A role as the server has it.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    /// Its number; `None` if there is no such role.
    number: Option<u32>,
    is_ours: bool,
}

/// What has to be done for a role to have its rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Granting {
    pub(super) statements: Vec<String>,
    /// What is to be remembered as given.
    pub(super) given: Given,
}

/// What has to be done for a role to have nothing of ours any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Removing {
    /// What takes its rights back.
    pub(super) revocations: Vec<String>,
    /// What drops it.
    pub(super) drop: Option<String>,
    /// Why it stays, in a sentence, if it does.
    pub(super) note: Option<String>,
}

impl Role {
    /// Looks for a role.
    pub(super) async fn find(database: &Database, name: &str) -> Result<Self, DatabaseError> {
        let sql = "SELECT oid, coalesce(shobj_description(oid, 'pg_authid') = $2, false) FROM pg_roles
            WHERE rolname = $1";
        let row = database.query_opt(sql, &[&name, &MADE_BY_US]).await?;
        let mut role = Self { name: name.to_owned(), number: None, is_ours: false };
        if let Some(row) = row {
            (role.number, role.is_ours) = (Some(row.try_get(0)?), row.try_get(1)?);
        }
        Ok(role)
    }

    pub(super) fn exists(&self) -> bool {
        self.number.is_some()
    }

    fn quoted(&self) -> String {
        escape_identifier(&self.name)
    }

    /// What a superuser has to run so that it may read the server's log, if it may not: one that was there before is not
    /// given as much by us.
    pub(super) async fn replication_grant(&self, database: &Database) -> Result<Option<String>, DatabaseError> {
        let sql = format!("SELECT {MAY_REPLICATE} FROM pg_roles AS role WHERE rolname = $1");
        let row = database.query_opt(&sql, &[&self.name]).await?;
        let may: bool = row.map_or(Ok(true), |row| row.try_get(0))?;
        Ok((!may).then(|| format!("ALTER ROLE {} REPLICATION", self.quoted())))
    }

    /// The statements that make it. The server gets what it checks a password by and not the password, which its log
    /// might keep; without one, psql's variable `role_password` stands there.
    pub(super) fn make(&self, attributes: &str, password: Option<&str>) -> Vec<String> {
        let password =
            password.map_or(PASSWORD_SHOWN.to_owned(), |password| escape_literal(&scram_sha_256(password.as_bytes())));
        vec![
            format!("CREATE ROLE {} {attributes} PASSWORD {password}", self.quoted()),
            format!("COMMENT ON ROLE {} IS {}", self.quoted(), escape_literal(MADE_BY_US)),
        ]
    }

    /// What has to be done for it to have these rights, and of those that it was given before no others.
    pub(super) async fn grant(
        &self,
        database: &Database,
        wanted: &[Right],
        given: &Given,
    ) -> Result<Granting, DatabaseError> {
        let held = self.held(database).await?;
        let has = self.has(database, wanted).await?;
        let mut granting = Granting::default();
        for right in &held {
            let words = right.to_string();
            if !given.contains(&words) {
                continue;
            }
            if wanted.contains(right) {
                granting.given.insert(words);
            } else {
                granting.statements.push(self.revocation(right));
            }
        }
        for (right, _) in wanted.iter().zip(has).filter(|(_, has)| !has) {
            granting.statements.push(format!("GRANT {right} TO {}", self.quoted()));
            granting.given.insert(right.to_string());
        }
        Ok(granting)
    }

    /// What has to be done for it to have nothing of ours. `is_ours` tells what we give, besides what was remembered as
    /// given: of a role that we made, all of that is taken back. Rights in the schema `dropped` end with it.
    pub(super) async fn remove(
        &self,
        database: &Database,
        given: &Given,
        is_ours: impl Fn(&Right) -> bool,
        dropped: Option<&str>,
    ) -> Result<Removing, DatabaseError> {
        let Some(number) = self.number else { return Ok(Removing::default()) };
        let held = self.held(database).await?;
        let mut others = 0;
        let mut removing = Removing::default();
        for right in held.iter().filter(|right| dropped.is_none_or(|schema| !right.is_in(schema))) {
            if given.contains(&right.to_string()) || self.is_ours && is_ours(right) {
                removing.revocations.push(self.revocation(right));
            } else {
                others += 1;
            }
        }
        let name = &self.name;
        if !self.is_ours {
            removing.note = Some(format!("The role {name} was there before and stays."));
        } else if others > 0 || self.has_other_ties(database, number).await? {
            removing.note = Some(format!(
                "The role {name} stays: it owns something, or has rights that were given by somebody else or in \
                 another database."
            ));
        } else {
            removing.drop = Some(format!("DROP ROLE {}", self.quoted()));
        }
        Ok(removing)
    }

    fn revocation(&self, right: &Right) -> String {
        format!("REVOKE {right} FROM {}", self.quoted())
    }

    /// The rights in this database that were given to it by name, other than as the owner.
    async fn held(&self, database: &Database) -> Result<BTreeSet<Right>, DatabaseError> {
        let Some(number) = self.number else { return Ok(BTreeSet::new()) };
        let rows = database.query(HELD, &[&number]).await?;
        let rights = rows.iter().map(|row| {
            let kind: String = row.try_get(0)?;
            let (first, second, third) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
            let on = match kind.as_str() {
                "database" => On::Database(first),
                "schema" => On::Schema(first),
                "sequence" => On::Sequence(first, second),
                "column" => On::Column(first, second, third),
                _ => On::Table(first, second),
            };
            Ok(Right { privilege: row.try_get(1)?, on })
        });
        rights.collect()
    }

    /// Of each of these rights, whether it has it, in whatever way. What is not there yet, nobody has a right to.
    async fn has(&self, database: &Database, rights: &[Right]) -> Result<Vec<bool>, DatabaseError> {
        // What everybody has, a role that is yet to be made has as well.
        let name = if self.exists() { self.name.as_str() } else { "public" };
        let (mut kinds, mut privileges) = (Vec::new(), Vec::new());
        let mut names = [Vec::new(), Vec::new(), Vec::new()];
        for right in rights {
            let (kind, parts) = right.parts();
            kinds.push(kind);
            privileges.push(right.privilege.as_str());
            for (column, part) in names.iter_mut().zip(parts) {
                column.push(part);
            }
        }
        let [first, second, third] = &names;
        let rows = database.query(HAS, &[&name, &kinds, &privileges, first, second, third]).await?;
        rows.iter().map(|row| Ok(row.try_get::<_, Option<bool>>(0)?.unwrap_or(false))).collect()
    }

    /// Whether the server would refuse to drop it for the sake of something that is no right in this database.
    async fn has_other_ties(&self, database: &Database, number: u32) -> Result<bool, DatabaseError> {
        let row = database.query_opt(OTHER_TIES, &[&number]).await?;
        row.map_or(Ok(false), |row| Ok(row.try_get(0)?))
    }
}

/// What every reader needs: Odoo's registry of models, and with `trail` what Odoo itself notes of changes.
pub(super) async fn reader_rights(database: &Database, schema: &str, trail: bool) -> Result<Vec<Right>, DatabaseError> {
    let mut rights = vec![Right::usage(schema)];
    if let Some(row) = database.query_opt("SELECT current_database()::text", &[]).await? {
        rights.push(Right::new("CONNECT", On::Database(row.try_get(0)?)));
    }
    rights.extend(["ir_model", "ir_model_fields", "ir_model_constraint"].map(|table| Right::select(schema, table)));
    if trail {
        rights.extend(trail::rights(database, schema).await?);
    }
    Ok(rights)
}

/// Whether `role` may read the server's log. Amazon gives no attribute, but the membership in a role.
pub(super) const MAY_REPLICATE: &str = "role.rolsuper OR role.rolreplication OR EXISTS (SELECT FROM pg_roles AS r
    WHERE r.rolname = 'rds_replication' AND pg_has_role(role.oid, r.oid, 'MEMBER'))";

/// Kind, privilege, names. Who owns something has its rights without having been given them.
const HELD: &str = "SELECT 'database', a.privilege_type, d.datname::text, '', ''
        FROM pg_database AS d, aclexplode(d.datacl) AS a
        WHERE d.datname = current_database() AND a.grantee = $1 AND d.datdba <> $1
    UNION ALL SELECT 'schema', a.privilege_type, n.nspname::text, '', ''
        FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE a.grantee = $1 AND n.nspowner <> $1
    UNION ALL SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, a.privilege_type, n.nspname::text,
            c.relname::text, ''
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS a
        WHERE a.grantee = $1 AND c.relowner <> $1
    UNION ALL SELECT 'column', a.privilege_type, n.nspname::text, c.relname::text, t.attname::text
        FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = t.attrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(t.attacl) AS a
        WHERE a.grantee = $1 AND c.relowner <> $1 AND NOT t.attisdropped";

const HAS: &str = "SELECT CASE w.kind
        WHEN 'database' THEN has_database_privilege($1::text, w.first, w.privilege)
        WHEN 'schema' THEN (SELECT has_schema_privilege($1::text, n.oid, w.privilege)
            FROM pg_namespace AS n WHERE n.nspname = w.first)
        ELSE (SELECT CASE w.kind
                WHEN 'sequence' THEN has_sequence_privilege($1::text, c.oid, w.privilege)
                WHEN 'table' THEN has_table_privilege($1::text, c.oid, w.privilege)
                ELSE (SELECT has_column_privilege($1::text, c.oid, t.attnum, w.privilege) FROM pg_attribute AS t
                    WHERE t.attrelid = c.oid AND t.attname = w.third AND NOT t.attisdropped)
            END
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = w.first AND c.relname = w.second)
        END
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
        WITH ORDINALITY AS w (kind, privilege, first, second, third, number) ORDER BY w.number";

/// Rights (`a`) on this database, and on tables and schemas in it, are what [`HELD`] answers.
const OTHER_TIES: &str = "SELECT EXISTS (SELECT FROM pg_shdepend AS d
    JOIN pg_database AS here ON here.datname = current_database()
    WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = $1 AND NOT (d.deptype = 'a' AND (
        d.dbid = here.oid AND d.classid IN ('pg_class'::regclass, 'pg_namespace'::regclass)
        OR d.classid = 'pg_database'::regclass AND d.objid = here.oid)))";
