//! What could not be mapped, as a problem of the caller's.

use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::mapping::{MapFlaw, MappingError, MappingProblem};

/// What could not be mapped; `at` is the part of the request in which it stands, `data` or `data[3]`.
pub fn refused(at: &str, error: MappingError) -> Problem {
    let place = match at {
        // A part that names one field is itself what is wrong.
        "domain" | "order" | "fields" => at.to_owned(),
        at => format!("{at}.{}", error.place),
    };
    let entity = &error.entity;
    let problem = match &error.problem {
        MappingProblem::Unknown(near) if near.is_empty() => {
            Problem::field(&place, Reason::unknown_entity_field(entity, &error.field))
        }
        MappingProblem::Unknown(near) => {
            Problem::field(&place, Reason::unknown_entity_field_near(entity, &error.field, near.join(", ")))
        }
        MappingProblem::ReadOnly => Problem::field(&place, Reason::only_read()),
        MappingProblem::Value(known) => {
            let known: Vec<String> =
                known.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
            Problem::field(&place, Reason::entity_field_values(&error.field, known.join(", ")))
        }
        MappingProblem::NotSearched => Problem::field(&place, Reason::entity_field_not_searched(&error.field)),
        MappingProblem::NotARelation => Problem::field(&place, Reason::not_a_relation(&error.field)),
        MappingProblem::Unusable(_) => Problem::field(&place, Reason::mapping_unusable()),
    };
    let problem = problem.with("entity", entity.as_str()).with("entity_field", error.place.as_str());
    match error.problem.clone() {
        MappingProblem::Unknown(near) => problem.with("unknown_field", error.field.as_str()).with("nearest", near),
        MappingProblem::Unusable(reason) => problem.with("reason", reason),
        _ => problem,
    }
    .caused_by(error)
}

/// A field of a map that can't work, where a tenant has changed it.
pub(super) fn unusable(flaw: MapFlaw) -> Problem {
    Problem::field(&format!("fields.{}", flaw.field), Reason::mapping_unusable())
        .with("entity", flaw.entity.as_str())
        .with("reason", flaw.reason)
        .caused_by(flaw)
}
