//! Writes that come with a key: the same key gives the same answer.
//!
//! Such a write is noted before it is sent, and its answer before the caller has it. If the answer of the system is
//! lost on the way, the next request with the key finds the note. Where the system keeps answers too, the write is then
//! sent again under the name that it had, and the system does it once; elsewhere nobody can know, and the caller is told
//! that and what to look at. What was not done leaves its key free.

use super::Acting;
use super::staying::staying;
use crate::auth::Caller;
use crate::config::ms;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_erp::KeptAnswer;
use bridge_erp::write_key::name_of_write;
use bridge_model::ModelName;
use bridge_store::{AuditId, NewAuditEntry, NewKeyedWrite, StoreError, WriteClaim, WriteKey, WritePart, WriteSeries};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Under what a write is done once.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// Unlike that of another write of the same user.
    pub(super) name: String,
    /// What the system is told: the key as its caller gave it.
    label: String,
    /// Which part of a series it is.
    pub(super) series: Option<WriteSeries>,
    /// Whether its caller can come with it again.
    may_come_again: bool,
}

/// The longest key, in characters.
const KEY_CHARS_MAX: usize = 128;

impl IdempotencyKey {
    /// The header that holds it.
    pub const HEADER: &str = "Idempotency-Key";

    /// Checks the form of a key: 1 to 128 printable ASCII characters without blanks.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self { name: text.to_owned(), label: text.to_owned(), series: None, may_come_again: true })
        } else {
            Err(Problem::field(Self::HEADER, Reason::printable(KEY_CHARS_MAX)))
        }
    }

    /// The key as its caller gave it.
    pub(crate) fn as_given(&self) -> &str {
        &self.label
    }
}

/// The writes of one request, each of which has a key of its own that is the same whenever they are done again.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Unlike that of any other request.
    pub(crate) name: String,
    /// What the system is told of each write: the key that the request came with, or what else names it.
    pub(crate) label: String,
    /// Whether the request can come again.
    pub(crate) may_come_again: bool,
}

impl Series {
    /// The key of the call that does `operations` operations, from the one at the place `first` on. It has a blank, so that
    /// it is no caller's.
    pub(crate) fn part(&self, first: usize, operations: usize) -> IdempotencyKey {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        let part = WritePart { first: count(first), operations: count(operations) };
        IdempotencyKey {
            name: format!("{} {first}", self.name),
            label: self.label.clone(),
            series: Some(WriteSeries { name: self.name.clone(), part: Some(part) }),
            may_come_again: self.may_come_again,
        }
    }
}

/// A write with a key, at work.
#[derive(Debug)]
pub(super) struct Keyed {
    key: WriteKey,
    label: String,
    series: Option<WriteSeries>,
    may_come_again: bool,
    request_hash: String,
    claim: WriteClaim,
    /// The write as an earlier request left it, which does not know what became of it.
    earlier: Option<NewKeyedWrite>,
    stage: Mutex<Stage>,
}

/// How far a write has come in this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was not sent.
    Unsent,
    /// It was sent, and nobody knows what became of it.
    Open,
    /// The system has done it.
    Done,
    /// The system has not done it.
    Refused,
}

/// What became of a request that may have a key.
#[derive(Debug)]
pub enum Once<T> {
    /// It is done.
    Done(T),
    /// It was done before: what was kept of its answer.
    Replayed(Value),
}

/// Does a write to its end, whoever waits for it; one that has a key, once for that key. `keep` tells what is kept of the
/// answer.
pub(crate) async fn write_once<T, F>(
    mut acting: Acting,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request_hash: String,
    work: impl FnOnce(Acting) -> F,
    keep: impl FnOnce(&T) -> Value + Send + 'static,
) -> Result<Once<T>, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Problem>> + Send + 'static,
{
    let cx = acting.cx.clone();
    let Some(key) = key else { return staying(&cx, work(acting)).await.map(Once::Done) };
    let keyed = match begin(&acting, caller, key, request_hash).await? {
        Begun::Answered(kept) => return Ok(Once::Replayed(kept)),
        Begun::Working(keyed) => keyed,
    };
    acting.keyed = Some(Arc::clone(&keyed));
    let work = work(acting);
    staying(&cx.clone(), async move {
        let outcome = work.await;
        keyed.end(&cx, outcome, keep).await.map(Once::Done)
    })
    .await
}

