//! Reading: what a transaction sees, and records as the filter language wants them.

use super::cell::{Cell, Row};
use super::schema::{FieldDef, Kind, LabelPart, Schema};
use super::state::{Change, Table, Tx};
use bridge_model::domain::{Field, Record};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// The committed rows, with one transaction's own changes over them.
#[derive(Debug, Clone, Copy)]
pub(in crate::fake) struct View<'a> {
    pub(in crate::fake) schema: &'a Schema,
    pub(in crate::fake) tables: &'a [Table],
    pub(in crate::fake) tx: Option<&'a Tx>,
}

/// One record in a view.
#[derive(Debug, Clone, Copy)]
pub(in crate::fake) struct Handle<'a> {
    pub(in crate::fake) view: View<'a>,
    pub(in crate::fake) model: usize,
    pub(in crate::fake) id: i64,
    pub(in crate::fake) row: &'a Row,
}

impl<'a> View<'a> {
    /// A record that exists.
    pub(in crate::fake) fn get(self, model: usize, id: i64) -> Option<Handle<'a>> {
        let row = match self.tx.and_then(|tx| tx.changes.get(&(model, id))) {
            Some(Change::Put { row, .. }) => row,
            Some(Change::Deleted) => return None,
            None => self.tables[model].rows.get(&id)?,
        };
        Some(Handle { view: self, model, id, row })
    }

    /// The records with ids in a range, in the order of their ids.
    pub(in crate::fake) fn range(
        self,
        model: usize,
        ids: RangeInclusive<i64>,
    ) -> Box<dyn DoubleEndedIterator<Item = Handle<'a>> + 'a> {
        if ids.is_empty() {
            return Box::new(std::iter::empty());
        }
        let handle = move |id: i64, row: &'a Row| Handle { view: self, model, id, row };
        let own: Vec<(i64, &Change)> = self.tx.map_or_else(Vec::new, |tx| {
            tx.changes
                .range((model, *ids.start())..=(model, *ids.end()))
                .map(|((_, id), change)| (*id, change))
                .collect()
        });
        let committed = self.tables[model].rows.range(ids).map(move |(id, row)| handle(*id, row));
        if own.is_empty() {
            return Box::new(committed);
        }
        let changed: std::collections::HashSet<i64> = own.iter().map(|(id, _)| *id).collect();
        let mut merged: Vec<Handle<'a>> = committed.filter(|one| !changed.contains(&one.id)).collect();
        merged.extend(own.into_iter().filter_map(|(id, change)| match change {
            Change::Put { row, .. } => Some(handle(id, row)),
            Change::Deleted => None,
        }));
        merged.sort_unstable_by_key(|one| one.id);
        Box::new(merged.into_iter())
    }

    /// Every record of a model, in the order of the ids.
    pub(in crate::fake) fn all(self, model: usize) -> Box<dyn DoubleEndedIterator<Item = Handle<'a>> + 'a> {
        self.range(model, i64::MIN..=i64::MAX)
    }

    /// The records of `model` whose `field` points to `id`, in the order of the ids.
    pub(in crate::fake) fn pointing(self, model: usize, field: usize, id: i64) -> Vec<Handle<'a>> {
        let Some(index) = self.tables[model].pointing.get(&field) else {
            if self.schema.models[model].indexed.contains(&field) {
                return self.own_pointing(model, field, id);
            }
            return self.all(model).filter(|one| one.row[field].as_one() == Some(id)).collect();
        };
        let committed = index.get(&id).into_iter().flatten();
        let mut found: Vec<Handle<'a>> = committed
            .filter_map(|pointing| self.get(model, *pointing))
            .filter(|one| one.row[field].as_one() == Some(id))
            .collect();
        let known = found.len();
        for one in self.own_pointing(model, field, id) {
            if !found[..known].iter().any(|other| other.id == one.id) {
                found.push(one);
            }
        }
        if found.len() > known {
            found.sort_unstable_by_key(|one| one.id);
        }
        found
    }

    fn own_pointing(self, model: usize, field: usize, id: i64) -> Vec<Handle<'a>> {
        let Some(tx) = self.tx else { return Vec::new() };
        tx.changes
            .range((model, i64::MIN)..=(model, i64::MAX))
            .filter_map(|((_, own), change)| match change {
                Change::Put { row, .. } if row[field].as_one() == Some(id) => self.get(model, *own),
                _ => None,
            })
            .collect()
    }
}

