//! Which table holds which model, and what a change of a row says about records.

use super::{Database, DatabaseError, RowChange, RowKey, RowOperation};
use bridge_model::{Event, ModelName, RecordId, SourceId};
use std::collections::{BTreeMap, BTreeSet};

/// What a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableKind {
    /// The records of models, by their `id`: nearly always of one. A table that others inherit from (in PostgreSQL's
    /// sense) shows their rows too, so that those belong to its models as well.
    Records(Vec<ModelName>),
    /// Rows without an `id` that link records of two models: the columns with the ids, each with the models whose
    /// records are written by a link.
    Links(Vec<(String, Vec<ModelName>)>),
}

/// A table of Odoo's database that holds something of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it holds.
    pub kind: TableKind,
    /// Whether all of it belongs to transient models (wizards), which Odoo throws away by itself.
    pub is_transient: bool,
    /// Whether it inherits from a table, or another from it: then a statement on one reaches rows of the other.
    pub is_in_inheritance: bool,
    /// Whether its rows say who wrote them, and when.
    pub names_writer: bool,
}

impl Table {
    /// Every model that it holds something of.
    pub fn models(&self) -> BTreeSet<&ModelName> {
        match &self.kind {
            TableKind::Records(models) => models.iter().collect(),
            TableKind::Links(columns) => columns.iter().flat_map(|(_, models)| models).collect(),
        }
    }
}

/// Which table holds which model, as Odoo's own registry in the database has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableMap {
    schema: String,
    tables: BTreeMap<String, Table>,
}

/// What a change of a row says about one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The model.
    pub model: ModelName,
    /// The record; `None` for all of them.
    pub record_id: Option<RecordId>,
    /// What happened to it.
    pub event: Event,
    /// What it is known by: a row can tell of several records.
    pub source_id: SourceId,
}

impl TableMap {
    /// Reads the registry of the Odoo in this database; `Missing` if there is none in the search path of the role.
    pub async fn read(database: &Database) -> Result<Self, DatabaseError> {
        let Some(schema) = schema(database).await? else {
            let message = "there is no Odoo in this database: the table ir_model does not exist";
            return Err(DatabaseError::new(super::DatabaseErrorKind::Missing, message));
        };
        let mut map = Self { schema, tables: BTreeMap::new() };
        for row in database.query(RECORDS, &[&map.schema]).await? {
            let (table, model): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (is_transient, is_in_inheritance): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
            let names_writer: bool = row.try_get(4)?;
            // A name of another form than Odoo's own can't have been made by Odoo.
            let Ok(model) = ModelName::parse(model) else { continue };
            let known = map.tables.entry(table).or_insert_with(|| Table {
                kind: TableKind::Records(Vec::new()),
                is_transient: true,
                is_in_inheritance,
                names_writer,
            });
            known.is_transient &= is_transient;
            if let TableKind::Records(models) = &mut known.kind {
                models.push(model);
            }
        }
        for row in database.query(LINKS, &[&map.schema]).await? {
            let (table, model, column): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (other, is_transient): (String, bool) = (row.try_get(3)?, row.try_get(4)?);
            if let Ok(model) = ModelName::parse(model) {
                map.link(table, model, &column, &other, is_transient);
            }
        }
        Ok(map)
    }

    fn link(&mut self, table: String, model: ModelName, column: &str, other: &str, is_transient: bool) {
        let known = self.tables.entry(table).or_insert_with(|| Table {
            kind: TableKind::Links(Vec::new()),
            is_transient: true,
            is_in_inheritance: false,
            names_writer: false,
        });
        let TableKind::Links(columns) = &mut known.kind else { return };
        known.is_transient &= is_transient;
        for name in [column, other] {
            if !columns.iter().any(|(known, _)| known == name) {
                columns.push((name.to_owned(), Vec::new()));
            }
        }
        if let Some((_, models)) = columns.iter_mut().find(|(known, _)| known == column)
            && !models.contains(&model)
        {
            models.push(model);
        }
    }

    /// The schema that Odoo's tables are in.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// What this table holds, if it is one of a model.
    pub fn get(&self, table: &str) -> Option<&Table> {
        self.tables.get(table)
    }

    /// Every table of a model, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }

    /// The tables that tell of a model: its records and its links.
    pub fn of_model(&self, model: &ModelName) -> Vec<&str> {
        self.iter().filter(|(_, table)| table.models().contains(model)).map(|(name, _)| name).collect()
    }

