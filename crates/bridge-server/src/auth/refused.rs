//! Log-ins that were refused, in the audit.

use super::Caller;
use crate::audit::{Change, note_refused};
use crate::context::Context;
use crate::problem::ProblemKind;
use bridge_model::{TenantId, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tracing::Instrument as _;

/// How many refused log-ins of this minute are in the audit, by tenant.
#[derive(Debug, Default)]
pub(super) struct RefusedLogins(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    noted: HashMap<TenantId, u32>,
}

const MINUTE_US: i64 = 60_000_000;

/// Notes that a user was not let in. Whoever tries passwords can't fill the audit: beyond so many of a tenant in a minute
/// they are counted and not noted. Nobody waits for the note, or the time of the answer would tell that there is such a user.
pub(super) fn note(cx: &Context, caller: Caller) {
    let most = cx.config.audit.refused_logins_per_minute_max;
    if !cx.auth.refused.takes(caller.tenant, cx.clock.now(), most) {
        return;
    }
    let (session, cx) = (cx.hub.session(), cx.clone());
    let noting = async move {
        let _session = session;
        note_refused(&cx, &caller, Change::new("session", "login"), ProblemKind::InvalidCredentials).await;
    };
    tokio::spawn(noting.in_current_span());
}

impl RefusedLogins {
    /// Whether one more is noted now.
    fn takes(&self, tenant: TenantId, now: Timestamp, most: u32) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_micros() / MINUTE_US;
        if minute.number != number {
            *minute = Minute { number, noted: HashMap::new() };
        }
        let noted = minute.noted.entry(tenant).or_default();
        let is_taken = *noted < most;
        *noted += u32::from(is_taken);
        is_taken
    }
}
