//! Writing: create, write and unlink within a transaction, with Odoo's checks.

use super::cell::{Cell, Row};
use super::schema::{CREATE_DATE, CREATE_UID, Kind, MAGIC, Schema, WRITE_DATE, WRITE_UID};
use super::state::{Change, State, Tx, Writing};
use super::view::{Handle, View};
use super::{addon, business};
use crate::fake::refusal::Refusal;
use bridge_model::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A transaction at work on the tables. Nothing is seen by others until [`Work::commit`].
#[derive(Debug)]
pub(in crate::fake) struct Work<'s> {
    pub(in crate::fake) state: &'s mut State,
    pub(in crate::fake) tx: Tx,
    pub(in crate::fake) now: Timestamp,
}

/// The values of a record, by field.
pub(in crate::fake) type Values = Map<String, Value>;

/// Values sorted by how they are kept.
#[derive(Default)]
struct Sorted {
    cells: Vec<(usize, Cell)>,
    /// Commands for lists of records that point here.
    lines: Vec<(usize, Value)>,
    /// Values that belong to the record that another field points to.
    through: Vec<(usize, usize, Value)>,
}

impl<'s> Work<'s> {
    pub(in crate::fake) fn begin(state: &'s mut State, uid: i64, now: Timestamp) -> Self {
        Self { state, tx: Tx::new(uid, now), now }
    }

    pub(in crate::fake) fn commit(self) {
        self.state.commit(self.tx);
    }

