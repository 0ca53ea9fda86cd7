//! The publication: the explicit list of tables whose changes the database writes out for us.
//!
//! It never names all tables. PostgreSQL refuses updates and deletes of a published table whose rows have no key, and
//! that refusal would hit Odoo.

use super::pgoutput::Malformed;
use crate::odoo::database::{Database, DatabaseError};
use postgres_protocol::escape::escape_identifier;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tokio_postgres::Row;

/// The publication's name.
pub const NAME: &str = "bridgecore";

/// The schema that Odoo keeps its tables in.
const SCHEMA: &str = "public";

/// A table by its schema and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl TableName {
    fn sql(&self) -> String {
        format!("{}.{}", escape_identifier(&self.schema), escape_identifier(&self.table))
    }
}

impl fmt::Display for TableName {
    /// Without the schema, where it is the one that Odoo keeps its tables in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schema == SCHEMA { f.write_str(&self.table) } else { write!(f, "{}.{}", self.schema, self.table) }
    }
}

/// The publication as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// Its tables, each with the number of its membership: another one once a table was taken out and put in again.
    pub members: BTreeMap<String, u32>,
    /// Tables that should not be in it, or not as they are, with the reason.
    pub refused: BTreeMap<TableName, &'static str>,
    /// What is wrong with the publication as a whole.
    pub fault: Option<&'static str>,
}

/// What can be published of the tables that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The tables that can be.
    pub tables: BTreeSet<String>,
    /// The others, with the reason; they stay with other ways of seeing changes.
    pub refused: BTreeMap<String, &'static str>,
}

/// What decides whether a table can be published, of the table `c`: its name, what it is, and its key.
const FACTS: &str = "c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text,
    (SELECT array_agg(a.attname::text) FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisvalid AND a.attnum > 0
            AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END),
    (SELECT COALESCE(array_agg(a.attname::text), '{}') FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (20, 21, 23))";

/// Asks for the publication; `None` if there is none of this name.
pub async fn find(database: &Database, name: &str) -> Result<Option<Publication>, DatabaseError> {
    let Some(row) = database.query_opt(WHOLE, &[&name]).await? else { return Ok(None) };
    let (all_tables, complete, schemas): (bool, bool, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let fault = match (all_tables, schemas, complete) {
        (true, ..) => Some("it publishes all tables, which makes Odoo fail on those without a key"),
        (_, true, _) => Some("it publishes whole schemas, which makes Odoo fail on tables without a key"),
        (.., false) => Some("it does not publish inserts, updates, deletes and truncation"),
        (false, false, true) => None,
    };
    let sql = format!(
        "SELECT {FACTS}, r.oid, n.nspname::text, {IS_PARTIAL} FROM pg_publication AS p
         JOIN pg_publication_rel AS r ON r.prpubid = p.oid
         JOIN pg_class AS c ON c.oid = r.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE p.pubname = $1"
    );
    let mut publication = Publication { fault, ..Publication::default() };
    for row in database.query(&sql, &[&name]).await? {
        let (table, refusal) = judge(&row)?;
        let (schema, is_partial): (String, bool) = (row.try_get(7)?, row.try_get(8)?);
        let refusal = match refusal {
            _ if schema != SCHEMA => Some("it is in another schema"),
            None if is_partial => Some("only some of its rows or columns are published"),
            refusal => refusal,
        };
        match refusal {
            Some(reason) => drop(publication.refused.insert(TableName { schema, table }, reason)),
            None => drop(publication.members.insert(table, row.try_get(6)?)),
        }
    }
    Ok(Some(publication))
}

/// Whether it is for all tables, tells of everything, and has tables that it does not name: those of whole schemas.
/// Partitions are published with the table that they belong to.
const WHOLE: &str = "SELECT p.puballtables, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
        EXISTS (SELECT FROM pg_publication_tables AS t
            JOIN pg_namespace AS n ON n.nspname = t.schemaname
            JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.tablename
            WHERE t.pubname = p.pubname AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_publication_rel AS r
                WHERE r.prpubid = p.oid AND r.prrelid = c.oid))
    FROM pg_publication AS p WHERE p.pubname = $1";

/// Whether the table of the membership `r` has a filter of rows or a list of columns, which came with PostgreSQL 15:
/// before, `r` has no such columns.
const IS_PARTIAL: &str = "to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL";

/// Sorts tables into those that can be published and those that can't.
pub async fn choose(database: &Database, tables: &BTreeSet<String>) -> Result<Choice, DatabaseError> {
    let sql = format!(
        "SELECT {FACTS} FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname = ANY ($2) AND c.relkind <> 'i'"
    );
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    let mut choice = Choice::default();
    for row in database.query(&sql, &[&SCHEMA, &names]).await? {
        let (table, refusal) = judge(&row)?;
        match refusal {
            Some(reason) => drop(choice.refused.insert(table, reason)),
            None => drop(choice.tables.insert(table)),
        }
    }
    for table in tables {
        if !choice.tables.contains(table) && !choice.refused.contains_key(table) {
            choice.refused.insert(table.clone(), "there is no such table");
        }
    }
    Ok(choice)
}

