//! `POST /api/v1/webhooks/retry`: tries a dead letter again, as if it had just been pushed.

use crate::audit::{Change, End, audited_ending};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::ingest::push;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::ErpEvent;
use bridge_model::{Origin, RecordId, SourceId, TenantId};
use bridge_store::{DeadLetter, Lease, StoreError, System};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use utoipa::ToSchema;

/// How long a try may be silent before another may begin; longer than a request may take.
const LEASE: Duration = Duration::from_mins(1);

/// The longest idempotency key that a push may carry, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// Which letter.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct RetryRequest {
    /// Its number.
    pub dead_letter_id: i64,
}

/// What became of a letter.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Retried {
    /// Its number.
    pub dead_letter_id: i64,
    /// Whether it is settled, and so no dead letter any more.
    pub success: bool,
    /// How.
    pub outcome: Outcome,
    /// Why not, where it is not.
    pub reason: Option<String>,
    /// How often it has been tried again in vain.
    pub attempts: i64,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RetryOutcome)]
pub enum Outcome {
    /// It is in the log now.
    Appended,
    /// It was in the log already.
    Duplicate,
    /// The background reader finds it in the ERP's event table.
    Deferred,
    /// Its model is never tracked.
    Ignored,
    /// It is still not understood, and stays.
    Failed,
    /// It could not be tried now, and stays as it was.
    Postponed,
    /// There is no such letter.
    NotFound,
}

impl Retried {
    pub(super) fn not_found(id: i64) -> Self {
        Self { dead_letter_id: id, success: false, outcome: Outcome::NotFound, reason: None, attempts: 0 }
    }

    /// What a problem of ours or of the ERP's makes of a letter among many.
    pub(super) fn postponed(letter: &DeadLetter, reason: String) -> Self {
        Self {
            dead_letter_id: letter.id,
            success: false,
            outcome: Outcome::Postponed,
            reason: Some(reason),
            attempts: letter.attempts,
        }
    }
}

/// Tries a letter of the admin's tenant again. That it is still not understood is an answer, not a problem.
pub async fn retry(cx: &Context, admin: &Admin, request: RetryRequest) -> Result<Retried, Problem> {
    let tenant = admin.0.tenant;
    let turn = Turn::take(cx, tenant).await?;
    let tried = match cx.store.dead_letter(tenant, request.dead_letter_id).await? {
        Some(letter) => turn.retry(cx, &admin.0, &letter).await,
        None => Err(Problem::new(ProblemKind::NotFound, Message::no_such_dead_letter())
            .with("dead_letter_id", request.dead_letter_id)),
    };
    turn.end(cx).await;
    tried
}

/// The right to try a tenant's dead letters again, which one request has at a time: two that tried the same letter at
/// once could append it twice.
pub(super) struct Turn {
    tenant: TenantId,
    lease: Lease,
}

impl Turn {
    /// `Conflict` while another request has it.
    pub(super) async fn take(cx: &Context, tenant: TenantId) -> Result<Self, Problem> {
        let name = format!("dead-letters:{tenant}");
        let lease = cx.store.acquire_lease(&name, &cx.entropy.hex(16), LEASE).await?.ok_or_else(busy)?;
        Ok(Self { tenant, lease })
    }

    pub(super) async fn end(self, cx: &Context) {
        if let Err(error) = cx.store.release_lease(&self.lease).await {
            // It runs out by itself.
            tracing::warn!(tenant.id = self.tenant.0, error = %error, "give back the turn to retry dead letters");
        }
    }

    /// Tries one letter, with an entry in the audit. An error means that it could not be tried, and is as it was.
    pub(super) async fn retry(&self, cx: &Context, by: &Caller, letter: &DeadLetter) -> Result<Retried, Problem> {
        let system = match letter.system {
            Some(key) => cx.store.system_by_key(self.tenant, key).await?,
            None => None,
        };
        let change = Change::new("dead_letter", "retry").of(RecordId::Number(letter.id));
        let change = match &system {
            Some(system) => change.in_system(&system.system_id),
            None => change,
        };
        let end = |retried: &Retried| match retried.outcome {
            Outcome::NotFound => End::Refused(ProblemKind::NotFound.code()),
            _ if retried.success => End::Done,
            _ => End::Refused(ProblemKind::Invalid.code()),
        };
        audited_ending(cx, by, change, self.again(cx, system, letter), end).await
    }

