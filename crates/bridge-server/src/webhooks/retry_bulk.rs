//! `POST /api/v1/webhooks/retry/bulk`: tries many dead letters again, one after the other.

use super::dead_letters::{READ_ROWS, check_cursor, filter};
use super::retry::{Retried, Turn};
use crate::auth::{Admin, Caller};
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::{SystemId, Timestamp};
use bridge_store::{DeadLetter, DeadLetterFilter};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use utoipa::ToSchema;

/// The most letters that one request tries.
const LETTERS_MAX: usize = 100;

/// After this time no further letter is begun: one can take some seconds while an ERP does not answer.
const TIME_MAX: Duration = Duration::from_secs(15);

/// Which letters: either those that are named, or those that the other fields choose.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct RetryBulkRequest {
    /// These letters.
    pub ids: Option<Vec<i64>>,
    /// The letters of this system.
    pub system_id: Option<SystemId>,
    /// The letters whose reason contains this text.
    pub reason_contains: Option<String>,
    /// The `next_cursor` of the answer before, to go on after the letters that it tried.
    pub cursor: Option<i64>,
}

/// What became of them.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct RetriedAll {
    /// Whether all that were tried are settled.
    pub success: bool,
    /// How many were tried.
    pub tried: usize,
    /// How many of them are settled.
    pub succeeded: usize,
    /// How many of them are not.
    pub failed: usize,
    /// What became of each.
    pub results: Vec<Retried>,
    /// Letters that were named and not tried, because time ran out.
    pub not_tried: Vec<i64>,
    /// To go on where letters were chosen and there may be more; `null` when there are none.
    pub next_cursor: Option<String>,
}

/// Tries letters of the admin's tenant again.
pub async fn retry_bulk(cx: &Context, admin: &Admin, request: RetryBulkRequest) -> Result<RetriedAll, Problem> {
    let tenant = admin.0.tenant;
    let chosen = request.system_id.is_some() || request.reason_contains.is_some();
    let until = cx.clock.now().plus(TIME_MAX);
    let mut all = match (request.ids, chosen) {
        (Some(ids), false) if request.cursor.is_none() => {
            let ids: BTreeSet<i64> = ids.into_iter().collect();
            if !(1..=LETTERS_MAX).contains(&ids.len()) {
                return Err(Problem::field("ids", Reason::dead_letters_at_most(LETTERS_MAX)));
            }
            let turn = Turn::take(cx, tenant).await?;
            let all = named(cx, &turn, &admin.0, ids, until).await;
            turn.end(cx).await;
            all?
        }
        (None, true) => {
            let filter = filter(cx, tenant, request.system_id.as_ref(), request.reason_contains).await?;
            let after = check_cursor(request.cursor)?;
            let turn = Turn::take(cx, tenant).await?;
            let all = of_filter(cx, &turn, &admin.0, &filter, after, until).await;
            turn.end(cx).await;
            all?
        }
        (Some(_), _) => return Err(Problem::field("ids", Reason::not_with_another_choice())),
        (None, false) => return Err(Problem::field("ids", Reason::or_another_choice())),
    };
    all.tried = all.results.len();
    all.succeeded = all.results.iter().filter(|result| result.success).count();
    all.failed = all.tried - all.succeeded;
    all.success = all.failed == 0 && all.not_tried.is_empty();
    Ok(all)
}

async fn named(
    cx: &Context,
    turn: &Turn,
    reader: &Caller,
    ids: BTreeSet<i64>,
    until: Timestamp,
) -> Result<RetriedAll, Problem> {
    let mut all = RetriedAll::default();
    for id in ids {
        if cx.clock.now() >= until {
            all.not_tried.push(id);
            continue;
        }
        all.results.push(match cx.store.dead_letter(reader.tenant, id).await? {
            Some(letter) => one(cx, turn, &letter, reader).await,
            None => Retried::not_found(id),
        });
    }
    Ok(all)
}

async fn of_filter(
    cx: &Context,
    turn: &Turn,
    reader: &Caller,
    filter: &DeadLetterFilter,
    mut after: Option<i64>,
    until: Timestamp,
) -> Result<RetriedAll, Problem> {
    let mut all = RetriedAll::default();
    loop {
        let letters = cx.store.dead_letters_of(reader.tenant, filter, after, READ_ROWS).await?;
        let last_read = letters.len() < READ_ROWS as usize;
        for letter in letters {
            if all.results.len() >= LETTERS_MAX || cx.clock.now() >= until {
                all.next_cursor = Some(after.unwrap_or(0).to_string());
                return Ok(all);
            }
            after = Some(letter.id);
            all.results.push(one(cx, turn, &letter, reader).await);
        }
        if last_read {
            return Ok(all);
        }
    }
}

/// A letter that can't be tried now does not keep the others from it.
async fn one(cx: &Context, turn: &Turn, letter: &DeadLetter, reader: &Caller) -> Retried {
    match turn.retry(cx, reader, letter).await {
        Ok(retried) => retried,
        Err(problem) => {
            tracing::warn!(dead_letter.id = letter.id, causes = %problem.causes(), "retry a dead letter: {}", cx.texts.english(&problem.message));
            Retried::postponed(letter, cx.texts.say(reader.speaks(), &problem.message))
        }
    }
}