/// What a key leads to.
enum Begun {
    /// The answer that there is.
    Answered(Value),
    /// Work.
    Working(Arc<Keyed>),
}

/// Looks at what a key stands for. `IdempotencyKeyReused` if that is another request, `IdempotencyKeyInUse` if somebody
/// works on it, `OutcomeUnknown` if nobody can find out what became of it.
async fn begin(acting: &Acting, caller: &Caller, key: IdempotencyKey, request_hash: String) -> Result<Begun, Problem> {
    let (cx, now) = (&acting.cx, acting.cx.clock.now());
    let IdempotencyKey { name, label, series, may_come_again } = key;
    let key = WriteKey { tenant: caller.tenant, user: caller.user, key: name };
    let claim = new_claim(cx);
    let stage = Mutex::new(Stage::Unsent);
    let is_part = series.is_some();
    let Some(known) = cx.store.keyed_write(&key).await? else {
        let earlier = None;
        return Ok(Begun::Working(Arc::new(Keyed {
            key,
            label,
            series,
            may_come_again,
            request_hash,
            claim,
            earlier,
            stage,
        })));
    };
    if known.write.request_hash != request_hash {
        // What was sent then is not what would be sent now: what it depends on reads otherwise by now.
        return Err(if is_part { unknown(&known.write.to_check, false) } else { reused() });
    }
    if let Some(answer) = known.answer {
        return Ok(Begun::Answered(answer));
    }
    // Who does a series is alone with it.
    if !is_part && known.claimed_to > now {
        return Err(in_use(known.claimed_to.since(now)));
    }
    // The system keeps it for this identity alone, and not for ever.
    let kept_for = Duration::from_hours(cx.config.retention.idempotency_hours);
    let is_kept = known.write.erp_key.is_some()
        && known.write.sent_as == acting.identity()?
        && now.since(known.begun_at) < kept_for;
    if !is_kept {
        return Err(unknown(&known.write.to_check, false));
    }
    let is_claimed = if is_part {
        cx.store.seize_keyed_write(&key, &claim).await?
    } else {
        cx.store.claim_keyed_write(&key, &claim).await?
    };
    if !is_claimed {
        return Err(in_use(Duration::ZERO));
    }
    let earlier = Some(known.write);
    Ok(Begun::Working(Arc::new(Keyed { key, label, series, may_come_again, request_hash, claim, earlier, stage })))
}

/// A claim for as long as a request may take.
pub(super) fn new_claim(cx: &Context) -> WriteClaim {
    let until = cx.clock.now().plus(ms(cx.config.server.request_timeout_ms));
    WriteClaim { name: cx.entropy.hex(16), until }
}

impl Keyed {
    /// Notes that the write is sent now, also in the audit, and answers under which name, where the system keeps answers.
    /// `IdempotencyKeyInUse` if another request was faster.
    pub(super) async fn send(
        &self,
        acting: &Acting,
        model: &ModelName,
        to_check: &Value,
        entry: &NewAuditEntry,
    ) -> Result<(Option<KeptAnswer>, AuditId), Problem> {
        let cx = &acting.cx;
        let (name, noted) = if let Some(earlier) = &self.earlier {
            // It is the same write, and has its entry.
            let noted = match cx.store.audit_entry_of(&self.key).await? {
                Some(noted) => noted,
                None => cx.store.add_audit_entry(entry).await?,
            };
            (earlier.erp_key.clone(), noted)
        } else {
            let is_kept = acting.asked(model, acting.adapter.keeps_answers()).await?;
            let erp_key = is_kept.then(|| name_of_write(&cx.entropy.hex(16), &self.label));
            let write = NewKeyedWrite {
                system: acting.system(),
                request_hash: self.request_hash.clone(),
                sent_as: acting.identity()?,
                erp_key,
                to_check: to_check.clone(),
                series: self.series.clone(),
            };
            let Some(noted) = cx.store.begin_audited_write(&self.key, &write, &self.claim, entry).await? else {
                // Only one who is not alone any more, and does not know it yet, meets another in a series.
                let is_part = self.series.is_some();
                return Err(if is_part { unknown(to_check, false) } else { in_use(Duration::ZERO) });
            };
            (write.erp_key, noted)
        };
        self.reached(Stage::Open);
        Ok((name.map(|name| KeptAnswer { name, is_repeat: self.earlier.is_some() }), noted))
    }