    /// What a change of a row says; empty if its table is not one of a model.
    pub fn told_by(&self, change: &RowChange) -> Vec<Told> {
        let Some(table) = self.get(&change.table) else { return Vec::new() };
        match (&table.kind, &change.record) {
            (_, RowKey::Table) => {
                let told = |model: &ModelName| Told {
                    model: model.clone(),
                    record_id: None,
                    event: Event::Reset,
                    source_id: SourceId(format!("{}:{model}", change.source_id)),
                };
                table.models().into_iter().map(told).collect()
            }
            (TableKind::Records(models), RowKey::Id(id)) => {
                let told = |model: &ModelName| Told {
                    model: model.clone(),
                    record_id: Some(RecordId::Number(*id)),
                    event: match change.operation {
                        RowOperation::Insert => Event::Create,
                        RowOperation::Delete => Event::Unlink,
                        RowOperation::Update | RowOperation::Truncate => Event::Write,
                    },
                    source_id: match models.len() {
                        1 => change.source_id.clone(),
                        _ => SourceId(format!("{}:{model}", change.source_id)),
                    },
                };
                models.iter().map(told).collect()
            }
            (TableKind::Links(columns), RowKey::Links(links)) => {
                let told = |column: &str, model: &ModelName, id: i64| Told {
                    model: model.clone(),
                    record_id: Some(RecordId::Number(id)),
                    event: Event::Write,
                    source_id: SourceId(format!("{}:{column}:{model}", change.source_id)),
                };
                let models_of = |column: &str| {
                    columns.iter().find(|(known, _)| known == column).map_or(&[][..], |(_, models)| models.as_slice())
                };
                let of_link = |(column, id): &(String, i64)| {
                    models_of(column).iter().map(|model| told(column, model, *id)).collect::<Vec<_>>()
                };
                links.iter().flat_map(of_link).collect()
            }
            // The table was made anew in the other form since the registry was read.
            (TableKind::Records(_), RowKey::Links(_)) | (TableKind::Links(_), RowKey::Id(_)) => Vec::new(),
        }
    }
}

/// The schema in which the role finds Odoo's registry; `None` if it finds none.
pub(super) async fn schema(database: &Database) -> Result<Option<String>, DatabaseError> {
    let row = database.query_opt(SCHEMA, &[]).await?;
    row.map_or(Ok(None), |row| Ok(row.try_get(0)?))
}

const SCHEMA: &str = "SELECT n.nspname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass('ir_model')";

/// Tables with records: table, model, transient, in an inheritance, with the writer's name.
///
/// A model's table has its name with `_` for `.`, unless the model says otherwise, which the registry does not keep.
/// But it keeps the names of the foreign keys that it made for a model, and those are on the model's table (or on one
/// without a model of its own that links records, which has no `id`).
const RECORDS: &str = "WITH RECURSIVE
    found AS (
        SELECT c.oid, c.relname::text AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition
            AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'id'
                AND NOT a.attisdropped AND a.atttypid IN ('int4'::regtype, 'int8'::regtype))),
    plain AS (
        SELECT found.oid, found.name, m.model::text, coalesce(m.transient, false) AS transient
        FROM found JOIN ir_model AS m ON replace(m.model, '.', '_') = found.name),
    named AS (
        SELECT DISTINCT found.oid, found.name, m.model::text, coalesce(m.transient, false) AS transient
        FROM ir_model_constraint AS k
        JOIN ir_model AS m ON m.id = k.model
        JOIN pg_constraint AS c ON c.conname = k.name AND c.contype = 'f'
        JOIN found ON found.oid = c.conrelid
        WHERE NOT EXISTS (SELECT FROM plain WHERE plain.model = m.model)
            AND NOT EXISTS (SELECT FROM plain WHERE plain.name = found.name)
        UNION
        SELECT found.oid, found.name, m.model::text, false
        FROM (VALUES ('ir.actions.actions', 'ir_actions'), ('ir.actions.act_window', 'ir_act_window'),
            ('ir.actions.act_window.view', 'ir_act_window_view'), ('ir.actions.act_url', 'ir_act_url'),
            ('ir.actions.server', 'ir_act_server'), ('ir.actions.client', 'ir_act_client'),
            ('ir.actions.report', 'ir_act_report_xml'), ('ir.actions.report.xml', 'ir_act_report_xml')
        ) AS odd (model, name)
        JOIN ir_model AS m ON m.model = odd.model JOIN found ON found.name = odd.name),
    own AS (SELECT * FROM plain UNION SELECT * FROM named),
    above AS (
        SELECT own.oid, own.name, own.oid AS holder FROM own
        UNION
        SELECT above.oid, above.name, i.inhparent FROM above JOIN pg_inherits AS i ON i.inhrelid = above.holder)
