//! What an ERP's refusal means to the caller.

use super::Acting;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{ErpError, ErpErrorKind};
use bridge_model::ModelName;

impl Acting {
    /// The problem that an error of a call for this model is.
    pub(super) fn problem(&self, model: &ModelName, error: ErpError) -> Problem {
        let said = error.message.clone();
        let (kind, message) = match error.kind {
            ErpErrorKind::AccessDenied => (ProblemKind::ErpAccessDenied, Message::erp_denied(said)),
            ErpErrorKind::MissingRecord => (ProblemKind::RecordNotFound, Message::no_such_record(model)),
            ErpErrorKind::UnknownModel => (ProblemKind::ModelNotFound, Message::no_such_model(model)),
            ErpErrorKind::UnknownMethod => (ProblemKind::MethodNotFound, Message::no_such_erp_method(model)),
            ErpErrorKind::InvalidRequest => (ProblemKind::Invalid, Message::erp_said(said)),
            ErpErrorKind::Validation => (ProblemKind::ErpValidation, Message::erp_said(said)),
            ErpErrorKind::Business => (ProblemKind::ErpRefused, Message::erp_said(said)),
            ErpErrorKind::Authentication if self.own_user().is_some() => {
                (ProblemKind::ErpLinkRefused, Message::erp_link_refused(said))
            }
            _ => return Problem::from(error).with("model", model.as_str()),
        };
        Problem::of_erp(kind, message, error).with("model", model.as_str())
    }
}

/// That there is no such record.
pub(crate) fn no_such_record(model: &ModelName, id: &bridge_model::RecordId) -> Problem {
    Problem::new(ProblemKind::RecordNotFound, Message::no_such_record(model))
        .with("model", model.as_str())
        .with("record_id", serde_json::json!(id))
}
