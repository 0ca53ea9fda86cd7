//! Searching: the checks of a domain, the order, and the rows that match.

use super::cell::{Cell, python};
use super::schema::{Kind, Schema};
use super::view::{Handle, View};
use crate::fake::refusal::Refusal;
use bridge_model::domain::{Condition, DatePart, Domain, DomainProblem, Operand, Operator};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// What is searched for.
pub(in crate::fake) struct Query {
    pub(in crate::fake) domain: Domain,
    pub(in crate::fake) order: Vec<OrderKey>,
    pub(in crate::fake) offset: usize,
    pub(in crate::fake) limit: usize,
}

/// One key of an order.
#[derive(Clone, Copy)]
pub(in crate::fake) struct OrderKey {
    place: usize,
    descending: bool,
}

/// Reads a domain as a caller sent it, and checks its fields against the model.
pub(in crate::fake) fn parse_domain(schema: &Schema, model: usize, json: &Value) -> Result<Domain, Refusal> {
    let domain = Domain::parse(json).map_err(|error| match &error.problem {
        DomainProblem::NotAList => {
            Refusal::type_error(format!("Domain() invalid argument type for domain: {}", json_text(json)))
        }
        DomainProblem::UnknownOperator(_) | DomainProblem::InvalidValue { .. } => {
            let condition = json.get(first_index(&error.at)).unwrap_or(json);
            Refusal::value(format!("Invalid operator in condition {}", tuple(condition)))
        }
        _ => match json.get(first_index(&error.at)).and_then(Value::as_array).filter(|item| item.len() != 3) {
            Some(_) => {
                let item = json.get(first_index(&error.at)).unwrap_or(json);
                Refusal::value(format!("Domain() invalid item in domain: {}", python(item)))
            }
            None => Refusal::value(format!("Domain() malformed domain {}", python(json))),
        },
    })?;
    check(schema, model, &domain)?;
    Ok(domain)
}

