//! Reading the prefix form.

use super::{CONDITIONS_MAX, Condition, DEPTH_MAX, Domain, Operand, Operator, PATH_BYTES_MAX, VALUES_MAX};
use serde_json::Value;
use std::fmt::Write as _;

/// A domain that can't be read: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("domain{at}: {problem}")]
pub struct DomainError {
    /// The place, as indexes into the JSON: `[2][0]` is the first item of the third item.
    pub at: String,
    /// What is wrong there.
    pub problem: DomainProblem,
}

/// What can be wrong with a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainProblem {
    /// A domain is a list.
    #[error("a domain is a list of conditions and of the connectives '&', '|' and '!'")]
    NotAList,
    /// A text that is none of the connectives.
    #[error("'{0}' is no connective; there are '&', '|' and '!'")]
    UnknownConnective(String),
    /// Neither a connective, nor a condition, nor a nested domain.
    #[error("a condition is a list of three: field, operator, value")]
    NotACondition,
    /// A connective without enough conditions after it.
    #[error("'{0}' stands before too few conditions")]
    MissingOperand(char),
    /// A field path that no field can have.
    #[error("'{0}' is no field path")]
    InvalidField(String),
    /// An operator that does not exist.
    #[error("there is no operator '{0}'")]
    UnknownOperator(String),
    /// A value that the operator can't take.
    #[error("'{operator}' asks for {expected}")]
    InvalidValue {
        /// The operator.
        operator: Operator,
        /// What it asks for.
        expected: &'static str,
    },
    /// More levels than [`DEPTH_MAX`].
    #[error("more than {DEPTH_MAX} levels")]
    TooDeep,
    /// More conditions than [`CONDITIONS_MAX`].
    #[error("more than {CONDITIONS_MAX} conditions")]
    TooManyConditions,
    /// More values in one list than [`VALUES_MAX`].
    #[error("more than {VALUES_MAX} values in one list")]
    TooManyValues,
}

/// Reads a domain; the tree is canonical.
pub(super) fn parse(json: &Value) -> Result<Domain, DomainError> {
    let mut reader = Reader { at: Vec::new(), conditions: 0 };
    reader.domain(json).map(|sized| sized.domain).map_err(|problem| DomainError { at: reader.place(), problem })
}

struct Reader {
    /// Where the reader is; after an error, where the error is.
    at: Vec<usize>,
    conditions: usize,
}

/// A tree and how many levels it has, so that the limit can be kept without walking the tree again.
struct Sized {
    domain: Domain,
    levels: usize,
}

impl Reader {
    fn place(&self) -> String {
        self.at.iter().fold(String::new(), |mut place, index| {
            // Writing to a String cannot fail.
            let _ = write!(place, "[{index}]");
            place
        })
    }

    fn domain(&mut self, json: &Value) -> Result<Sized, DomainProblem> {
        let Value::Array(items) = json else { return Err(DomainProblem::NotAList) };
        if self.at.len() > 2 * DEPTH_MAX {
            return Err(DomainProblem::TooDeep);
        }
        // From the back, each connective finds its operands already read: no recursion over long chains of '|'.
        let mut stack: Vec<Sized> = Vec::new();
        for (index, item) in items.iter().enumerate().rev() {
            self.at.push(index);
            let sized = match item {
                Value::String(text) => connect(text, &mut stack)?,
                Value::Array(parts) => self.item(item, parts)?,
                _ => return Err(DomainProblem::NotACondition),
            };
            if sized.levels > DEPTH_MAX {
                return Err(DomainProblem::TooDeep);
            }
            stack.push(sized);
            self.at.pop();
        }
        stack.reverse();
        Ok(join(stack, Domain::all_of))
    }

    /// A condition, a constant, or a nested domain.
    fn item(&mut self, item: &Value, parts: &[Value]) -> Result<Sized, DomainProblem> {
        match parts {
            [Value::String(path), operator, value] if !matches!(path.as_str(), "&" | "|" | "!") => {
                self.conditions += 1;
                if self.conditions > CONDITIONS_MAX {
                    return Err(DomainProblem::TooManyConditions);
                }
                self.condition(path, operator, value)
            }
            [Value::Number(left), Value::String(equal), Value::Number(right)] if equal == "=" => {
                Ok(Sized { domain: if left == right { Domain::All } else { Domain::Nothing }, levels: 1 })
            }
            [] | [Value::Array(_) | Value::String(_), ..] if parts.iter().all(is_part_of_domain) => self.domain(item),
            _ => Err(DomainProblem::NotACondition),
        }
    }