    /// The key as its caller gave it.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether a write that was sent under a name may be sent again by its caller.
    pub(super) fn may_come_again(&self) -> bool {
        self.may_come_again
    }

    /// Whether an earlier try may have been done.
    pub(super) fn is_repeat(&self) -> bool {
        self.earlier.is_some()
    }

    /// Notes how far the write has come.
    pub(super) fn reached(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// Keeps what `keep` takes of the answer, and gives the key free where nothing was done.
    async fn end<T>(
        &self,
        cx: &Context,
        outcome: Result<T, Problem>,
        keep: impl FnOnce(&T) -> Value,
    ) -> Result<T, Problem> {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match (stage, outcome) {
            (Stage::Unsent, outcome) if self.earlier.is_none() => outcome,
            (Stage::Done, Ok(answer)) => {
                let kept = keep(&answer);
                noted("the answer of a write", cx.store.answer_keyed_write(&self.key, &self.claim, &kept).await);
                Ok(answer)
            }
            (Stage::Refused, outcome) => {
                noted("a write that was not done", cx.store.forget_keyed_write(&self.key, &self.claim).await);
                outcome
            }
            (_, outcome) => {
                noted("a write that is open", cx.store.leave_keyed_write(&self.key, &self.claim).await);
                match (outcome, &self.earlier) {
                    // Whatever went wrong now says nothing of the earlier try.
                    (Err(problem), Some(earlier)) if problem.kind != ProblemKind::OutcomeUnknown => {
                        Err(unknown(&earlier.to_check, self.may_come_again).caused_by(problem))
                    }
                    (outcome, _) => outcome,
                }
            }
        }
    }
}

/// A note that can't be made changes nothing of what the system has done: the key stands for an open write then, and
/// whoever comes with it is told so, or gets the answer from the system.
pub(super) fn noted(what: &str, outcome: Result<bool, StoreError>) {
    match outcome {
        Ok(true) => {}
        Ok(false) => tracing::warn!("{what} is not noted: another request has taken its key over"),
        Err(error) => tracing::warn!(%error, "{what} is not noted"),
    }
}

/// That a key stands for another request.
pub(super) fn reused() -> Problem {
    Problem::new(ProblemKind::IdempotencyKeyReused, Message::key_reused()).with("field", IdempotencyKey::HEADER)
}

/// That somebody works on what a key stands for, for at most this long.
pub(super) fn in_use(wait: Duration) -> Problem {
    let mut problem = Problem::new(ProblemKind::IdempotencyKeyInUse, Message::key_in_use());
    // It is likely to be over long before its claim ends.
    problem.retry_after_s = Some(wait.as_secs().clamp(1, 2));
    problem
}

/// That nobody knows whether a write was done; `is_kept` if it may be sent again with its key.
pub(crate) fn unknown(to_check: &Value, is_kept: bool) -> Problem {
    let problem = Problem::new(ProblemKind::OutcomeUnknown, Message::outcome_unknown());
    as_unknown(problem, to_check, is_kept)
}

/// The facts of such a problem: what has no key, or a key that the system does not keep, is for people to look at.
pub(super) fn as_unknown(problem: Problem, to_check: &Value, is_kept: bool) -> Problem {
    problem
        .with("error_type", if is_kept { "transient" } else { "permanent" })
        .with("model", to_check["model"].clone())
        .with("check", to_check.clone())
        .with("safe_to_repeat", is_kept)
}