SELECT DISTINCT above.name, own.model, own.transient,
    EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = above.oid OR i.inhparent = above.oid),
    (SELECT count(*) = 2 FROM pg_attribute AS a WHERE a.attrelid = above.oid AND NOT a.attisdropped
        AND (a.attname, a.atttypid) IN (('write_uid', 'int4'::regtype), ('write_date', 'timestamp'::regtype)))
FROM above JOIN own ON own.oid = above.holder ORDER BY 1, 2";

/// Tables with links: table, model whose record a link writes, the column with its id, the other column, transient.
const LINKS: &str = "SELECT DISTINCT f.relation_table::text, f.model::text, f.column1::text, f.column2::text,
    coalesce(m.transient, false)
    FROM ir_model_fields AS f
    JOIN ir_model AS m ON m.id = f.model_id
    JOIN pg_class AS c ON c.relname = f.relation_table AND c.relkind = 'r'
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = $1
    WHERE f.ttype = 'many2many' AND f.store AND f.relation_table <> ''
        AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'id'
            AND NOT a.attisdropped)
        AND (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND NOT a.attisdropped
            AND a.attname IN (f.column1, f.column2)) = 2
    ORDER BY 1, 2, 3";

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::Timestamp;

    fn model(name: &str) -> ModelName {
        ModelName::parse(name).unwrap()
    }

    fn map() -> TableMap {
        let records = |models: &[&str]| Table {
            kind: TableKind::Records(models.iter().map(|name| model(name)).collect()),
            is_transient: false,
            is_in_inheritance: models.len() > 1,
            names_writer: false,
        };
        let mut map = TableMap { schema: "public".to_owned(), tables: BTreeMap::new() };
        map.tables.insert("sale_order".to_owned(), records(&["sale.order"]));
        map.tables.insert("ir_act_window".to_owned(), records(&["ir.actions.act_window", "ir.actions.actions"]));
        map.link("sale_order_tag_rel".to_owned(), model("sale.order"), "order_id", "tag_id", false);
        map
    }

    fn change(table: &str, record: RowKey, operation: RowOperation) -> RowChange {
        RowChange {
            source_id: SourceId("capture:life:7".to_owned()),
            table: table.to_owned(),
            record,
            operation,
            occurred_at: Timestamp::default(),
            changed_columns: None,
            old: None,
            new: None,
            began_at: None,
            user_id: None,
        }
    }

    fn told(change: &RowChange) -> Vec<String> {
        let line = |told: &Told| {
            let record = told.record_id.as_ref().map_or("all".to_owned(), ToString::to_string);
            format!("{} {record} {} {}", told.model, told.event, told.source_id)
        };
        map().told_by(change).iter().map(line).collect()
    }

    #[test]
    fn a_row_tells_of_its_record_and_of_those_that_show_it() {
        let row = change("sale_order", RowKey::Id(5), RowOperation::Insert);
        assert_eq!(told(&row), ["sale.order 5 create capture:life:7"]);
        let row = change("ir_act_window", RowKey::Id(5), RowOperation::Delete);
        assert_eq!(
            told(&row),
            [
                "ir.actions.act_window 5 unlink capture:life:7:ir.actions.act_window",
                "ir.actions.actions 5 unlink capture:life:7:ir.actions.actions"
            ]
        );
        assert!(told(&change("not_odoos", RowKey::Id(5), RowOperation::Insert)).is_empty());
    }

    #[test]
    fn a_link_writes_its_owner_and_not_the_other_side() {
        let links = RowKey::Links(vec![("order_id".to_owned(), 5), ("tag_id".to_owned(), 9)]);
        let row = change("sale_order_tag_rel", links, RowOperation::Delete);
        assert_eq!(told(&row), ["sale.order 5 write capture:life:7:order_id:sale.order"]);
        assert_eq!(map().of_model(&model("sale.order")), ["sale_order", "sale_order_tag_rel"]);
    }

    #[test]
    fn an_emptied_table_resets_its_models() {
        let row = change("sale_order", RowKey::Table, RowOperation::Truncate);
        assert_eq!(told(&row), ["sale.order all reset capture:life:7:sale.order"]);
    }
}