impl<'a> Handle<'a> {
    /// The definition of a field.
    fn def(self, place: usize) -> &'a FieldDef {
        &self.view.schema.models[self.model].fields[place]
    }

    /// The cell of a field by name; unset if there is no such field.
    pub(in crate::fake) fn cell(self, name: &str) -> &'a Cell {
        self.view.schema.models[self.model].find(name).map_or(&Cell::Unset, |place| self.stored(place))
    }

    /// The cell that a field shows, with related fields followed.
    fn stored(self, place: usize) -> &'a Cell {
        match &self.def(place).kind {
            Kind::Related { via: None, target } => self.stored(*target),
            Kind::Related { via: Some(via), target } => {
                self.follow(*via).map_or(&Cell::Unset, |next| next.stored(*target))
            }
            _ => &self.row[place],
        }
    }

    /// The record that a field points to.
    pub(in crate::fake) fn follow(self, place: usize) -> Option<Handle<'a>> {
        let Kind::One(model) = self.view.schema.kind(self.model, place) else { return None };
        self.view.get(*model, self.stored(place).as_one()?)
    }

    /// The records that a field lists.
    pub(in crate::fake) fn related(self, place: usize) -> Vec<Handle<'a>> {
        match &self.def(place).kind {
            Kind::Inverse(model, field) => self.view.pointing(*model, *field, self.id),
            Kind::Many(model) => {
                self.stored(place).as_many().iter().filter_map(|id| self.view.get(*model, *id)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// How much the pointing records say is in stock: at places of one's own, as in Odoo.
    fn on_hand(self, model: usize, field: usize) -> f64 {
        let is_own = |location: Handle<'_>| matches!(location.cell("usage").as_text(), Some("internal" | "transit"));
        let place = self.view.schema.models[model].find("location_id");
        let quants = self.view.pointing(model, field, self.id);
        let own = quants.iter().filter(|quant| place.and_then(|place| quant.follow(place)).is_some_and(is_own));
        own.map(|quant| quant.cell("quantity").as_float()).sum()
    }

    /// How people call the record.
    pub(in crate::fake) fn name(self) -> Cow<'a, str> {
        let model = &self.view.schema.models[self.model];
        if let [LabelPart::Field(place)] = model.pattern.as_slice()
            && let Cell::Text(text) = self.stored(*place)
        {
            return Cow::Borrowed(text);
        }
        let mut label = String::new();
        for part in &model.pattern {
            match part {
                LabelPart::Text(text) => label.push_str(text),
                LabelPart::Field(place) => match self.follow(*place) {
                    Some(next) => label.push_str(&next.name()),
                    None => label.push_str(self.stored(*place).as_text().unwrap_or_default()),
                },
            }
        }
        // A product without a reference is called by its name alone.
        let label = label.strip_prefix("[] ").map(str::to_owned).unwrap_or(label);
        Cow::Owned(if label.is_empty() { format!("{},{}", model.name, self.id) } else { label })
    }

    /// A field as `read` answers it; `names` gives pairs of id and name for single relations.
    pub(in crate::fake) fn json(self, place: usize, names: bool) -> Value {
        let nothing = Value::Bool(false);
        match self.view.schema.kind(self.model, place) {
            Kind::Id => Value::from(self.id),
            Kind::DisplayName => Value::from(self.name()),
            Kind::One(_) => match self.follow(place) {
                Some(one) if names => json!([one.id, one.name()]),
                Some(one) => Value::from(one.id),
                None => nothing,
            },
            Kind::Many(_) | Kind::Inverse(..) => self.related(place).iter().map(|one| one.id).collect(),
            Kind::OnHand(model, field) => Value::from(self.on_hand(*model, *field)),
            _ => match self.stored(place) {
                Cell::Unset => nothing,
                Cell::Bool(yes) => Value::from(*yes),
                Cell::Int(number) => Value::from(*number),
                Cell::Float(number) => Value::from(*number),
                Cell::Text(_) if self.def(place).name == "password" => Value::from(""),
                Cell::Text(text) => Value::from(&**text),
                Cell::One(id) => Value::from(*id),
                Cell::Many(ids) => ids.iter().copied().collect(),
                Cell::Json(value) => Value::clone(value),
            },
        }
    }
}

impl<'a> Record<'a> for Handle<'a> {
    fn id(self) -> i64 {
        self.id
    }

    fn field(self, name: &str) -> Option<Field<'a, Self>> {
        let place = self.view.schema.models[self.model].find(name)?;
        Some(match self.view.schema.kind(self.model, place) {
            Kind::Id => Field::Int(self.id),
            Kind::DisplayName => Field::Text(self.name()),
            Kind::One(_) => self.follow(place).map_or(Field::Unset, Field::One),
            Kind::Many(_) | Kind::Inverse(..) => Field::Many(self.related(place)),
            Kind::OnHand(model, field) => Field::Float(self.on_hand(*model, *field)),
            _ => match self.stored(place) {
                Cell::Unset | Cell::One(_) | Cell::Many(_) => Field::Unset,
                Cell::Bool(yes) => Field::Bool(*yes),
                Cell::Int(number) => Field::Int(*number),
                Cell::Float(number) => Field::Float(*number),
                Cell::Text(text) => Field::Text(Cow::Borrowed(text)),
                Cell::Json(value) => Field::Text(Cow::Owned(value.to_string())),
            },
        })
    }

    fn label(self) -> Cow<'a, str> {
        self.name()
    }

    fn parent(self) -> Option<Self> {
        self.follow(self.view.schema.models[self.model].parent?)
    }

    fn sibling(self, id: i64) -> Option<Self> {
        self.view.get(self.model, id)
    }
}
