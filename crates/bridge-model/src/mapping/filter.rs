//! Asking for records in universal words: filters, orders and fields.

use super::entity::{Case, EntityMap, Source};
use super::words::{MappingError, MappingProblem, Words};
use crate::domain::{Condition, DatePart, Domain, Operand, Operator};
use crate::migration::Version;
use serde_json::Value;

impl EntityMap {
    /// A filter in universal words as the system takes it. A path goes on over fields that lead to records of an entity,
    /// in that entity's words.
    pub fn filter(&self, words: &Words, domain: &Domain) -> Result<Domain, MappingError> {
        let all = |members: &[Domain]| -> Result<Vec<Domain>, MappingError> {
            members.iter().map(|member| self.filter(words, member)).collect()
        };
        Ok(match domain {
            Domain::All => Domain::All,
            Domain::Nothing => Domain::Nothing,
            Domain::And(members) => Domain::all_of(all(members)?),
            Domain::Or(members) => Domain::any_of(all(members)?),
            Domain::Not(member) => Domain::Not(Box::new(self.filter(words, member)?)),
            Domain::Condition(condition) => self.condition(words, condition)?,
        })
    }

    /// An order in universal words as the system takes it; what is no order is left for the system to refuse.
    pub fn order(&self, order: &str) -> Result<String, MappingError> {
        let key = |key: &str| {
            let key = key.trim();
            let (field, rest) = key.split_at(key.find(char::is_whitespace).unwrap_or(key.len()));
            if field.is_empty() || (field == "id" && !self.fields.contains_key(field)) {
                return Ok(key.to_owned());
            }
            match self.fields.get(field) {
                Some(Source::Field { name, .. }) => Ok(format!("{name}{rest}")),
                Some(_) => Err(self.error(field, MappingProblem::NotSearched)),
                None => Err(self.unknown(field)),
            }
        };
        let keys: Result<Vec<String>, _> = order.split(',').map(key).collect();
        Ok(keys?.join(", "))
    }

    /// The system's fields that a universal field is made of.
    pub fn made_of(&self, field: &str) -> Result<Vec<String>, MappingError> {
        let source = self.fields.get(field).ok_or_else(|| self.unknown(field))?;
        Ok(source.names().map(str::to_owned).collect())
    }

    fn condition(&self, words: &Words, condition: &Condition) -> Result<Domain, MappingError> {
        let Condition { path, operator, operand } = condition;
        let (field, rest) = match path.split_once('.') {
            Some((field, rest)) => (field, Some(rest)),
            None => (path.as_str(), None),
        };
        let native = |path: String, operand| Domain::Condition(Condition { path, operator: *operator, operand });
        let Some(source) = self.fields.get(field) else {
            // Every record has an id, whatever the map calls it.
            let is_id = field == "id" && rest.is_none();
            return if is_id { Ok(native(path.clone(), operand.clone())) } else { Err(self.unknown(field)) };
        };
        match (source, rest, operand) {
            (Source::Field { name, .. }, None, Operand::Value(value)) => {
                let value = self.compared(field, source, *operator, value)?;
                Ok(native(name.clone(), Operand::Value(value)))
            }
            (Source::Field { name, entity: Some(entity), .. }, None, Operand::Domain(domain)) => {
                let domain = words.related(entity)?.filter(words, domain).map_err(|error| error.within(field))?;
                Ok(native(name.clone(), Operand::Domain(Box::new(domain))))
            }
            (Source::Field { name, entity: Some(entity), .. }, Some(rest), _) => {
                let condition = Condition { path: rest.to_owned(), ..condition.clone() };
                let related = words.related(entity)?.condition(words, &condition);
                Ok(self.of_related(name, related.map_err(|error| error.within(field))?))
            }
            (Source::Field { name, .. }, Some(rest), _) if DatePart::parse(rest).is_some() => {
                Ok(native(format!("{name}.{rest}"), operand.clone()))
            }
            (Source::Field { .. }, _, _) => Err(self.error(field, MappingProblem::NotARelation)),
            (Source::Cases(cases), None, Operand::Value(value)) => self.one_of(field, cases, *operator, value),
            _ => Err(self.error(field, MappingProblem::NotSearched)),
        }
    }

    /// A filter on the records that a field leads to. What is asked of several of their fields is meant of one and the same
    /// record, for which they need a domain of their own; Odoo before 17.0 does not take one, and is asked field by field.
    fn of_related(&self, field: &str, domain: Domain) -> Domain {
        if self.version < Version::V17 || matches!(domain, Domain::Condition(_)) {
            return below(field, domain);
        }
        let operand = Operand::Domain(Box::new(domain));
        Domain::Condition(Condition { path: field.to_owned(), operator: Operator::Any, operand })
    }

    /// A value that a field is compared with. A part of a text, or what is greater, is asked of the system's own values.
    fn compared(&self, field: &str, source: &Source, operator: Operator, value: &Value) -> Result<Value, MappingError> {
        if !matches!(operator, Operator::Equal | Operator::NotEqual | Operator::In | Operator::NotIn) {
            return Ok(value.clone());
        }
        match value {
            Value::Array(values) => {
                values.iter().map(|value| self.native_value(field, source, value)).collect::<Result<_, _>>()
            }
            value => self.native_value(field, source, value),
        }
    }

    /// A comparison of a field whose values stand for what several fields are.
    fn one_of(&self, field: &str, cases: &[Case], operator: Operator, value: &Value) -> Result<Domain, MappingError> {
        let is_negative = match operator {
            Operator::Equal | Operator::In => false,
            Operator::NotEqual | Operator::NotIn => true,
            _ => return Err(self.error(field, MappingProblem::NotSearched)),
        };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let mut wanted = Vec::with_capacity(values.len());
        for value in values {
            let Some((_, when)) = cases.iter().find(|(known, _)| known == value) else {
                let known = cases.iter().map(|(known, _)| known.clone()).collect();
                return Err(self.error(field, MappingProblem::Value(known)));
            };
            let is = |(name, value): (&String, &Value)| Domain::condition(name, Operator::Equal, value.clone());
            wanted.push(Domain::all_of(when.iter().map(is)));
        }
        let wanted = Domain::any_of(wanted);
        Ok(if is_negative { Domain::Not(Box::new(wanted)) } else { wanted })
    }
}

/// The same filter, each condition over a path that begins with `field`.
fn below(field: &str, domain: Domain) -> Domain {
    let all = |members: Vec<Domain>| members.into_iter().map(|member| below(field, member)).collect();
    match domain {
        Domain::And(members) => Domain::And(all(members)),
        Domain::Or(members) => Domain::Or(all(members)),
        Domain::Not(member) => Domain::Not(Box::new(below(field, *member))),
        Domain::Condition(condition) => {
            Domain::Condition(Condition { path: format!("{field}.{}", condition.path), ..condition })
        }
        other => other,
    }
}
