//! Odoo's own trail, read from its database: who changed a record in a transaction, from which values to which.
//!
//! Odoo writes the start of the transaction into every row that it makes, so that what is noted of a change is found
//! exactly by record and time.

use super::role::{On, Right};
use super::{Database, DatabaseError};
use crate::odoo::trail::{NotedValue, audited_value, holds_secrets, is_secret, tracked_value};
use bridge_model::{ModelName, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many of the newest rows of `auditlog_log` are looked through: it has no index for what is asked here.
const AUDITED_ROWS_MAX: i64 = 5_000;

/// What a role has to read for it: the table, and its columns where not all are needed.
const READ: &[(&str, &str)] = &[
    // Not what the messages say.
    ("mail_message", "id, model, res_id, create_date, create_uid"),
    ("mail_tracking_value", ""),
    ("auditlog_rule", "id, model_id, state"),
    ("auditlog_log", "id, model_id, res_id, method, user_id, create_date"),
    ("auditlog_log_line", ""),
];

/// A change of a record that is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asked {
    /// The model.
    pub model: ModelName,
    /// The record.
    pub record_id: i64,
    /// When the transaction that changed it began.
    pub began_at: Timestamp,
}

/// What is noted of a change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Noted {
    /// Odoo's user who made it.
    pub user_id: Option<i64>,
    /// The fields that are noted; there may be others that changed as well.
    pub values: Vec<NotedValue>,
}

/// What of the trail can be read over a connection.
#[derive(Debug)]
pub struct Trail {
    /// The models whose messages may carry tracked values, and the column that names the field.
    tracked: Option<(BTreeSet<String>, &'static str)>,
    /// The models that `auditlog` has a rule for.
    audited: BTreeSet<String>,
}

impl Trail {
    /// Looks at what there is and what the role may read; that it may read nothing is no error.
    pub async fn open(database: &Database) -> Result<Self, DatabaseError> {
        let readable = readable(database).await?;
        let tracked = match readable.get("mail_tracking_value").filter(|_| readable.contains_key("mail_message")) {
            Some(columns) if columns.contains("field_id") => Some("field_id"),
            // Up to Odoo 16.
            Some(columns) if columns.contains("field") => Some("field"),
            _ => None,
        };
        let tracked = match tracked {
            Some(column) => Some((names(database, THREADED).await?, column)),
            None => None,
        };
        let has_auditlog = READ.iter().filter(|(table, _)| table.starts_with("auditlog"));
        let audited = if has_auditlog.clone().all(|(table, _)| readable.contains_key(*table)) {
            names(database, AUDITED).await?
        } else {
            BTreeSet::new()
        };
        Ok(Self { tracked, audited })
    }

    /// Whether anything can be noted of this model's records.
    pub fn covers(&self, model: &ModelName) -> bool {
        let name = model.as_str();
        self.audited.contains(name) || self.tracked.as_ref().is_some_and(|(models, _)| models.contains(name))
    }

