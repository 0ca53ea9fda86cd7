//! Filters: read from the request, checked against the fields of the models that they go through, and made ready for the
//! system.

use super::Acting;
use super::values::compared;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::ErpField;
use bridge_model::domain::{Condition, DatePart, Domain, DomainError, DomainProblem, Operand, Operator};
use bridge_model::{ModelName, Operation};
use serde_json::Value;
use std::pin::Pin;

/// The field of requests that filters stand in.
const FIELD: &str = "domain";

/// The version from which a domain may ask for records that are related by `any`, and for parts of dates.
const ANY_SINCE: u32 = 17;

/// Reads a filter in Odoo's prefix form; `Invalid` says what is wrong and where.
pub fn parse_domain(json: &Value) -> Result<Domain, Problem> {
    Domain::parse(json).map_err(|error| unreadable(&error))
}

fn unreadable(error: &DomainError) -> Problem {
    let reason = match &error.problem {
        DomainProblem::NotAList => Reason::domain_form(),
        DomainProblem::UnknownConnective(text) => Reason::domain_connective(text),
        DomainProblem::NotACondition => Reason::domain_condition(),
        DomainProblem::MissingOperand(connective) => Reason::domain_operand(connective),
        DomainProblem::InvalidField(path) => Reason::domain_path(path),
        DomainProblem::UnknownOperator(text) => Reason::domain_operator(text),
        DomainProblem::InvalidValue { operator, .. } => Reason::domain_value(operator),
        DomainProblem::TooDeep | DomainProblem::TooManyConditions | DomainProblem::TooManyValues => {
            Reason::domain_too_large()
        }
    };
    Problem::field(&format!("{FIELD}{}", error.at), reason).with("reason", error.problem.to_string())
}

/// What a field path leads to.
struct Target {
    /// The type of what is compared.
    kind: String,
    /// The model of the related records, if it is a relation.
    relation: Option<ModelName>,
}

impl Acting {
    /// The filter as the system takes it. Each model that a path goes through must be open for reading: a condition on
    /// a related record tells something about it.
    pub(super) async fn domain(&self, model: &ModelName, domain: &Domain) -> Result<Domain, Problem> {
        Ok(match domain {
            Domain::All => Domain::All,
            Domain::Nothing => Domain::Nothing,
            Domain::And(members) => Domain::And(self.members(model, members).await?),
            Domain::Or(members) => Domain::Or(self.members(model, members).await?),
            Domain::Not(member) => Domain::Not(Box::new(self.inner(model, member).await?)),
            Domain::Condition(condition) => Domain::Condition(self.condition(model, condition).await?),
        })
    }

    /// The same for a domain in another: the type of a function that calls itself has to have an end.
    fn inner<'a>(
        &'a self,
        model: &'a ModelName,
        domain: &'a Domain,
    ) -> Pin<Box<dyn Future<Output = Result<Domain, Problem>> + Send + 'a>> {
        Box::pin(self.domain(model, domain))
    }

    async fn members(&self, model: &ModelName, members: &[Domain]) -> Result<Vec<Domain>, Problem> {
        let mut prepared = Vec::with_capacity(members.len());
        for member in members {
            prepared.push(self.inner(model, member).await?);
        }
        Ok(prepared)
    }

    async fn condition(&self, model: &ModelName, condition: &Condition) -> Result<Condition, Problem> {
        let Condition { path, operator, operand } = condition;
        let target = self.target(model, path).await?;
        let refuse = |reason| Err(at_path(path, reason));
        let operand = match operand {
            Operand::Domain(domain) => {
                let Some(related) = &target.relation else { return refuse(Reason::not_a_relation(path)) };
                self.since(model, ANY_SINCE, operator.as_str()).await?;
                self.check(related, Operation::Read)?;
                Operand::Domain(Box::new(self.inner(related, domain).await?))
            }
            Operand::Value(value) => {
                if matches!(operator, Operator::ChildOf | Operator::ParentOf)
                    && target.relation.is_none()
                    && path.rsplit('.').next() != Some("id")
                {
                    return refuse(Reason::not_a_relation(path));
                }
                if let Some(related) = target.relation.as_ref().filter(|_| !compares_ids(*operator, value)) {
                    // A name, or a place in a tree: the condition is one on the related records.
                    self.check(related, Operation::Read)?;
                }
                let is_pattern = matches!(
                    operator,
                    Operator::Like
                        | Operator::NotLike
                        | Operator::Ilike
                        | Operator::NotIlike
                        | Operator::EqualLike
                        | Operator::EqualIlike
                );
                let kind = if is_pattern { "char" } else { target.kind.as_str() };
                let value = match value {
                    Value::Array(values) => values.iter().map(|value| compared(kind, value)).collect(),
                    single => compared(kind, single),
                };
                Operand::Value(value.map_err(|reason| at_path(path, reason))?)
            }
        };
        Ok(Condition { path: path.clone(), operator: *operator, operand })
    }

    /// Follows a path from field to field.
    async fn target(&self, model: &ModelName, path: &str) -> Result<Target, Problem> {
        let mut model = model.clone();
        let mut names = path.split('.').peekable();
        loop {
            // A path has at least one name, and the last one ends the loop.
            let name = names.next().unwrap_or_default();
            let is_last = names.peek().is_none();
            if name == "id" && is_last {
                return Ok(Target { kind: "integer".to_owned(), relation: None });
            }
            let fields = self.fields_with(&model, std::iter::once(name)).await?;
            let Some(field) = fields.get(name) else {
                let problem = at_path(path, Reason::unknown_model_field());
                return Err(problem.with("unknown_field", name).with("model", model.as_str()));
            };
            let relation = relation(field)?;
            if is_last {
                return Ok(Target { kind: field.kind.clone(), relation });
            }
            match (field.kind.as_str(), relation) {
                (_, Some(related)) => {
                    self.check(&related, Operation::Read)?;
                    model = related;
                }
                ("date" | "datetime", None) => {
                    let part = names.next().and_then(DatePart::parse);
                    if part.is_none() || names.peek().is_some() {
                        return Err(at_path(path, Reason::date_part()));
                    }
                    self.since(&model, ANY_SINCE, path).await?;
                    return Ok(Target { kind: "integer".to_owned(), relation: None });
                }
                // The names of properties are data of the system, not fields of the model.
                ("properties", None) => {
                    return Ok(Target { kind: "properties".to_owned(), relation: None });
                }
                (_, None) => return Err(at_path(path, Reason::not_a_relation(name))),
            }
        }
    }

    /// `Invalid` if the system's version is older than this one, which brought `what`.
    async fn since(&self, model: &ModelName, version: u32, what: &str) -> Result<(), Problem> {
        let has = self.version(model).await?;
        if has >= version {
            return Ok(());
        }
        Err(Problem::field(FIELD, Reason::since_version(what, version)).with("version", has))
    }
}

/// Whether a condition on a relation asks for nothing but the ids that stand in the record itself.
fn compares_ids(operator: Operator, value: &Value) -> bool {
    let is_id = |value: &Value| value.is_number() || value.is_null() || value.is_boolean();
    matches!(operator, Operator::Equal | Operator::NotEqual | Operator::In | Operator::NotIn)
        && value.as_array().map_or_else(|| is_id(value), |values| values.iter().all(is_id))
}

fn at_path(path: &str, reason: Reason) -> Problem {
    Problem::field(FIELD, reason).with("path", path)
}

/// The model that a field leads to.
pub(super) fn relation(field: &ErpField) -> Result<Option<ModelName>, Problem> {
    Ok(field.relation.as_deref().map(ModelName::parse).transpose()?)
}
