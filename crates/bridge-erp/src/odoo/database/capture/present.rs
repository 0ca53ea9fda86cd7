//! What of the capture is in a database now.

use super::super::role::Given;
use super::super::{Database, DatabaseError, DatabaseErrorKind};
use std::collections::{BTreeMap, BTreeSet};

/// A trigger that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) is_enabled: bool,
}

/// A table as the registry in our schema has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) number: i32,
    pub(super) triggers: Vec<String>,
    pub(super) definition: String,
}

/// What is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Present {
    /// Settings by name; empty if nothing is installed.
    pub(super) settings: BTreeMap<String, String>,
    /// Registered tables by name.
    pub(super) tables: BTreeMap<String, Registered>,
    /// Our triggers by table.
    pub(super) triggers: BTreeMap<String, Vec<Found>>,
    /// The numbers of the sequences that count errors, each of a table.
    pub(super) marks: BTreeSet<i32>,
}

/// The setting with the role that reads the outbox.
pub(super) const ROLE: &str = "role";

/// The setting with what that role was given outside of our schema.
pub(super) const GIVEN: &str = "given";

impl Present {
    pub(super) fn is_installed(&self) -> bool {
        self.settings.contains_key("incarnation")
    }

    /// The role that reads the outbox.
    pub(super) fn role(&self) -> Option<&str> {
        self.settings.get(ROLE).map(String::as_str)
    }

    /// What that role was given, besides what ends with our schema.
    pub(super) fn given(&self) -> Given {
        self.settings.get(GIVEN).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    pub(super) async fn read(database: &Database, schema: &str) -> Result<Self, DatabaseError> {
        let exists = "SELECT to_regnamespace('bridgecore') IS NOT NULL, to_regclass('bridgecore.settings') IS NOT NULL";
        let row = database.query_opt(exists, &[]).await?;
        let (has_schema, has_settings) = match row {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (false, false),
        };
        let mut present = Self::default();
        if has_schema && !has_settings {
            let message = "there is a schema bridgecore in this database that was not made by this command";
            return Err(DatabaseError::new(DatabaseErrorKind::Failed, message));
        }
        if has_settings {
            for row in database.query("SELECT name, value FROM bridgecore.settings", &[]).await? {
                present.settings.insert(row.try_get(0)?, row.try_get(1)?);
            }
            let sql = "SELECT table_name, number, triggers, definition FROM bridgecore.tables";
            for row in database.query(sql, &[]).await? {
                let registered =
                    Registered { number: row.try_get(1)?, triggers: row.try_get(2)?, definition: row.try_get(3)? };
                present.tables.insert(row.try_get(0)?, registered);
            }
            for row in database.query(MARKS, &[]).await? {
                present.marks.insert(row.try_get(0)?);
            }
        }
        // Also without a schema: somebody may have renamed it, which takes the functions and their triggers along.
        for row in database.query(TRIGGERS, &[&schema]).await? {
            let found = Found { name: row.try_get(1)?, is_enabled: row.try_get(2)? };
            present.triggers.entry(row.try_get(0)?).or_default().push(found);
        }
        Ok(present)
    }
}

const MARKS: &str = "SELECT substr(c.relname, 6)::integer
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'bridgecore' AND c.relkind = 'S' AND c.relname ~ '^mark_[0-9]{1,9}$'";

const TRIGGERS: &str = "SELECT c.relname::text, t.tgname::text, t.tgenabled IN ('O', 'A')
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND NOT t.tgisinternal AND starts_with(t.tgname::text, 'bridgecore_') ORDER BY 1, 2";