fn first_index(at: &str) -> usize {
    at.trim_start_matches('[').split(']').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn json_text(json: &Value) -> String {
    if let Value::String(text) = json { format!("\"{text}\"") } else { python(json) }
}

fn tuple(condition: &Value) -> String {
    match condition {
        Value::Array(items) => format!("({})", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        other => python(other),
    }
}

fn check(schema: &Schema, model: usize, domain: &Domain) -> Result<(), Refusal> {
    let mut outcome = Ok(());
    domain.for_each_condition(&mut |condition| {
        if outcome.is_ok() {
            outcome = check_condition(schema, model, condition);
        }
    });
    outcome
}

fn check_condition(schema: &Schema, model: usize, condition: &Condition) -> Result<(), Refusal> {
    let mut at = model;
    let mut kind = &Kind::Id;
    let shown = || match &condition.operand {
        Operand::Value(value) => python(value),
        Operand::Domain(domain) => python(&domain.to_odoo_json()),
    };
    let mut names = condition.path.split('.').peekable();
    while let Some(name) = names.next() {
        let invalid = || {
            let model = &schema.models[at].name;
            let condition = format!("('{}', '{}', {})", condition.path, condition.operator, shown());
            Refusal::value(format!("Invalid field {model}.{name} in condition {condition}"))
        };
        let place = schema.models[at].find(name).ok_or_else(invalid)?;
        kind = schema.kind(at, place);
        match kind {
            Kind::One(next) | Kind::Many(next) | Kind::Inverse(next, _) => at = *next,
            Kind::Date | Kind::Datetime if names.peek().is_some() => {
                let part = names.next().and_then(DatePart::parse);
                if part.is_none() || names.peek().is_some() {
                    return Err(invalid());
                }
                kind = &Kind::Int;
            }
            _ if names.peek().is_some() => return Err(invalid()),
            _ => {}
        }
    }
    let value = match &condition.operand {
        Operand::Domain(inner) => return check(schema, at, inner),
        Operand::Value(value) => value,
    };
    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    for text in values.iter().filter_map(Value::as_str) {
        match kind {
            Kind::Id | Kind::Int if is_plain(condition.operator) && text.trim().parse::<i64>().is_err() => {
                return Err(Refusal::bad_text(format!("invalid input syntax for type integer: \"{text}\"\n")));
            }
            Kind::Datetime if text.ends_with('Z') => {
                return Err(Refusal::value(format!("expecting only datetimes with no timezone: '{text}'")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_plain(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Equal
            | Operator::NotEqual
            | Operator::In
            | Operator::NotIn
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual
    )
}

/// Reads an order, `name desc, id`; the model's own if the text is empty.
pub(in crate::fake) fn parse_order(schema: &Schema, model: usize, text: &str) -> Result<Vec<OrderKey>, Refusal> {
    let model = &schema.models[model];
    let text = if text.trim().is_empty() { &model.order } else { text };
    let malformed = || {
        Refusal::user(format!(
            "Invalid \"order\" specified ({text}). A valid \"order\" specification is a comma-separated list of valid field names (optionally followed by asc/desc for the direction)"
        ))
    };
    text.split(',')
        .map(|part| {
            let mut words = part.split_whitespace();
            let name = words.next().ok_or_else(malformed)?;
            let descending = match words.next().map(str::to_ascii_lowercase).as_deref() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => return Err(malformed()),
            };
            let place = model
                .find(name)
                .ok_or_else(|| Refusal::value(format!("Invalid field '{name}' on model '{}'", model.name)))?;
            Ok(OrderKey { place, descending })
        })
        .collect()
}

impl<'a> View<'a> {
    /// The records that match, in order. Fields were checked when the domain was read.
    pub(in crate::fake) fn search(self, model: usize, query: &Query) -> Vec<Handle<'a>> {
        let limit = if query.limit == 0 { usize::MAX } else { query.limit };
        let accepted = |one: &Handle<'a>| query.domain.matches(*one).unwrap_or(false);
        let candidates = self.candidates(model, &query.domain);
        // By id, the search ends with the last record that is asked for.
        match query.order.first().map(|key| (&self.schema.models[model].fields[key.place].kind, key.descending)) {
            None | Some((Kind::Id, false)) => {
                return candidates.filter(accepted).skip(query.offset).take(limit).collect();
            }
            Some((Kind::Id, true)) => {
                return candidates.rev().filter(accepted).skip(query.offset).take(limit).collect();
            }
            Some(_) => {}
        }
        let mut found: Vec<(Vec<Key<'a>>, Handle<'a>)> = candidates
            .filter(accepted)
            .map(|one| (query.order.iter().map(|key| Key::of(one, key.place)).collect(), one))
            .collect();
        found.sort_by(|(left, _), (right, _)| {
            query
                .order
                .iter()
                .zip(left.iter().zip(right))
                .map(|(key, (left, right))| if key.descending { right.order(left) } else { left.order(right) })
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        found.into_iter().map(|(_, one)| one).skip(query.offset).take(limit).collect()
    }

    /// How many records match, counting at most `limit` (0 is no limit).
    pub(in crate::fake) fn count(self, model: usize, domain: &Domain, limit: usize) -> usize {
        let limit = if limit == 0 { usize::MAX } else { limit };
        self.candidates(model, domain).filter(|one| domain.matches(*one).unwrap_or(false)).take(limit).count()
    }

    /// The records that can match, judged by what the domain asks of their ids: a cursor over a long table must not
    /// walk all of it.
    fn candidates(self, model: usize, domain: &Domain) -> Box<dyn DoubleEndedIterator<Item = Handle<'a>> + 'a> {
        let mut bounds = Bounds { low: i64::MIN, high: i64::MAX, listed: None };
        bounds.narrow(domain);
        match bounds.listed {
            Some(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                Box::new(ids.into_iter().filter_map(move |id| self.get(model, id)))
            }
            None => self.range(model, bounds.low..=bounds.high),
        }
    }
}

struct Bounds {
    low: i64,
    high: i64,
    listed: Option<Vec<i64>>,
}

impl Bounds {
    fn narrow(&mut self, domain: &Domain) {
        match domain {
            Domain::And(members) => members.iter().for_each(|member| self.narrow(member)),
            Domain::Condition(Condition { path, operator, operand: Operand::Value(value) }) if path == "id" => {
                self.narrow_by(*operator, value);
            }
            _ => {}
        }
    }

    fn narrow_by(&mut self, operator: Operator, value: &Value) {
        match (operator, value, value.as_i64()) {
            (Operator::Greater, _, Some(id)) => self.low = self.low.max(id.saturating_add(1)),
            (Operator::GreaterOrEqual, _, Some(id)) => self.low = self.low.max(id),
            (Operator::Less, _, Some(id)) => self.high = self.high.min(id.saturating_sub(1)),
            (Operator::LessOrEqual, _, Some(id)) => self.high = self.high.min(id),
            (Operator::Equal | Operator::In, _, Some(id)) => self.listed = Some(vec![id]),
            (Operator::Equal | Operator::In, Value::Array(ids), _) => {
                self.listed = Some(ids.iter().filter_map(Value::as_i64).collect());
            }
            _ => {}
        }
    }
}

/// What a record is sorted by.
enum Key<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Unset,
}

impl<'a> Key<'a> {
    #[expect(clippy::cast_precision_loss, reason = "ids and numbers of the demo are far below the limit")]
    fn of(one: Handle<'a>, place: usize) -> Self {
        match one.view.schema.kind(one.model, place) {
            Kind::Id => Self::Number(one.id as f64),
            Kind::DisplayName => Self::Text(one.name()),
            Kind::One(_) => one.follow(place).map_or(Self::Unset, |next| Self::Text(next.name())),
            _ => match one.cell(&one.view.schema.models[one.model].fields[place].name) {
                Cell::Int(number) => Self::Number(*number as f64),
                Cell::Float(number) => Self::Number(*number),
                Cell::Bool(yes) => Self::Number(f64::from(u8::from(*yes))),
                Cell::Text(text) => Self::Text(Cow::Borrowed(text)),
                _ => Self::Unset,
            },
        }
    }

    /// Unset comes last, as the database has it.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.total_cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Unset, Self::Unset) => Ordering::Equal,
            (Self::Unset, _) | (Self::Text(_), Self::Number(_)) => Ordering::Greater,
            (_, Self::Unset) | (Self::Number(_), Self::Text(_)) => Ordering::Less,
        }
    }
}
