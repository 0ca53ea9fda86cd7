//! The filter language: one tree, read from and written to Odoo's prefix form, and judged against records.

mod date_part;
mod matching;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;

pub use date_part::DatePart;
pub use matching::{Field, Record, UnknownField};
pub use parse::{DomainError, DomainProblem};

use serde_json::Value;
use std::fmt;

/// The deepest that connectives, nested lists and sub-domains may go.
pub const DEPTH_MAX: usize = 32;
/// The most conditions in one domain, those of sub-domains included.
pub const CONDITIONS_MAX: usize = 2_000;
/// The most values in the list of one condition.
pub const VALUES_MAX: usize = 20_000;
/// The longest field path, in bytes.
pub const PATH_BYTES_MAX: usize = 256;

/// A filter over records.
///
/// Trees made by [`Domain::parse`], [`Domain::all_of`] and [`Domain::any_of`] are canonical: no conjunction directly
/// within a conjunction, no disjunction directly within a disjunction, none of either with fewer than two members.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Domain {
    /// Every record.
    #[default]
    All,
    /// No record (`[0,"=",1]`).
    Nothing,
    /// The records that every member accepts.
    And(Vec<Domain>),
    /// The records that at least one member accepts.
    Or(Vec<Domain>),
    /// The records that the member does not accept.
    Not(Box<Domain>),
    /// The records whose field meets a condition.
    Condition(Condition),
}

/// One comparison of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The field, with dots over relations: `partner_id.country_id.code`.
    pub path: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub operand: Operand,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A value; `null` means the same as `false`.
    Value(Value),
    /// A filter over the related records, for `any` and `not any`.
    Domain(Box<Domain>),
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `like`: contains, with `%` and `_` as wildcards.
    Like,
    /// `not like`
    NotLike,
    /// `ilike`: contains, whatever the case.
    Ilike,
    /// `not ilike`
    NotIlike,
    /// `=like`: is, with `%` and `_` as wildcards.
    EqualLike,
    /// `=ilike`: is, with wildcards, whatever the case.
    EqualIlike,
    /// `child_of`: is one of the records, or below one of them.
    ChildOf,
    /// `parent_of`: is one of the records, or above one of them.
    ParentOf,
    /// `any`: a related record meets a domain.
    Any,
    /// `not any`: no related record meets a domain.
    NotAny,
}

/// Every operator with its spelling; the first spelling of an operator is the one that is written.
const SPELLINGS: [(&str, Operator); 20] = [
    ("=", Operator::Equal),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<>", Operator::NotEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    ("in", Operator::In),
    ("not in", Operator::NotIn),
    ("like", Operator::Like),
    ("not like", Operator::NotLike),
    ("ilike", Operator::Ilike),
    ("not ilike", Operator::NotIlike),
    ("=like", Operator::EqualLike),
    ("=ilike", Operator::EqualIlike),
    ("child_of", Operator::ChildOf),
    ("parent_of", Operator::ParentOf),
    ("any", Operator::Any),
    ("not any", Operator::NotAny),
];

impl Operator {
    /// The operator of a spelling; `==` and `<>` are accepted for `=` and `!=`. The spellings `=?`, `not =like` and
    /// `not =ilike` are no operators of their own: [`Domain::parse`] reads them into what they are short for.
    pub fn parse(text: &str) -> Option<Self> {
        SPELLINGS.iter().find(|(spelling, _)| *spelling == text).map(|(_, operator)| *operator)
    }

    /// The operator as it is written.
    pub fn as_str(self) -> &'static str {
        // Every variant is in the table, so the other branch is never taken.
        SPELLINGS.iter().find(|(_, operator)| *operator == self).map_or("", |(spelling, _)| spelling)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Domain {
    /// Reads the prefix form; the error says what is wrong and where.
    pub fn parse(json: &Value) -> Result<Self, DomainError> {
        parse::parse(json)
    }

    /// A comparison of a field with a value, for domains that code writes down. Give `any` and `not any` their
    /// sub-domain by [`Operand::Domain`] instead.
    pub fn condition(path: impl Into<String>, operator: Operator, value: impl Into<Value>) -> Self {
        Self::Condition(Condition { path: path.into(), operator, operand: Operand::Value(value.into()) })
    }

    /// What all of `members` accept, in canonical form.
    pub fn all_of(members: impl IntoIterator<Item = Domain>) -> Self {
        let mut flat = Vec::new();
        for member in members {
            match member {
                Self::All => {}
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::All,
            1 => flat.remove(0),
            _ => Self::And(flat),
        }
    }

    /// What at least one of `members` accepts, in canonical form.
    pub fn any_of(members: impl IntoIterator<Item = Domain>) -> Self {
        let mut flat = Vec::new();
        for member in members {
            match member {
                Self::Nothing => {}
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::Nothing,
            1 => flat.remove(0),
            _ => Self::Or(flat),
        }
    }

    /// The prefix form. Reading it back gives the same tree, if the tree is canonical.
    pub fn to_odoo_json(&self) -> Value {
        let mut items = Vec::new();
        match self {
            Self::All => {}
            Self::And(members) => members.iter().for_each(|member| member.write_prefix(&mut items)),
            other => other.write_prefix(&mut items),
        }
        Value::Array(items)
    }

    /// Whether `record` is accepted; an error if a condition names a field that the record's model does not have.
    pub fn matches<'a, R: Record<'a>>(&self, record: R) -> Result<bool, UnknownField> {
        matching::matches(self, record)
    }

    /// Calls `visit` for every condition of this domain, without those of sub-domains.
    pub fn for_each_condition<'d>(&'d self, visit: &mut impl FnMut(&'d Condition)) {
        match self {
            Self::All | Self::Nothing => {}
            Self::And(members) | Self::Or(members) => {
                for member in members {
                    member.for_each_condition(visit);
                }
            }
            Self::Not(member) => member.for_each_condition(visit),
            Self::Condition(condition) => visit(condition),
        }
    }

    fn write_prefix(&self, items: &mut Vec<Value>) {
        match self {
            Self::All => items.push(serde_json::json!([1, "=", 1])),
            Self::Nothing => items.push(serde_json::json!([0, "=", 1])),
            Self::And(members) => write_members("&", members, items),
            Self::Or(members) => write_members("|", members, items),
            Self::Not(member) => {
                items.push(Value::from("!"));
                member.write_prefix(items);
            }
            Self::Condition(condition) => items.push(Value::Array(vec![
                Value::from(condition.path.as_str()),
                Value::from(condition.operator.as_str()),
                match &condition.operand {
                    Operand::Value(value) => value.clone(),
                    Operand::Domain(domain) => domain.to_odoo_json(),
                },
            ])),
        }
    }
}

fn write_members(connective: &str, members: &[Domain], items: &mut Vec<Value>) {
    items.extend(std::iter::repeat_n(Value::from(connective), members.len().saturating_sub(1)));
    for member in members {
        member.write_prefix(items);
    }
}