    /// What is noted of these changes, reading at most `lines_max` noted fields from either place. What Odoo's own
    /// tracking and `auditlog` both tell is taken from the former, whose values have types.
    pub async fn look_up(
        &self,
        database: &Database,
        asked: &[Asked],
        lines_max: u32,
    ) -> Result<BTreeMap<Asked, Noted>, DatabaseError> {
        let mut found = BTreeMap::new();
        if let Some((models, column)) = &self.tracked {
            let asked: Vec<_> = asked.iter().filter(|asked| models.contains(asked.model.as_str())).collect();
            let sql = TRACKED.replace("FIELD", column);
            for row in rows(database, &sql, &asked, &[&i64::from(lines_max)]).await? {
                let (number, user_id): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
                let (field, kind): (String, String) = (row.try_get(2)?, row.try_get(3)?);
                let Value::Object(values) = row.try_get(4)? else { continue };
                note(&mut found, &asked, number, user_id, Some(tracked_value(&field, &kind, &values)));
            }
        }
        let asked: Vec<_> = asked.iter().filter(|asked| self.audited.contains(asked.model.as_str())).collect();
        for row in rows(database, AUDITED_LINES, &asked, &[&i64::from(lines_max), &AUDITED_ROWS_MAX]).await? {
            let (number, user_id): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
            let (field, old, new): (Option<String>, Option<String>, Option<String>) =
                (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
            let value = field.map(|field| audited_value(&field, old.as_deref(), new.as_deref()));
            note(&mut found, &asked, number, user_id, value);
        }
        Ok(found)
    }
}

fn note(
    found: &mut BTreeMap<Asked, Noted>,
    asked: &[&Asked],
    number: i64,
    user_id: Option<i64>,
    value: Option<NotedValue>,
) {
    let index = usize::try_from(number - 1).ok();
    let Some(asked) = index.and_then(|index| asked.get(index)) else { return };
    let noted = found.entry((*asked).clone()).or_default();
    noted.user_id = noted.user_id.or(user_id);
    let is_secret = |value: &NotedValue| is_secret(&value.field) || holds_secrets(asked.model.as_str());
    let Some(value) = value.filter(|value| !is_secret(value)) else { return };
    if !noted.values.iter().any(|known| known.field == value.field) {
        noted.values.push(value);
    }
}

async fn rows(
    database: &Database,
    sql: &str,
    asked: &[&Asked],
    more: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, DatabaseError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let models: Vec<&str> = asked.iter().map(|asked| asked.model.as_str()).collect();
    let ids: Vec<i64> = asked.iter().map(|asked| asked.record_id).collect();
    let times: Vec<i64> = asked.iter().map(|asked| asked.began_at.as_micros()).collect();
    let mut params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&models, &ids, &times];
    params.extend(more);
    database.query(sql, &params).await
}

async fn names(database: &Database, sql: &str) -> Result<BTreeSet<String>, DatabaseError> {
    database.query(sql, &[]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The tables of the trail that the role may read, with their columns.
async fn readable(database: &Database) -> Result<BTreeMap<String, BTreeSet<String>>, DatabaseError> {
    let tables: Vec<&str> = READ.iter().map(|(table, _)| *table).collect();
    let mut readable: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in database.query(READABLE, &[&tables]).await? {
        readable.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?);
    }
    readable.retain(|table, columns| {
        let needed = READ.iter().find(|(name, _)| name == table).map_or("", |(_, needed)| *needed);
        needed.split(", ").filter(|name| !name.is_empty()).all(|name| columns.contains(name))
    });
    Ok(readable)
}

/// What a role needs to read the trail of the Odoo in this schema, of those tables that exist.
pub(super) async fn rights(database: &Database, schema: &str) -> Result<Vec<Right>, DatabaseError> {
    let (tables, columns): (Vec<&str>, Vec<&str>) = READ.iter().copied().unzip();
    let rows = database.query(NEEDED, &[&schema, &tables, &columns]).await?;
    let right = |row: &tokio_postgres::Row| {
        let (table, column): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(match column {
            Some(column) => Right::new("SELECT", On::Column(schema.to_owned(), table, column)),
            None => Right::select(schema, &table),
        })
    };
    rows.iter().map(right).collect()
}

/// The tables that exist, each with the columns that are needed, or none for all of them.
const NEEDED: &str = "SELECT c.relname::text, a.attname::text
    FROM unnest($2::text[], $3::text[]) AS r (name, needed)
    JOIN pg_class AS c ON c.relname = r.name AND c.relkind IN ('r', 'p')
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = $1
    LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = ANY (string_to_array(r.needed, ', '))
        AND NOT a.attisdropped
    WHERE r.needed = '' OR a.attname IS NOT NULL ORDER BY c.relname, a.attnum";

const READABLE: &str = "SELECT c.relname::text, a.attname::text
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relname = ANY($1) AND pg_table_is_visible(c.oid) AND has_column_privilege(c.oid, a.attnum, 'SELECT')";

const THREADED: &str = "SELECT DISTINCT model::text FROM ir_model_fields WHERE name = 'message_ids'";

const AUDITED: &str = "SELECT DISTINCT m.model::text FROM auditlog_rule AS r JOIN ir_model AS m ON m.id = r.model_id
    WHERE r.state <> 'draft'";

/// The number of the question, user, field, type, values. Odoo's messages are indexed by model and record.
const TRACKED: &str = "SELECT asked.number, m.create_uid::bigint, f.name::text, f.ttype::text, to_jsonb(t)
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS asked (model, id, began_us, number)
    JOIN mail_message AS m ON m.model = asked.model AND m.res_id = asked.id::integer
        AND m.create_date = timestamp 'epoch' + asked.began_us * interval '1 microsecond'
    JOIN mail_tracking_value AS t ON t.mail_message_id = m.id
    JOIN ir_model_fields AS f ON f.id = t.FIELD AND f.model = asked.model
    ORDER BY t.id LIMIT $4";

const AUDITED_LINES: &str = "SELECT asked.number, l.user_id::bigint, line.field_name::text,
        coalesce(line.old_value_text, line.old_value)::text, coalesce(line.new_value_text, line.new_value)::text
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS asked (model, id, began_us, number)
    JOIN ir_model AS m ON m.model = asked.model
    JOIN (SELECT id, model_id, res_id, method, user_id, create_date FROM auditlog_log ORDER BY id DESC LIMIT $5) AS l
        ON l.model_id = m.id AND l.res_id = asked.id AND l.method IN ('create', 'write', 'unlink')
        AND l.create_date = timestamp 'epoch' + asked.began_us * interval '1 microsecond'
    LEFT JOIN auditlog_log_line AS line ON line.log_id = l.id
    ORDER BY line.id LIMIT $4";
