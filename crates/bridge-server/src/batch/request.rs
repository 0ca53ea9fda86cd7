//! What is asked for.

use super::references;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use crate::records::{CrudRequest, request_hash};
use bridge_model::SystemId;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

/// The body of the request.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The system; the primary one if left out.
    #[serde(default)]
    pub system_id: Option<SystemId>,
    /// What is done, in this order. Each is what `POST /api/v1/systems/{system_id}/crud` takes. In the place of a value
    /// a text like `$0.id` stands for a field of what an earlier operation answered, and `$0[2].id` for one of its third
    /// record; a text that only looks like that begins with one more `$`.
    pub operations: Vec<CrudRequest>,
    /// Whether what follows the first operation that fails is not done.
    #[serde(default)]
    pub stop_on_error: bool,
    /// Whether it becomes a task, and the answer does not wait for it.
    #[serde(default, rename = "async")]
    pub is_async: bool,
}

impl BatchRequest {
    /// Names the request to a system: another one has another hash.
    pub(crate) fn hash(&self, system_id: &SystemId) -> String {
        request_hash(&json!(["batch", system_id, self.operations, self.stop_on_error, self.is_async]))
    }

    /// `Invalid` if there are no operations or too many, or if one refers to what does not come before it.
    pub(super) fn check(&self, cx: &Context) -> Result<(), Problem> {
        let most = cx.config.batch.operations_max;
        if !(1..=most).contains(&self.operations.len()) {
            return Err(Problem::field("operations", Reason::items(1, most)));
        }
        for (index, operation) in self.operations.iter().enumerate() {
            if let Some(later) = references::needs(operation).into_iter().find(|needed| *needed >= index) {
                return Err(Problem::field(&format!("operations[{index}]"), Reason::reference_later(later)));
            }
        }
        Ok(())
    }
}
