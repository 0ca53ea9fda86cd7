//! Which rows were touched, found without the product: every row of every table as it was and as it is.

use bridge_model::Event;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Client;

/// Every row of a database by its table and its key: the `id`, or where there is none the whole row as JSON.
pub(super) struct Evidence(BTreeMap<String, BTreeMap<String, Row>>);

/// What a row looks different by after it was touched.
#[derive(PartialEq)]
struct Row {
    /// The transaction that wrote it.
    written_by: String,
    /// When Odoo says that it was written, where it does.
    write_date: Option<String>,
}

/// A row that was touched.
#[derive(Debug, Clone)]
pub(super) struct Touched {
    pub(super) table: String,
    pub(super) key: Key,
    pub(super) event: Event,
    /// Whether Odoo says when, where it can: its own SQL may not.
    pub(super) is_dated: Option<bool>,
}

#[derive(Debug, Clone)]
pub(super) enum Key {
    Record(i64),
    Link(Value),
}

impl Evidence {
    pub(super) async fn take(client: &Client) -> Self {
        let sql = "SELECT c.relname::text,
                bool_or(a.attname = 'id'), bool_or(a.attname = 'write_date')
            FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' GROUP BY 1";
        let mut tables = BTreeMap::new();
        for table in client.query(sql, &[]).await.unwrap() {
            let (name, has_id, has_date): (String, bool, bool) = (table.get(0), table.get(1), table.get(2));
            let key = if has_id { "id::text" } else { "to_jsonb(t)::text" };
            let date = if has_date { "write_date::text" } else { "NULL" };
            let sql = format!("SELECT {key}, xmin::text, {date} FROM ONLY \"{name}\" AS t");
            let rows = client.query(&sql, &[]).await.unwrap();
            let row = |row: &tokio_postgres::Row| {
                (row.get(0), Row { written_by: row.get(1), write_date: row.get::<_, Option<String>>(2) })
            };
            tables.insert(name, rows.iter().map(row).collect());
        }
        Self(tables)
    }

    /// The rows that are not what they were.
    pub(super) fn touched_since(&self, before: &Self) -> Vec<Touched> {
        let mut touched = Vec::new();
        for (table, now) in &self.0 {
            let nothing = BTreeMap::new();
            let was = before.0.get(table).unwrap_or(&nothing);
            let mut tell = |key: &String, event, is_dated| {
                let key = key.parse().map_or_else(|_| Key::Link(serde_json::from_str(key).unwrap()), Key::Record);
                touched.push(Touched { table: table.clone(), key, event, is_dated });
            };
            for (key, row) in now {
                match was.get(key) {
                    None => tell(key, Event::Create, row.write_date.as_ref().map(|_| true)),
                    Some(old) if old != row => {
                        tell(
                            key,
                            Event::Write,
                            row.write_date.as_ref().map(|date| old.write_date.as_ref() != Some(date)),
                        );
                    }
                    Some(_) => {}
                }
            }
            was.iter().filter(|(key, _)| !now.contains_key(*key)).for_each(|(key, row)| {
                tell(key, Event::Unlink, row.write_date.as_ref().map(|_| true));
            });
        }
        touched
    }
}

/// Which model's records a table holds, and whose records its links belong to, as Odoo's own registry says.
pub(super) struct Registry {
    /// The model and whether it is a wizard's, by table.
    records: BTreeMap<String, (String, bool)>,
    /// The columns with the ids of the owners and their models, by table; wizards are left out.
    links: BTreeMap<String, BTreeSet<(String, String)>>,
}

/// Models whose tables have other names than their own.
const ODD_TABLES: &[(&str, &str)] = &[
    ("ir_actions", "ir.actions.actions"),
    ("ir_act_window", "ir.actions.act_window"),
    ("ir_act_window_view", "ir.actions.act_window.view"),
    ("ir_act_url", "ir.actions.act_url"),
    ("ir_act_server", "ir.actions.server"),
    ("ir_act_client", "ir.actions.client"),
    ("ir_act_report_xml", "ir.actions.report"),
];

impl Registry {
    pub(super) async fn read(client: &Client) -> Self {
        let sql = "SELECT model::text, coalesce(transient, false) FROM ir_model";
        let models: BTreeMap<String, bool> =
            client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        let table_of = |model: &str| {
            let odd = ODD_TABLES.iter().find(|(_, odd)| *odd == model);
            odd.map_or_else(|| model.replace('.', "_"), |(table, _)| (*table).to_owned())
        };
        let sql = "SELECT relation_table::text, column1::text, model::text FROM ir_model_fields
            WHERE ttype = 'many2many' AND store AND relation_table <> ''";
        let mut links: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
        for row in client.query(sql, &[]).await.unwrap() {
            let (table, column, model): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let owners = links.entry(table).or_default();
            if models.get(&model) == Some(&false) {
                owners.insert((column, model));
            }
        }
        let records = models.into_iter().map(|(model, is_wizard)| (table_of(&model), (model, is_wizard))).collect();
        Self { records, links }
    }

    /// The records that a row tells of, `None` where the table is known to nobody. Those of wizards are left out.
    pub(super) fn records_of(&self, touched: &Touched) -> Option<Vec<super::Fact>> {
        match &touched.key {
            Key::Record(id) => {
                let (model, is_wizard) = self.records.get(&touched.table)?;
                Some(if *is_wizard { Vec::new() } else { vec![(model.clone(), *id, touched.event.as_str())] })
            }
            Key::Link(row) => {
                let owners = self.links.get(&touched.table)?;
                let owner = |(column, model): &(String, String)| {
                    (model.clone(), row[column].as_i64().unwrap(), Event::Write.as_str())
                };
                Some(owners.iter().map(owner).collect())
            }
        }
    }
}