    pub(in crate::fake) fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.state.schema)
    }

    /// What this transaction sees.
    pub(in crate::fake) fn view(&self) -> View<'_> {
        View { schema: &self.state.schema, tables: &self.state.tables, tx: Some(&self.tx) }
    }

    /// The place of a model, or Odoo's refusal.
    pub(in crate::fake) fn model(&self, name: &str) -> Result<usize, Refusal> {
        self.state.schema.find(name).ok_or_else(|| Refusal::user(format!("Object {name} doesn't exist")))
    }

    pub(in crate::fake) fn get(&self, model: usize, id: i64) -> Result<Handle<'_>, Refusal> {
        self.view()
            .get(model, id)
            .ok_or_else(|| Refusal::missing(&self.state.schema.models[model].name, id, self.tx.uid))
    }

    /// Creates a record.
    pub(in crate::fake) fn create(&mut self, model: usize, values: &Values) -> Result<i64, Refusal> {
        let schema = self.schema();
        let def = &schema.models[model];
        if let Some(unknown) = values.keys().find(|name| def.find(name).is_none()) {
            return Err(Refusal::value(format!("Invalid field '{unknown}' in '{}'", def.name)));
        }
        let table = &mut self.state.tables[model];
        table.last_id += 1;
        let id = table.last_id;
        let mut row = self.state.blank(model);
        let sorted = self.sort(model, None, values)?;
        let given: BTreeSet<usize> = sorted.cells.iter().map(|(place, _)| *place).collect();
        for (place, field) in def.fields.iter().enumerate() {
            if let Some(default) = &field.default
                && !given.contains(&place)
            {
                row[place] = self.default(model, place, default)?;
            }
        }
        let (uid, now) = (Cell::One(self.tx.uid), Cell::time(self.tx.started));
        (row[CREATE_UID], row[CREATE_DATE], row[WRITE_UID], row[WRITE_DATE]) = (uid.clone(), now.clone(), uid, now);
        for (place, cell) in sorted.cells {
            row[place] = cell;
        }
        business::prepare(self, model, id, &mut row, values)?;
        self.check_required(model, &row)?;
        self.check_unique(model, id, &row)?;
        let change = Change::Put { row: Arc::new(row), fields: BTreeSet::new(), is_new: true };
        self.tx.changes.insert((model, id), change);
        self.check_parents(model, id)?;
        // A record that was made on the way (a product's template, a user's partner) has its values already.
        let given = |via: usize| values.contains_key(&def.fields[via].name);
        let through = sorted.through.into_iter().filter(|(via, ..)| given(*via)).collect();
        self.follow_up(model, id, sorted.lines, through)?;
        let names: Vec<&str> = values.keys().map(String::as_str).collect();
        business::after(self, model, id, &names)?;
        addon::track(self, model, id, "create", &names);
        business::after_event(self, model, id)?;
        Ok(id)
    }

    /// Writes the same values to some records.
    pub(in crate::fake) fn write(&mut self, model: usize, ids: &[i64], values: &Values) -> Result<(), Refusal> {
        let schema = self.schema();
        let def = &schema.models[model];
        if ids.is_empty() {
            return Ok(());
        }
        if let Some(unknown) = values.keys().find(|name| def.find(name).is_none()) {
            return Err(Refusal::key(unknown.clone()));
        }
        for id in ids {
            self.get(model, *id)?;
        }
        let names: Vec<&str> = values.keys().map(String::as_str).collect();
        for id in ids {
            self.tx.writing.push(Writing { model, id: *id, computed: Vec::new() });
            let outcome = self.write_one(model, *id, values, &names);
            let computed = self.tx.writing.pop().map_or_else(Vec::new, |writing| writing.computed);
            outcome?;
            let mut changed: BTreeSet<&str> = names.iter().copied().collect();
            changed.extend(computed);
            addon::track(self, model, *id, "write", &changed.into_iter().collect::<Vec<_>>());
            business::after_event(self, model, *id)?;
        }
        Ok(())
    }

    fn write_one(&mut self, model: usize, id: i64, values: &Values, names: &[&str]) -> Result<(), Refusal> {
        let sorted = self.sort(model, Some(id), values)?;
        let has_own = !sorted.cells.is_empty();
        self.set(model, id, sorted.cells)?;
        if has_own {
            let row = Row::clone(self.get(model, id)?.row);
            self.check_required(model, &row)?;
            self.check_unique(model, id, &row)?;
        }
        self.check_parents(model, id)?;
        self.follow_up(model, id, sorted.lines, sorted.through)?;
        business::after(self, model, id, names)
    }

    /// Deletes records.
    pub(in crate::fake) fn unlink(&mut self, model: usize, ids: &[i64]) -> Result<(), Refusal> {
        for id in ids {
            self.get(model, *id)?;
            business::before_unlink(self, model, *id)?;
        }
        for id in ids {
            // The same id twice, or a record that went with an earlier one.
            if self.view().get(model, *id).is_none() {
                continue;
            }
            let before = business::note_before_unlink(self, model, *id);
            self.release(model, *id)?;
            self.delete(model, *id);
            addon::track(self, model, *id, "unlink", &[]);
            business::after_unlink(self, model, before)?;
        }
        Ok(())
    }

    /// Sets cells as the ORM's own computations do: no checks, no event.
    pub(in crate::fake) fn set(&mut self, model: usize, id: i64, cells: Vec<(usize, Cell)>) -> Result<(), Refusal> {
        let mut row = Row::clone(self.get(model, id)?.row);
        let stamp = [(WRITE_UID, Cell::One(self.tx.uid)), (WRITE_DATE, Cell::time(self.tx.started))];
        let places: Vec<usize> = cells.iter().map(|(place, _)| *place).chain([WRITE_UID, WRITE_DATE]).collect();
        for (place, cell) in cells.into_iter().chain(stamp) {
            row[place] = cell;
        }
        if let Some(Change::Put { row: own, fields, .. }) = self.tx.changes.get_mut(&(model, id)) {
            *own = Arc::new(row);
            fields.extend(places);
        } else {
            let change = Change::Put { row: Arc::new(row), fields: places.into_iter().collect(), is_new: false };
            self.tx.changes.insert((model, id), change);
        }
        Ok(())
    }

    /// Puts a new row in place without the checks of [`Work::create`].
    pub(in crate::fake) fn insert(&mut self, model: usize, row: Row) -> i64 {
        let table = &mut self.state.tables[model];
        table.last_id += 1;
        let id = table.last_id;
        let change = Change::Put { row: Arc::new(row), fields: BTreeSet::new(), is_new: true };
        self.tx.changes.insert((model, id), change);
        id
    }

    fn delete(&mut self, model: usize, id: i64) {
        self.tx.changes.insert((model, id), Change::Deleted);
    }

    /// Deals with the records that point to one that goes: refuse, delete them too, or clear their field.
    fn release(&mut self, model: usize, id: i64) -> Result<(), Refusal> {
        let schema = self.schema();
        for (other, field) in &schema.models[model].referrers {
            let pointing: Vec<i64> = self.view().pointing(*other, *field, id).iter().map(|one| one.id).collect();
            if pointing.is_empty() {
                continue;
            }
            let (other_def, def) = (&schema.models[*other], &schema.models[*other].fields[*field]);
            if def.cascade {
                for one in pointing {
                    self.release(*other, one)?;
                    self.delete(*other, one);
                }
            } else if def.required {
                return Err(Refusal::validation(format!(
                    "The operation cannot be completed: Another model is using the record you are trying to delete.\n\n\
                     The troublemaker is: '{}' ({})\nThanks to the following constraint: '{}' ({})\n\
                     How about archiving the record instead?",
                    other_def.label, other_def.name, def.label, def.name
                )));
            } else {
                for one in pointing {
                    self.set(*other, one, vec![(*field, Cell::Unset)])?;
                }
            }
        }
        Ok(())
    }

    fn sort(&self, model: usize, id: Option<i64>, values: &Values) -> Result<Sorted, Refusal> {
        let schema = &self.state.schema;
        let def = &schema.models[model];
        let mut sorted = Sorted::default();
        for (name, value) in values {
            let Some(place) = def.find(name) else { continue };
            // Odoo drops what callers say of the fields that it keeps itself.
            if place < MAGIC {
                continue;
            }
            let field = &def.fields[place];
            match &field.kind {
                Kind::Inverse(..) => sorted.lines.push((place, value.clone())),
                // Worked out whenever it is read, so that there is nothing to keep.
                Kind::OnHand(..) => {}
                Kind::Related { via: Some(via), target } => sorted.through.push((*via, *target, value.clone())),
                Kind::Related { via: None, target } => {
                    let target_field = &def.fields[*target];
                    sorted.cells.push((*target, Cell::from_json(def, target_field, &target_field.kind, value)?));
                }
                Kind::Many(_) => {
                    let current =
                        id.and_then(|id| self.view().get(model, id)).map_or(&[][..], |one| one.row[place].as_many());
                    sorted.cells.push((place, Cell::Many(many(current, value).into())));
                }
                Kind::One(target) => {
                    let cell = Cell::from_json(def, field, &field.kind, value)?;
                    if let Some(wanted) = cell.as_one()
                        && self.view().get(*target, wanted).is_none()
                    {
                        return Err(Refusal::validation(format!(
                            "The operation cannot be completed: the record {}({wanted}) of the field '{}' ({}) does not exist.",
                            schema.models[*target].name, field.label, field.name
                        )));
                    }
                    sorted.cells.push((place, cell));
                }
                kind => sorted.cells.push((place, Cell::from_json(def, field, kind, value)?)),
            }
        }
        Ok(sorted)
    }

    fn follow_up(
        &mut self,
        model: usize,
        id: i64,
        lines: Vec<(usize, Value)>,
        through: Vec<(usize, usize, Value)>,
    ) -> Result<(), Refusal> {
        let schema = self.schema();
        let mut by_target: Vec<(usize, i64, Values)> = Vec::new();
        for (via, target, value) in through {
            let Kind::One(other) = schema.models[model].fields[via].kind else { continue };
            let Some(other_id) = self.get(model, id)?.row[via].as_one() else { continue };
            let name = schema.models[other].fields[target].name.clone();
            match by_target.iter_mut().find(|(model, id, _)| (*model, *id) == (other, other_id)) {
                Some((_, _, values)) => {
                    values.insert(name, value);
                }
                None => by_target.push((other, other_id, Values::from_iter([(name, value)]))),
            }
        }
        for (other, other_id, values) in by_target {
            self.write(other, &[other_id], &values)?;
        }
        for (place, commands) in lines {
            let Kind::Inverse(other, field) = schema.models[model].fields[place].kind else { continue };
            self.lines(other, field, id, &commands)?;
        }
        Ok(())
    }

    /// Carries out Odoo's commands on the records that point to `id`.
    fn lines(&mut self, model: usize, field: usize, id: i64, commands: &Value) -> Result<(), Refusal> {
        let schema = self.schema();
        let name = &schema.models[model].fields[field].name;
        for command in commands.as_array().into_iter().flatten() {
            let part = |index: usize| command.get(index).unwrap_or(&Value::Null);
            let one = part(1).as_i64().unwrap_or(0);
            let link = |to: Value| Values::from_iter([(name.clone(), to)]);
            match (part(0).as_i64(), part(2)) {
                (Some(0), Value::Object(values)) => {
                    let mut values = values.clone();
                    values.insert(name.clone(), json!(id));
                    self.create(model, &values)?;
                }
                (Some(1), Value::Object(values)) => self.write(model, &[one], values)?,
                (Some(2), _) => self.unlink(model, &[one])?,
                (Some(3), _) => self.write(model, &[one], &link(Value::Bool(false)))?,
                (Some(4), _) => self.write(model, &[one], &link(json!(id)))?,
                (Some(5), _) => {
                    let all: Vec<i64> = self.view().pointing(model, field, id).iter().map(|one| one.id).collect();
                    self.unlink(model, &all)?;
                }
                _ => return Err(Refusal::value(format!("Wrong value for {name}: {command}"))),
            }
        }
        Ok(())
    }

    fn default(&self, model: usize, place: usize, text: &str) -> Result<Cell, Refusal> {
        let def = &self.state.schema.models[model];
        let field = &def.fields[place];
        Ok(match text {
            "now" => Cell::time(self.now),
            "today" => Cell::text(self.now.to_odoo().get(..10).unwrap_or_default()),
            "uid" => Cell::One(self.tx.uid),
            other => {
                // Numbers and yes or no are written in the data file as JSON has them.
                let value = serde_json::from_str(other).ok().filter(|value: &Value| !value.is_string());
                let as_text = matches!(field.kind, Kind::Selection(_) | Kind::Char | Kind::Text);
                let value = if as_text { Value::from(other) } else { value.unwrap_or_else(|| Value::from(other)) };
                Cell::from_json(def, field, &field.kind, &value)?
            }
        })
    }

    fn check_required(&self, model: usize, row: &Row) -> Result<(), Refusal> {
        let def = &self.state.schema.models[model];
        for (field, cell) in def.fields.iter().zip(row) {
            if field.required && *cell == Cell::Unset && !matches!(field.kind, Kind::Related { .. }) {
                return Err(Refusal::validation(format!(
                    "The operation cannot be completed: Missing required value for the field '{}' ({}).\n\
                     Model: '{}' ({})\n- create/update: a mandatory field is not set\n\
                     - delete: another model requires the record being deleted, you can archive it instead\n",
                    field.label, field.name, def.label, def.name
                )));
            }
        }
        Ok(())
    }

    fn check_unique(&self, model: usize, id: i64, row: &Row) -> Result<(), Refusal> {
        for (place, field) in self.state.schema.models[model].fields.iter().enumerate() {
            if let Some(message) = &field.unique
                && self.view().all(model).any(|other| other.id != id && other.row[place] == row[place])
            {
                return Err(Refusal::validation(format!("The operation cannot be completed: {message}")));
            }
        }
        Ok(())
    }

    /// Refuses a record that would be its own ancestor.
    fn check_parents(&self, model: usize, id: i64) -> Result<(), Refusal> {
        let Some(parent) = self.state.schema.models[model].parent else { return Ok(()) };
        let mut above = self.get(model, id)?.follow(parent);
        let mut steps = 0;
        while let Some(one) = above {
            if one.id == id || steps > 100 {
                let label = if self.state.schema.models[model].name == "res.partner" { "Partner " } else { "" };
                return Err(Refusal::validation(format!("You cannot create recursive {label}hierarchies.")));
            }
            above = one.follow(parent);
            steps += 1;
        }
        Ok(())
    }
}

/// The ids that a list of records has after Odoo's commands; a plain list of ids replaces them.
fn many(current: &[i64], commands: &Value) -> Vec<i64> {
    let mut ids = current.to_vec();
    let Value::Array(commands) = commands else { return Vec::new() };
    if commands.iter().all(Value::is_i64) {
        return commands.iter().filter_map(Value::as_i64).collect();
    }
    for command in commands {
        let id = command.get(1).and_then(Value::as_i64).unwrap_or(0);
        match command.get(0).and_then(Value::as_i64) {
            Some(2 | 3) => ids.retain(|one| *one != id),
            Some(4) if !ids.contains(&id) => ids.push(id),
            Some(5) => ids.clear(),
            Some(6) => {
                ids =
                    command.get(2).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_i64).collect();
            }
            _ => {}
        }
    }
    ids
}
