//! The publication: the explicit list of tables whose changes the database writes out for us.
//!
//! It never names all tables. PostgreSQL refuses updates and deletes of a published table whose rows have no key, and
//! that refusal would hit Odoo.

use super::pgoutput::Malformed;
use crate::odoo::database::{Database, DatabaseError};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// The publication's name.
pub const NAME: &str = "bridgecore";

/// The schema that Odoo keeps its tables in.
const SCHEMA: &str = "public";

/// The publication as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// Its tables, each with the number of its membership: another one once a table was taken out and put in again.
    pub members: BTreeMap<String, u32>,
    /// Tables that should not be in it, with the reason.
    pub refused: BTreeMap<String, &'static str>,
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
    let sql = "SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication
         WHERE pubname = $1";
    let Some(row) = database.query_opt(sql, &[&name]).await? else { return Ok(None) };
    let (all_tables, complete): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let fault = match (all_tables, complete) {
        (true, _) => Some("it publishes all tables, which makes Odoo fail on those without a key"),
        (false, false) => Some("it does not publish inserts, updates, deletes and truncation"),
        (false, true) => None,
    };
    let sql = format!(
        "SELECT {FACTS}, r.oid, n.nspname::text FROM pg_publication AS p
         JOIN pg_publication_rel AS r ON r.prpubid = p.oid
         JOIN pg_class AS c ON c.oid = r.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE p.pubname = $1"
    );
    let mut publication = Publication { fault, ..Publication::default() };
    for row in database.query(&sql, &[&name]).await? {
        let (table, refusal) = judge(&row)?;
        let refusal = refusal.or_else(|| (row.get::<_, &str>(7) != SCHEMA).then_some("it is in another schema"));
        match refusal {
            Some(reason) => publication.refused.insert(table, reason).map(drop),
            None => publication.members.insert(table, row.try_get(6)?).map(drop),
        };
    }
    Ok(Some(publication))
}

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
    let publication = quoted(name);
    let list = |tables: &[&String]| {
        tables.iter().map(|table| format!("{SCHEMA}.{}", quoted(table))).collect::<Vec<_>>().join(", ")
    };
    let create = |tables: Vec<&String>| {
        let tables = if tables.is_empty() { String::new() } else { format!(" FOR TABLE {}", list(&tables)) };
        format!("CREATE PUBLICATION {publication}{tables} WITH (publish = 'insert, update, delete, truncate')")
    };
    let Some(now) = now else { return vec![create(tables.iter().collect())] };
    if now.fault.is_some() {
        return vec![format!("DROP PUBLICATION {publication}"), create(tables.iter().collect())];
    }
    let mut statements = Vec::new();
    let removed: Vec<_> =
        now.members.keys().filter(|table| !tables.contains(*table)).chain(now.refused.keys()).collect();
    if !removed.is_empty() {
        statements.push(format!("ALTER PUBLICATION {publication} DROP TABLE {}", list(&removed)));
    }
    let added: Vec<_> = tables.iter().filter(|table| !now.members.contains_key(*table)).collect();
    if !added.is_empty() {
        statements.push(format!("ALTER PUBLICATION {publication} ADD TABLE {}", list(&added)));
    }
    statements
}

/// A name as SQL takes it whatever it holds.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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
        let create = format!("CREATE PUBLICATION \"p\" FOR TABLE public.\"a\", public.\"b\"\"c\" {publish}");
        assert_eq!(statements("p", None, &set(&["a", "b\"c"])), [create]);
        assert_eq!(statements("p", None, &set(&[])), [format!("CREATE PUBLICATION \"p\" {publish}")]);
        let mut now = Publication {
            members: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
            refused: BTreeMap::from([("x".to_owned(), "no key")]),
            fault: None,
        };
        let expected = [
            "ALTER PUBLICATION \"p\" DROP TABLE public.\"b\", public.\"x\"",
            "ALTER PUBLICATION \"p\" ADD TABLE public.\"c\"",
        ];
        assert_eq!(statements("p", Some(&now), &set(&["a", "c"])), expected);
        now.refused.clear();
        assert!(statements("p", Some(&now), &set(&["a", "b"])).is_empty());
        now.fault = Some("it publishes all tables");
        let first = statements("p", Some(&now), &set(&["a"])).remove(0);
        assert_eq!(first, "DROP PUBLICATION \"p\"");
    }
}