    fn condition(&mut self, path: &str, operator: &Value, value: &Value) -> Result<Sized, DomainProblem> {
        if !is_path(path) {
            self.at.push(0);
            return Err(DomainProblem::InvalidField(path.chars().take(80).collect()));
        }
        let spelling = operator.as_str().map_or_else(|| operator.to_string(), str::to_owned);
        let Some((operator, form)) = Form::of(&spelling) else {
            self.at.push(1);
            return Err(DomainProblem::UnknownOperator(spelling.chars().take(80).collect()));
        };
        self.at.push(2);
        let (operand, levels) = if matches!(operator, Operator::Any | Operator::NotAny) {
            let inner = self.domain(value)?;
            (Operand::Domain(Box::new(inner.domain)), inner.levels + 1)
        } else {
            check_value(operator, value)?;
            (Operand::Value(value.clone()), 1)
        };
        self.at.pop();
        let condition = Domain::Condition(Condition { path: path.to_owned(), operator, operand });
        Ok(match form {
            Form::Negated => Sized { domain: Domain::Not(Box::new(condition)), levels: levels + 1 },
            Form::IfGiven if matches!(value, Value::Null | Value::Bool(false)) => {
                Sized { domain: Domain::All, levels: 1 }
            }
            Form::Plain | Form::IfGiven => Sized { domain: condition, levels },
        })
    }
}

/// What stands behind the spelling of an operator. Some spellings are short for what others say as well, so that the
/// tree has one form for each meaning and every version of every system can be given it.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    /// `not =like`, `not =ilike`: the operator, negated.
    Negated,
    /// `=?`: every record if there is no value.
    IfGiven,
}

impl Form {
    fn of(spelling: &str) -> Option<(Operator, Self)> {
        Some(match spelling {
            "=?" => (Operator::Equal, Self::IfGiven),
            "not =like" => (Operator::EqualLike, Self::Negated),
            "not =ilike" => (Operator::EqualIlike, Self::Negated),
            other => (Operator::parse(other)?, Self::Plain),
        })
    }
}

fn is_part_of_domain(part: &Value) -> bool {
    match part {
        Value::Array(_) => true,
        Value::String(text) => matches!(text.as_str(), "&" | "|" | "!"),
        _ => false,
    }
}

fn connect(text: &str, stack: &mut Vec<Sized>) -> Result<Sized, DomainProblem> {
    let mut operand = |connective: char| stack.pop().ok_or(DomainProblem::MissingOperand(connective));
    match text {
        "!" => {
            let member = operand('!')?;
            Ok(Sized { domain: Domain::Not(Box::new(member.domain)), levels: member.levels + 1 })
        }
        "&" => Ok(join(vec![operand('&')?, operand('&')?], Domain::all_of)),
        "|" => Ok(join(vec![operand('|')?, operand('|')?], Domain::any_of)),
        other => Err(DomainProblem::UnknownConnective(other.chars().take(80).collect())),
    }
}

/// Joins trees by one connective and says how deep the outcome is: a chain of the same connective becomes one level.
fn join<F: FnOnce(Vec<Domain>) -> Domain>(members: Vec<Sized>, by: F) -> Sized {
    let deepest = members.iter().map(|member| member.levels).max().unwrap_or(1);
    let domain = by(members.into_iter().map(|member| member.domain).collect());
    let levels = match &domain {
        // The members' own connective may have been absorbed, so their levels are counted anew; they are canonical,
        // and this looks at each direct member only.
        Domain::And(inner) | Domain::Or(inner) => 1 + inner.iter().map(levels_of).max().unwrap_or(0),
        _ => deepest,
    };
    Sized { domain, levels }
}

fn levels_of(domain: &Domain) -> usize {
    match domain {
        Domain::And(members) | Domain::Or(members) => 1 + members.iter().map(levels_of).max().unwrap_or(0),
        Domain::Not(member) => 1 + levels_of(member),
        Domain::Condition(Condition { operand: Operand::Domain(inner), .. }) => 1 + levels_of(inner),
        Domain::All | Domain::Nothing | Domain::Condition(_) => 1,
    }
}

fn is_path(path: &str) -> bool {
    (1..=PATH_BYTES_MAX).contains(&path.len())
        && path.split('.').all(|name| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
}

fn check_value(operator: Operator, value: &Value) -> Result<(), DomainProblem> {
    let invalid = |expected| Err(DomainProblem::InvalidValue { operator, expected });
    if let Value::Array(values) = value {
        if values.len() > VALUES_MAX {
            return Err(DomainProblem::TooManyValues);
        }
        if values.iter().any(|v| matches!(v, Value::Array(_) | Value::Object(_))) {
            return invalid("plain values");
        }
    }
    if value.is_object() {
        return invalid("a plain value");
    }
    match operator {
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual if value.is_array() => {
            invalid("one value")
        }
        Operator::Like
        | Operator::NotLike
        | Operator::Ilike
        | Operator::NotIlike
        | Operator::EqualLike
        | Operator::EqualIlike
            if value.is_array() =>
        {
            invalid("a text")
        }
        Operator::ChildOf | Operator::ParentOf => {
            let is_id = |value: &Value| value.is_i64() || value == &Value::Bool(false);
            match value {
                Value::Array(values) if values.iter().all(is_id) => Ok(()),
                single if is_id(single) => Ok(()),
                _ => invalid("a record id or a list of them"),
            }
        }
        _ => Ok(()),
    }
}
