//! Values to be written: checked by the fields of the model, and lines by those of theirs.
//!
//! Where a field holds several records, its value is a list of commands, in words or as Odoo has them:
//!
//! | in words | as Odoo has it |
//! |---|---|
//! | `{"action": "create", "data": {…}}` | `[0, 0, {…}]` |
//! | `{"action": "update", "record_id": 7, "data": {…}}` | `[1, 7, {…}]` |
//! | `{"action": "delete", "record_id": 7}` | `[2, 7]` |
//! | `{"action": "unlink", "record_id": 7}` | `[3, 7]` |
//! | `{"action": "link", "record_id": 7}` | `[4, 7]` |
//! | `{"action": "clear"}` | `[5]` |
//! | `{"action": "set", "record_ids": [7, 8]}`, or just `[7, 8]` | `[6, 0, [7, 8]]` |

use super::domain::relation;
use super::values::{id, written};
use super::{Acting, Record};
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::ErpField;
use bridge_model::{ModelName, Operation};
use serde_json::{Value, json};
use std::pin::Pin;

/// How deep lines may have lines.
const DEPTH_MAX: usize = 5;

/// What the system keeps by itself.
pub(crate) const KEPT_BY_SYSTEM: [&str; 5] = ["id", "create_uid", "create_date", "write_uid", "write_date"];

/// What a command does.
enum Command<'v> {
    Create(&'v Value),
    Update(i64, &'v Value),
    Delete(i64),
    Unlink(i64),
    Link(i64),
    Clear,
    Set(Vec<i64>),
}

impl Acting {
    /// The values of a record in the form that the system takes; `at` is where they stand in the request.
    pub(super) async fn values(
        &self,
        model: &ModelName,
        record: &Record,
        at: &str,
        is_new: bool,
    ) -> Result<Record, Problem> {
        self.values_within(model, record, at.to_owned(), is_new, 0).await
    }

    fn values_within<'a>(
        &'a self,
        model: &'a ModelName,
        record: &'a Record,
        at: String,
        is_new: bool,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Record, Problem>> + Send + 'a>> {
        Box::pin(async move {
            let fields = self.fields_with(model, record.keys().map(String::as_str)).await?;
            let mut values = Record::new();
            for (name, value) in record {
                let place = format!("{at}.{name}");
                if KEPT_BY_SYSTEM.contains(&name.as_str()) {
                    return Err(Problem::field(&place, Reason::kept_by_system()));
                }
                let Some(field) = fields.get(name) else {
                    let problem = Problem::field(&place, Reason::unknown_model_field());
                    return Err(problem.with("unknown_field", name.as_str()).with("model", model.as_str()));
                };
                let value = match field.kind.as_str() {
                    "one2many" | "many2many" => self.lines(field, value, &place, is_new, depth).await?,
                    kind => written(kind, value).map_err(|reason| Problem::field(&place, reason))?,
                };
                values.insert(name.clone(), value);
            }
            Ok(values)
        })
    }

    /// The commands of a field that holds several records.
    async fn lines(
        &self,
        field: &ErpField,
        value: &Value,
        at: &str,
        is_new: bool,
        depth: usize,
    ) -> Result<Value, Problem> {
        let refuse = |place: &str, reason| Err(Problem::field(place, reason));
        let Some(related) = relation(field)? else { return refuse(at, Reason::unexpected_form()) };
        if depth >= DEPTH_MAX {
            return refuse(at, Reason::lines_too_deep());
        }
        let Value::Array(items) = value else { return refuse(at, Reason::lines_form()) };
        if items.is_empty() && !is_new {
            // To some it means that nothing is done, to others that all go.
            return refuse(at, Reason::no_lines());
        }
        let owns = field.kind == "one2many";
        if !items.is_empty() && items.iter().all(Value::is_i64) {
            let ids = items.iter().filter_map(id).collect();
            return Ok(json!([self.line(&related, owns, Command::Set(ids), at, depth).await?]));
        }
        let mut commands = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = format!("{at}[{index}]");
            let Some(command) = read(item) else { return refuse(&place, Reason::line_form()) };
            commands.push(self.line(&related, owns, command, &place, depth).await?);
        }
        Ok(Value::Array(commands))
    }

    /// One command. Lines are records of their own model: what is done with them must be open there. A field that
    /// `owns` its lines changes them, or deletes them, also where they are only linked or unlinked.
    async fn line(
        &self,
        related: &ModelName,
        owns: bool,
        command: Command<'_>,
        at: &str,
        depth: usize,
    ) -> Result<Value, Problem> {
        let open = |operations: &[Operation]| operations.iter().try_for_each(|one| self.check(related, *one));
        Ok(match command {
            Command::Create(data) => {
                open(&[Operation::Create])?;
                json!([0, 0, self.line_values(related, data, at, true, depth).await?])
            }
            Command::Update(id, data) => {
                open(&[Operation::Update])?;
                json!([1, id, self.line_values(related, data, at, false, depth).await?])
            }
            Command::Delete(id) => {
                open(&[Operation::Delete])?;
                json!([2, id, 0])
            }
            Command::Link(id) => {
                open(if owns { &[Operation::Update] } else { &[] })?;
                json!([4, id, 0])
            }
            Command::Unlink(id) => {
                open(if owns { &[Operation::Update, Operation::Delete] } else { &[] })?;
                json!([3, id, 0])
            }
            Command::Clear => {
                open(if owns { &[Operation::Update, Operation::Delete] } else { &[] })?;
                json!([5, 0, 0])
            }
            Command::Set(ids) => {
                open(if owns { &[Operation::Update, Operation::Delete] } else { &[] })?;
                json!([6, 0, ids])
            }
        })
    }

    async fn line_values(
        &self,
        related: &ModelName,
        data: &Value,
        at: &str,
        is_new: bool,
        depth: usize,
    ) -> Result<Value, Problem> {
        let Value::Object(record) = data else { return Err(Problem::field(at, Reason::line_form())) };
        let values = self.values_within(related, record, at.to_owned(), is_new, depth + 1).await?;
        Ok(Value::Object(values))
    }
}

/// Reads a command in either form.
fn read(item: &Value) -> Option<Command<'_>> {
    match item {
        Value::Object(command) => {
            let known = ["action", "record_id", "record_ids", "data"];
            if !command.keys().all(|key| known.contains(&key.as_str())) {
                return None;
            }
            let record_id = || id(command.get("record_id")?);
            Some(match command.get("action")?.as_str()? {
                "create" => Command::Create(command.get("data")?),
                "update" => Command::Update(record_id()?, command.get("data")?),
                "delete" => Command::Delete(record_id()?),
                "unlink" => Command::Unlink(record_id()?),
                "link" => Command::Link(record_id()?),
                "clear" => Command::Clear,
                "set" => Command::Set(ids(command.get("record_ids")?)?),
                _ => return None,
            })
        }
        Value::Array(parts) => Some(match (parts.first()?.as_i64()?, &parts[1..]) {
            (0, [_, data]) => Command::Create(data),
            (1, [record, data]) => Command::Update(id(record)?, data),
            (2, [record, ..]) => Command::Delete(id(record)?),
            (3, [record, ..]) => Command::Unlink(id(record)?),
            (4, [record, ..]) => Command::Link(id(record)?),
            (5, _) => Command::Clear,
            (6, [_, records]) => Command::Set(ids(records)?),
            _ => return None,
        }),
        _ => None,
    }
}

fn ids(value: &Value) -> Option<Vec<i64>> {
    value.as_array()?.iter().map(id).collect()
}
