//! Rules in which several fields together decide over several fields.

use super::file::RowFile;
use super::pack::{Direction, Flaw};
use serde_json::{Map, Number, Value, json};

/// Fields that become other fields, by the first row that fits. Where none fits, the fields that both versions have
/// stay as they are.
#[derive(Debug)]
pub(super) struct Table {
    /// The fields in the older version.
    pub(super) from: Vec<String>,
    /// The fields in the newer version.
    pub(super) to: Vec<String>,
    /// Fields that are looked at and left as they are.
    pub(super) sees: Vec<String>,
    up: Vec<Row>,
    down: Vec<Row>,
    lossy_up: Vec<String>,
    lossy_down: Vec<String>,
}

#[derive(Debug)]
struct Row {
    when: Vec<(String, Pattern)>,
    set: Vec<(String, Expression)>,
}

#[derive(Debug)]
enum Pattern {
    /// This value; null stands for a field that is not there too.
    Is(Value),
    /// Any value but null.
    Present,
    AnyOf(Vec<Value>),
}

#[derive(Debug)]
enum Expression {
    Literal(Value),
    /// The value of a field; where it is not there, nothing is set.
    Copy(String),
    /// The sum of fields that are numbers; those that are not there count nothing.
    Sum(Vec<String>),
}

impl Table {
    pub(super) fn new(
        from: Vec<String>,
        to: Vec<String>,
        sees: Vec<String>,
        up: Vec<RowFile>,
        down: Vec<RowFile>,
        lossy_up: Vec<String>,
        lossy_down: Vec<String>,
    ) -> Result<Self, Flaw> {
        let up = rows(up, &from, &sees, &to)?;
        let down = rows(down, &to, &sees, &from)?;
        let stray = lossy_up.iter().find(|field| !from.contains(field));
        if let Some(field) = stray.or_else(|| lossy_down.iter().find(|field| !to.contains(field))) {
            return Err(Flaw(format!("{field} is called lossy and is not part of the table")));
        }
        Ok(Self { from, to, sees, up, down, lossy_up, lossy_down })
    }

    /// The fields that it takes, in this direction.
    pub(super) fn takes(&self, direction: Direction) -> &[String] {
        match direction {
            Direction::Up => &self.from,
            Direction::Down => &self.to,
        }
    }

    /// The fields that it gives.
    pub(super) fn gives(&self, direction: Direction) -> &[String] {
        self.takes(direction.back())
    }

    /// The fields whose values may not come back.
    pub(super) fn lossy(&self, direction: Direction) -> &[String] {
        match direction {
            Direction::Up => &self.lossy_up,
            Direction::Down => &self.lossy_down,
        }
    }

    /// What becomes of the fields that it takes of this record.
    pub(super) fn apply(&self, direction: Direction, record: &Map<String, Value>) -> Vec<(String, Value)> {
        let rows = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        if let Some(row) = rows.iter().find(|row| row.fits(record)) {
            return row.set.iter().filter_map(|(field, set)| Some((field.clone(), set.value(record)?))).collect();
        }
        let both = self.gives(direction).iter().filter(|field| self.takes(direction).contains(field));
        both.filter_map(|field| Some((field.clone(), record.get(field)?.clone()))).collect()
    }

    /// Values that its rows name for a field on the side where this direction begins, for tests.
    #[cfg(test)]
    pub(super) fn named_values(&self, direction: Direction, field: &str) -> Vec<Value> {
        let (here, there) = if direction == Direction::Up { (&self.up, &self.down) } else { (&self.down, &self.up) };
        let mut found = Vec::new();
        for (_, pattern) in here.iter().flat_map(|row| &row.when).filter(|(name, _)| name == field) {
            match pattern {
                Pattern::Is(value) => found.push(value.clone()),
                Pattern::AnyOf(values) => found.extend(values.iter().cloned()),
                Pattern::Present => {}
            }
        }
        for (_, set) in there.iter().flat_map(|row| &row.set).filter(|(name, _)| name == field) {
            if let Expression::Literal(value) = set {
                found.push(value.clone());
            }
        }
        found
    }
}

impl Row {
    fn fits(&self, record: &Map<String, Value>) -> bool {
        self.when.iter().all(|(field, pattern)| {
            let value = record.get(field).unwrap_or(&Value::Null);
            match pattern {
                Pattern::Is(wanted) => wanted == value,
                Pattern::Present => !value.is_null(),
                Pattern::AnyOf(values) => values.contains(value),
            }
        })
    }
}

impl Expression {
    fn value(&self, record: &Map<String, Value>) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Copy(field) => record.get(field).cloned(),
            Self::Sum(fields) => {
                let numbers = fields.iter().filter_map(|field| record.get(field)?.as_f64());
                Number::from_f64(numbers.sum()).map(Value::Number)
            }
        }
    }
}

fn rows(rows: Vec<RowFile>, takes: &[String], sees: &[String], gives: &[String]) -> Result<Vec<Row>, Flaw> {
    rows.into_iter().map(|row| Row::new(row, takes, sees, gives)).collect()
}

impl Row {
    fn new(row: RowFile, takes: &[String], sees: &[String], gives: &[String]) -> Result<Self, Flaw> {
        let is_seen = |field: &String| takes.contains(field) || sees.contains(field);
        let when: Vec<_> = row.when.into_iter().map(|(field, value)| (field, pattern(value))).collect();
        let set: Vec<_> = row.set.into_iter().map(|(field, value)| (field, expression(value))).collect();
        let read = set.iter().flat_map(|(_, set)| match set {
            Expression::Literal(_) => &[],
            Expression::Copy(field) => std::slice::from_ref(field),
            Expression::Sum(fields) => fields.as_slice(),
        });
        if let Some(field) = when.iter().map(|(field, _)| field).chain(read).find(|field| !is_seen(field)) {
            return Err(Flaw(format!("a row looks at {field}, which the table neither takes nor sees")));
        }
        if let Some((field, _)) = set.iter().find(|(field, _)| !gives.contains(field)) {
            return Err(Flaw(format!("a row sets {field}, which the table does not give")));
        }
        Ok(Self { when, set })
    }
}

fn pattern(value: Value) -> Pattern {
    if value == json!({ "present": true }) {
        return Pattern::Present;
    }
    match value.get("any_of").and_then(Value::as_array) {
        Some(values) => Pattern::AnyOf(values.clone()),
        None => Pattern::Is(value),
    }
}

fn expression(value: Value) -> Expression {
    if let Some(field) = value.get("copy").and_then(Value::as_str) {
        return Expression::Copy(field.to_owned());
    }
    match value.get("sum").and_then(Value::as_array) {
        Some(fields) => Expression::Sum(fields.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        None => Expression::Literal(value),
    }
}