    async fn again(&self, cx: &Context, system: Option<System>, letter: &DeadLetter) -> Result<Retried, Problem> {
        let Some(system) = system else {
            return self.fail(cx, letter, "the system that it came from is not registered any more").await;
        };
        if !system.is_active {
            return self.fail(cx, letter, "the system that it came from is not active").await;
        }
        let body = match (letter.origin, &letter.source_id) {
            (Origin::Pull, Some(id)) => match ask_again(cx, &system, id).await? {
                Ok(body) => body,
                Err(reason) => return self.fail(cx, letter, &reason).await,
            },
            // What was read from an array would itself be taken for an array of events.
            _ if letter.body.trim_ascii_start().starts_with(b"[") => {
                return self.fail(cx, letter, "an event must be an object, not an array").await;
            }
            _ => letter.body.clone(),
        };
        self.push(cx, letter, &system, &body).await
    }

    /// Sends a letter through the pipeline. The append that it comes to removes it in the same transaction.
    async fn push(&self, cx: &Context, letter: &DeadLetter, system: &System, body: &[u8]) -> Result<Retried, Problem> {
        let trying = cx.with_store(cx.store.settling(letter.id, self.lease.fence()));
        let received = match push::receive(&trying, system, body).await {
            Ok(received) => received,
            Err(problem) if problem.details["kept_as_dead_letter"] == true => {
                return Ok(refused_again(cx, letter, &problem));
            }
            Err(problem) => return Err(or_busy(problem)),
        };
        // Nothing was appended for what the reader brings or nobody wants; what was is gone already.
        cx.store.remove_dead_letter(self.tenant, letter.id).await?;
        let outcome = if received.accepted > 0 {
            Outcome::Appended
        } else if received.duplicates > 0 {
            Outcome::Duplicate
        } else if received.deferred > 0 {
            Outcome::Deferred
        } else {
            Outcome::Ignored
        };
        let (dead_letter_id, attempts) = (letter.id, letter.attempts);
        Ok(Retried { dead_letter_id, success: true, outcome, reason: None, attempts })
    }

    async fn fail(&self, cx: &Context, letter: &DeadLetter, reason: &str) -> Result<Retried, Problem> {
        if !cx.store.fail_dead_letter(self.tenant, letter.id, reason).await? {
            return Ok(Retried::not_found(letter.id));
        }
        Ok(failed(letter, reason))
    }
}

/// An event of the ERP's table as the add-on would push it, or why there is none. What was read into the letter may
/// have been mended since, so that the ERP is asked again.
async fn ask_again(cx: &Context, system: &System, id: &SourceId) -> Result<Result<Vec<u8>, String>, Problem> {
    let Some(number) = id.as_number() else { return Ok(Err(format!("{id} is not the id of an event"))) };
    let rows = cx.erps.adapter(system)?.feed_by_ids(&[number]).await?;
    let Some(row) = rows.into_iter().find(|row| row.id == number) else {
        return Ok(Err("the ERP's event table does not hold it any more".to_owned()));
    };
    Ok(row.event.map(|event| pushed(event, number).to_string().into_bytes()))
}

fn pushed(event: ErpEvent, id: i64) -> Value {
    // The reader leaves a key out that can't be kept, where a push is refused for it.
    let is_key = |key: &String| !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.chars().any(char::is_control);
    json!({
        "model": event.model,
        "record_id": event.record_id,
        "event": event.event,
        "priority": event.priority,
        "timestamp": event.occurred_at,
        "changed_fields": event.changed_fields,
        "payload": event.payload,
        "user_id": event.erp_user_id,
        "idempotency_key": event.idempotency_key.filter(is_key),
        "_webhook_metadata": { "event_id": id },
    })
}

fn refused_again(cx: &Context, letter: &DeadLetter, problem: &Problem) -> Retried {
    let reason = problem.details["rejected"][0]["reason"].as_str();
    failed(letter, &reason.map_or_else(|| cx.texts.english(&problem.message), str::to_owned))
}

fn failed(letter: &DeadLetter, reason: &str) -> Retried {
    Retried {
        dead_letter_id: letter.id,
        success: false,
        outcome: Outcome::Failed,
        reason: Some(reason.to_owned()),
        attempts: letter.attempts + 1,
    }
}

/// A try that took so long that another request has the turn by now.
fn or_busy(problem: Problem) -> Problem {
    let cause = problem.source.as_deref().and_then(|source| source.downcast_ref::<StoreError>());
    if matches!(cause, Some(StoreError::Fenced)) { busy() } else { problem }
}

fn busy() -> Problem {
    Problem::new(ProblemKind::Conflict, Message::retry_under_way())
}
