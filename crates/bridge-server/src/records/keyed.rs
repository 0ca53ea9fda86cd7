//! Writes that come with a key: the same key gives the same answer.
//!
//! Such a write is noted before it is sent, and its answer before the caller has it. If the answer of the system is
//! lost on the way, the next request with the key finds the note. Where the system keeps answers too, the write is then
//! sent again under the name that it had, and the system does it once; elsewhere nobody can know, and the caller is told
//! that and what to look at. What was not done leaves its key free.

use super::{Acting, CrudAnswer};
use crate::auth::Caller;
use crate::config::ms;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_erp::KeptAnswer;
use bridge_erp::write_key::name_of_write;
use bridge_model::ModelName;
use bridge_store::{NewKeyedWrite, StoreError, WriteClaim, WriteKey};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A key that a caller gives a write.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(String);

/// The longest key, in characters.
const KEY_CHARS_MAX: usize = 128;

impl IdempotencyKey {
    /// The header that holds it.
    pub const HEADER: &str = "Idempotency-Key";

    /// Checks the form of a key: 1 to 128 printable ASCII characters without blanks.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Problem::field(Self::HEADER, Reason::printable(KEY_CHARS_MAX)))
        }
    }
}

/// A write with a key, at work.
#[derive(Debug)]
pub(super) struct Keyed {
    key: WriteKey,
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

/// What a key leads to.
pub(super) enum Begun {
    /// The answer that there is.
    Answered(Value),
    /// Work.
    Working(Keyed),
}

/// Looks at what a key stands for. `IdempotencyKeyReused` if that is another request, `IdempotencyKeyInUse` if somebody
/// works on it, `OutcomeUnknown` if nobody can find out what became of it.
pub(super) async fn begin(
    acting: &Acting,
    caller: &Caller,
    key: IdempotencyKey,
    request_hash: String,
) -> Result<Begun, Problem> {
    let (cx, now) = (&acting.cx, acting.cx.clock.now());
    let key = WriteKey { tenant: caller.tenant, user: caller.user, key: key.0 };
    let until = now.plus(ms(cx.config.server.request_timeout_ms));
    let claim = WriteClaim { name: cx.entropy.hex(16), until };
    let stage = Mutex::new(Stage::Unsent);
    let Some(known) = cx.store.keyed_write(&key).await? else {
        return Ok(Begun::Working(Keyed { key, request_hash, claim, earlier: None, stage }));
    };
    if known.write.request_hash != request_hash {
        let field = IdempotencyKey::HEADER;
        return Err(Problem::new(ProblemKind::IdempotencyKeyReused, Message::key_reused()).with("field", field));
    }
    if let Some(answer) = known.answer {
        return Ok(Begun::Answered(answer));
    }
    if known.claimed_to > now {
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
    if !cx.store.claim_keyed_write(&key, &claim).await? {
        return Err(in_use(Duration::ZERO));
    }
    Ok(Begun::Working(Keyed { key, request_hash, claim, earlier: Some(known.write), stage }))
}

impl Keyed {
    /// Notes that the write is sent now, and answers under which name, where the system keeps answers.
    /// `IdempotencyKeyInUse` if another request was faster.
    pub(super) async fn send(
        &self,
        acting: &Acting,
        model: &ModelName,
        to_check: &Value,
    ) -> Result<Option<KeptAnswer>, Problem> {
        let name = if let Some(earlier) = &self.earlier {
            earlier.erp_key.clone()
        } else {
            let cx = &acting.cx;
            let is_kept = acting.asked(model, acting.adapter.keeps_answers()).await?;
            let erp_key = is_kept.then(|| name_of_write(&cx.entropy.hex(16), &self.key.key));
            let write = NewKeyedWrite {
                system: acting.system(),
                request_hash: self.request_hash.clone(),
                sent_as: acting.identity()?,
                erp_key,
                to_check: to_check.clone(),
            };
            if !cx.store.begin_keyed_write(&self.key, &write, &self.claim).await? {
                return Err(in_use(Duration::ZERO));
            }
            write.erp_key
        };
        self.reached(Stage::Open);
        Ok(name.map(|name| KeptAnswer { name, is_repeat: self.earlier.is_some() }))
    }

    /// Notes how far the write has come.
    pub(super) fn reached(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// Keeps the answer, and gives the key free where nothing was done.
    pub(super) async fn end(&self, cx: &Context, outcome: Result<CrudAnswer, Problem>) -> Result<CrudAnswer, Problem> {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match (stage, outcome) {
            (Stage::Unsent, outcome) if self.earlier.is_none() => outcome,
            (Stage::Done, Ok(answer)) => {
                let kept = answer.to_keep(cx.config.retention.kept_answer_bytes_max);
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
                        Err(unknown(&earlier.to_check, true).caused_by(problem))
                    }
                    (outcome, _) => outcome,
                }
            }
        }
    }
}

/// A note that can't be made changes nothing of what the system has done: the key stands for an open write then, and
/// whoever comes with it is told so, or gets the answer from the system.
fn noted(what: &str, outcome: Result<bool, StoreError>) {
    match outcome {
        Ok(true) => {}
        Ok(false) => tracing::warn!("{what} is not noted: another request has taken its key over"),
        Err(error) => tracing::warn!(%error, "{what} is not noted"),
    }
}

fn in_use(wait: Duration) -> Problem {
    let mut problem = Problem::new(ProblemKind::IdempotencyKeyInUse, Message::key_in_use());
    // It is likely to be over long before its claim ends.
    problem.retry_after_s = Some(wait.as_secs().clamp(1, 2));
    problem
}

/// That nobody knows whether a write was done; `is_kept` if it may be sent again with its key.
pub(super) fn unknown(to_check: &Value, is_kept: bool) -> Problem {
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
