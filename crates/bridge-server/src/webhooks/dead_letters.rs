//! `GET /api/v1/webhooks/dead-letters`: what arrived and could not be understood.

use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_model::{Origin, SourceId, SystemId, SystemKey, TenantId, Timestamp};
use bridge_store::{DeadLetter, DeadLetterFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Dead letters in one page if the request does not say.
const LIMIT_DEFAULT: u32 = 50;

/// The most dead letters in one page.
const LIMIT_MAX: u32 = 200;

/// The longest text that reasons are searched for, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// The most bytes of a letter's body that are shown.
const BODY_BYTES_MAX: usize = 65_536;

/// Letters read at once: a body can be as large as a request.
pub(super) const READ_ROWS: u32 = 10;

/// A page ends early once it shows so many bytes of bodies.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListDeadLetters {
    /// The `next_cursor` of the page before.
    #[param(minimum = 0)]
    pub cursor: Option<i64>,
    /// The most dead letters in the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// Only those of this system.
    pub system_id: Option<SystemId>,
    /// Only those whose reason contains this text.
    #[param(min_length = 1, max_length = 200)]
    pub reason_contains: Option<String>,
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterPage {
    /// The letters in the order of their arrival.
    pub items: Vec<DeadLetterView>,
    /// For the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// A dead letter as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterView {
    /// Its number.
    pub id: i64,
    /// The system it came from, if that is known.
    pub system_id: Option<SystemId>,
    /// How it reached us.
    pub origin: Origin,
    /// The ERP's id of the event, if known.
    pub source_id: Option<SourceId>,
    /// Why it was not understood the last time it was tried.
    pub reason: String,
    /// The bytes as they came, or the first of them: as text, or in base64 where they are no UTF-8.
    pub body: String,
    /// `text` or `base64`.
    pub body_encoding: &'static str,
    /// How many bytes came.
    pub body_bytes: usize,
    /// Whether `body` is only the beginning.
    pub body_truncated: bool,
    /// When it came.
    pub received_at: Timestamp,
    /// How often it was tried again, in vain.
    pub attempts: i64,
    /// When that was last.
    pub last_attempt_at: Option<Timestamp>,
}

/// The dead letters of the admin's tenant, page by page.
pub async fn dead_letters(cx: &Context, admin: &Admin, request: ListDeadLetters) -> Result<DeadLetterPage, Problem> {
    let tenant = admin.0.tenant;
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    let cursor = check_cursor(request.cursor)?;
    let filter = filter(cx, tenant, request.system_id.as_ref(), request.reason_contains).await?;
    let names = cx.store.system_names(tenant).await?;
    let (mut items, mut shown_bytes, mut after) = (Vec::new(), 0, cursor);
    loop {
        let letters = cx.store.dead_letters_of(tenant, &filter, after, READ_ROWS).await?;
        let last_read = letters.len() < READ_ROWS as usize;
        for letter in letters {
            if items.len() >= limit as usize || shown_bytes >= PAGE_BYTES_MAX {
                return Ok(DeadLetterPage { items, next_cursor: after.map(|id| id.to_string()) });
            }
            after = Some(letter.id);
            let view = view(letter, |key| names.get(&key).cloned());
            shown_bytes += view.body.len();
            items.push(view);
        }
        if last_read {
            return Ok(DeadLetterPage { items, next_cursor: None });
        }
    }
}

/// A cursor, which is the number of a letter.
pub(super) fn check_cursor(cursor: Option<i64>) -> Result<Option<i64>, Problem> {
    if cursor.is_some_and(|cursor| cursor < 0) {
        return Err(Problem::field("cursor", Reason::cursor_of_another_page()));
    }
    Ok(cursor)
}

/// Which letters a request means.
pub(super) async fn filter(
    cx: &Context,
    tenant: TenantId,
    system_id: Option<&SystemId>,
    reason_contains: Option<String>,
) -> Result<DeadLetterFilter, Problem> {
    let fits = |text: &String| (1..=REASON_BYTES_MAX).contains(&text.len()) && !text.contains('\0');
    if !reason_contains.iter().all(fits) {
        return Err(Problem::field("reason_contains", Reason::no_zero_byte(REASON_BYTES_MAX)));
    }
    let system = match system_id {
        None => None,
        Some(id) => Some(system_key(cx, tenant, id).await?),
    };
    Ok(DeadLetterFilter { system, reason_contains })
}

/// The key of a tenant's system.
pub(super) async fn system_key(cx: &Context, tenant: TenantId, id: &SystemId) -> Result<SystemKey, Problem> {
    let system = cx.store.system(tenant, id).await?.ok_or_else(|| Problem::no_such_system(id))?;
    Ok(system.key)
}

fn view(letter: DeadLetter, name_of: impl Fn(SystemKey) -> Option<SystemId>) -> DeadLetterView {
    let body_bytes = letter.body.len();
    let (body, body_encoding) = shown(&letter.body);
    DeadLetterView {
        id: letter.id,
        system_id: letter.system.and_then(name_of),
        origin: letter.origin,
        source_id: letter.source_id,
        reason: letter.reason,
        body,
        body_encoding,
        body_bytes,
        body_truncated: body_bytes > BODY_BYTES_MAX,
        received_at: letter.received_at,
        attempts: letter.attempts,
        last_attempt_at: letter.last_attempt_at,
    }
}

/// What is shown of a body, and how.
fn shown(body: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(body) {
        Ok(text) => (text[..text.floor_char_boundary(BODY_BYTES_MAX)].to_owned(), "text"),
        Err(_) => (STANDARD.encode(&body[..body.len().min(BODY_BYTES_MAX)]), "base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_where_it_can_be_and_is_cut_between_characters() {
        assert_eq!(shown("{\"a\": \"é\"}".as_bytes()), ("{\"a\": \"é\"}".to_owned(), "text"));
        assert_eq!(shown(b"\xff\x00"), ("/wA=".to_owned(), "base64"));
        let long = format!("x{}", "é".repeat(BODY_BYTES_MAX));
        let (text, encoding) = shown(long.as_bytes());
        assert_eq!((text.len(), encoding), (BODY_BYTES_MAX - 1, "text"));
        let bytes = vec![0xff; BODY_BYTES_MAX + 9];
        assert_eq!(STANDARD.decode(shown(&bytes).0).unwrap().len(), BODY_BYTES_MAX);
    }
}
