//! `GET /api/v1/audit`

use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::{RecordId, SystemId, Timestamp, UserId};
use bridge_store::{AuditEntry, AuditId, AuditOutcome, AuditQuery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Entries in one page if the request does not say.
const LIMIT_DEFAULT: u32 = 50;

/// The most entries in one page.
const LIMIT_MAX: u32 = 200;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListAudit {
    /// The `next_cursor` of the page before.
    #[param(minimum = 0)]
    pub cursor: Option<i64>,
    /// The most entries in the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// Only what this user has done.
    pub user_id: Option<i64>,
    /// Only what was done about this system.
    pub system_id: Option<SystemId>,
    /// Only what was done with this model; things of the service itself are `bridgecore.user`, `bridgecore.system` and so on.
    pub model: Option<String>,
    /// Only what was done with the record of this id; with `model` it is found much faster.
    pub record_id: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only what has this outcome.
    pub outcome: Option<OutcomeWord>,
    /// Only what was begun then or later, RFC 3339.
    pub since: Option<Timestamp>,
    /// Only what was begun before, RFC 3339.
    pub until: Option<Timestamp>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditOutcome)]
pub enum OutcomeWord {
    /// It is under way, or nobody knows.
    Unknown,
    /// It is made.
    Done,
    /// It is not made.
    Refused,
}

/// A page of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    /// The entries, the newest first.
    pub items: Vec<AuditView>,
    /// For the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// A change, and who made it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    /// Its number.
    pub id: i64,
    /// When it was begun.
    pub at: Timestamp,
    /// Who made it.
    pub user_id: i64,
    /// The user's name then.
    pub username: String,
    /// As whom it was made in the business system: `own` credential of the user, or the one of the `system`.
    pub acting_as: Option<String>,
    /// The business system, where it is about one.
    pub system_id: Option<SystemId>,
    /// The model; things of the service itself are `bridgecore.user`, `bridgecore.system` and so on.
    pub model: String,
    /// The records, as far as they are known.
    #[schema(value_type = Vec<Value>)]
    pub record_ids: Vec<RecordId>,
    /// What was done: `create`, `update`, `delete`, `call`, `load`, or what the service does with its own things.
    pub action: String,
    /// What became of it.
    pub outcome: OutcomeWord,
    /// Why it was refused, or what went wrong where the outcome is not known; `null` also while it is under way.
    pub code: Option<String>,
    /// What was written: `after` by field, or for each of several new records; `before`, where it was read; `left_out`, the
    /// fields whose values are not kept; `method` and the names of its arguments after a `call`.
    #[schema(value_type = Object, additional_properties)]
    pub values: Value,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The `Idempotency-Key` that the request came with.
    pub idempotency_key: Option<String>,
    /// The address that the request came from.
    pub address: Option<String>,
}

/// What was changed in the admin's tenant.
pub async fn list(cx: &Context, admin: &Admin, request: ListAudit) -> Result<AuditPage, Problem> {
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    let query = AuditQuery {
        before: request.cursor.map(AuditId),
        user: request.user_id.map(UserId),
        system_id: request.system_id,
        model: request.model,
        record_id: request.record_id,
        action: request.action,
        outcome: request.outcome.map(AuditOutcome::from),
        since: request.since,
        until: request.until,
        // One more than asked for tells whether there is a next page.
        limit: limit + 1,
    };
    let mut entries = cx.store.audit_entries(admin.0.tenant, &query).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next_cursor = entries.last().filter(|_| more).map(|entry| entry.id.0.to_string());
    Ok(AuditPage { items: entries.into_iter().map(AuditView::from).collect(), next_cursor })
}

impl From<AuditEntry> for AuditView {
    fn from(AuditEntry { id, at, entry }: AuditEntry) -> Self {
        Self {
            id: id.0,
            at,
            user_id: entry.user.0,
            username: entry.username,
            acting_as: entry.acting_as,
            system_id: entry.system_id,
            model: entry.model,
            record_ids: entry.record_ids,
            action: entry.action,
            outcome: entry.outcome.into(),
            code: entry.code,
            values: entry.values,
            request_id: entry.request_id,
            idempotency_key: entry.idempotency_key,
            address: entry.address,
        }
    }
}

impl From<OutcomeWord> for AuditOutcome {
    fn from(word: OutcomeWord) -> Self {
        match word {
            OutcomeWord::Unknown => Self::Unknown,
            OutcomeWord::Done => Self::Done,
            OutcomeWord::Refused => Self::Refused,
        }
    }
}

impl From<AuditOutcome> for OutcomeWord {
    fn from(outcome: AuditOutcome) -> Self {
        match outcome {
            AuditOutcome::Unknown => Self::Unknown,
            AuditOutcome::Done => Self::Done,
            AuditOutcome::Refused => Self::Refused,
        }
    }
}