/// The statements that bring the publication to these tables; none if it is there already.
pub fn statements(name: &str, now: Option<&Publication>, tables: &BTreeSet<String>) -> Vec<String> {
    let publication = escape_identifier(name);
    let ours = |table: &String| TableName { schema: SCHEMA.to_owned(), table: table.clone() };
    // One on a line: there are hundreds.
    let list = |tables: Vec<TableName>| {
        tables.iter().map(|table| format!("\n    {}", table.sql())).collect::<Vec<_>>().join(",")
    };
    let create = || {
        let tables = if tables.is_empty() {
            String::new()
        } else {
            format!(" FOR TABLE{}", list(tables.iter().map(ours).collect()))
        };
        format!("CREATE PUBLICATION {publication}{tables} WITH (publish = 'insert, update, delete, truncate')")
    };
    let Some(now) = now else { return vec![create()] };
    if now.fault.is_some() {
        return vec![format!("DROP PUBLICATION {publication}"), create()];
    }
    let mut statements = Vec::new();
    let others = now.members.keys().filter(|table| !tables.contains(*table)).map(ours);
    let removed: Vec<_> = others.chain(now.refused.keys().cloned()).collect();
    if !removed.is_empty() {
        statements.push(format!("ALTER PUBLICATION {publication} DROP TABLE{}", list(removed)));
    }
    let added: Vec<_> = tables.iter().filter(|table| !now.members.contains_key(*table)).map(ours).collect();
    if !added.is_empty() {
        statements.push(format!("ALTER PUBLICATION {publication} ADD TABLE{}", list(added)));
    }
    statements
}

/// A table's name, and why it can't be published, from a row that begins with [`FACTS`].
fn judge(row: &Row) -> Result<(String, Option<&'static str>), DatabaseError> {
    let table: String = row.try_get(0)?;
    let letter = |column: usize| {
        let text: &str = row.try_get(column)?;
        let first = text.chars().next().ok_or(Malformed { what: "a table of no kind" })?;
        Ok::<_, DatabaseError>(first)
    };
    let key: Option<Vec<String>> = row.try_get(4)?;
    let numbers: Vec<String> = row.try_get(5)?;
    let is_number = |column: &String| numbers.contains(column);
    let id = "id".to_owned();
    let refusal = match (letter(1)?, letter(2)?, letter(3)?, key) {
        ('r', 'p', 'f', _) if !numbers.is_empty() => None,
        ('r', 'p', 'n', _) => {
            Some("its REPLICA IDENTITY is NOTHING: publishing it would make its updates and deletes fail")
        }
        ('r', 'p', 'd' | 'i', None) => Some("it has no key: publishing it would make its updates and deletes fail"),
        ('r', 'p', 'd' | 'i', Some(key)) if is_number(&id) && !key.contains(&id) => {
            Some("its key does not hold the id")
        }
        ('r', 'p', 'd' | 'i', Some(key)) if is_number(&id) || key.iter().all(is_number) => None,
        ('r', 'p', ..) => Some("it has neither an id nor a key of numbers"),
        ('r', ..) => Some("it is not in the log: it is unlogged or temporary"),
        _ => Some("it is no plain table"),
    };
    Ok((table, refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(tables: &[&str]) -> BTreeSet<String> {
        tables.iter().map(|table| (*table).to_owned()).collect()
    }

    #[test]
    fn the_list_is_brought_to_what_is_asked_for_and_no_further() {
        let publish = "WITH (publish = 'insert, update, delete, truncate')";
        let create =
            format!("CREATE PUBLICATION \"p\" FOR TABLE\n    \"public\".\"a\",\n    \"public\".\"b\"\"c\" {publish}");
        assert_eq!(statements("p", None, &set(&["a", "b\"c"])), [create]);
        assert_eq!(statements("p", None, &set(&[])), [format!("CREATE PUBLICATION \"p\" {publish}")]);
        let elsewhere = TableName { schema: "other".to_owned(), table: "x".to_owned() };
        let mut now = Publication {
            members: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
            refused: BTreeMap::from([(elsewhere, "it is in another schema")]),
            fault: None,
        };
        let expected = [
            "ALTER PUBLICATION \"p\" DROP TABLE\n    \"public\".\"b\",\n    \"other\".\"x\"",
            "ALTER PUBLICATION \"p\" ADD TABLE\n    \"public\".\"c\"",
        ];
        assert_eq!(statements("p", Some(&now), &set(&["a", "c"])), expected);
        now.refused.clear();
        assert!(statements("p", Some(&now), &set(&["a", "b"])).is_empty());
        now.fault = Some("it publishes all tables");
        let first = statements("p", Some(&now), &set(&["a"])).remove(0);
        assert_eq!(first, "DROP PUBLICATION \"p\"");
    }
}
