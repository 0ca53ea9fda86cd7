//! `GET /api/v1/alerts`: what somebody should look at, and what they should have.

use super::message::{advice, title};
use crate::auth::Admin;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::{SystemId, Timestamp};
use bridge_store::{Alert, AlertId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Alerts in one page if the request does not say.
const LIMIT_DEFAULT: u32 = 50;

/// The most alerts in one page.
const LIMIT_MAX: u32 = 200;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListAlerts {
    /// The `next_cursor` of the page before.
    #[param(minimum = 0)]
    pub cursor: Option<i64>,
    /// The most alerts in the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// Only those that are open, or only those that are over.
    #[param(inline)]
    pub state: Option<AlertState>,
}

/// Whether something still is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It is.
    Open,
    /// It is over, or has not happened again for a while.
    Resolved,
}

/// A page of alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertPage {
    /// The alerts, the newest first.
    pub items: Vec<AlertView>,
    /// For the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// An alert as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertView {
    /// Its number.
    pub id: i64,
    /// What it is about.
    #[schema(example = "circuit_open")]
    pub kind: &'static str,
    /// Whether it still is so.
    pub state: AlertState,
    /// The system, if it is about one.
    pub system_id: Option<SystemId>,
    /// How often it has happened.
    pub times: u64,
    /// More of it, for programs.
    #[schema(value_type = Object)]
    pub details: Value,
    /// What is so, in the caller's language.
    pub title: String,
    /// What to do about it, in the caller's language.
    pub advice: String,
    /// Since when.
    pub raised_at: Timestamp,
    /// When it was last known to be so.
    pub last_seen_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// When those who are to be told were last told of it; `null` if that is still to come.
    pub told_at: Option<Timestamp>,
}

/// The alerts of the admin's tenant, page by page.
pub async fn list(cx: &Context, admin: &Admin, request: ListAlerts) -> Result<AlertPage, Problem> {
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    if request.cursor.is_some_and(|cursor| cursor < 0) {
        return Err(Problem::field("cursor", Reason::cursor_of_another_page()));
    }
    let open = request.state.map(|state| state == AlertState::Open);
    let before = request.cursor.map(AlertId);
    // One more than asked for tells whether there is a next page.
    let mut alerts = cx.store.alerts(admin.0.tenant, open, before, limit + 1).await?;
    let more = alerts.len() > limit as usize;
    alerts.truncate(limit as usize);
    let next_cursor = alerts.last().filter(|_| more).map(|alert| alert.id.0.to_string());
    Ok(AlertPage { items: alerts.into_iter().map(|alert| view(cx, admin, alert)).collect(), next_cursor })
}

fn view(cx: &Context, admin: &Admin, alert: Alert) -> AlertView {
    let say = |message| cx.texts.say(admin.0.speaks(), &message);
    AlertView {
        id: alert.id.0,
        kind: alert.kind.as_str(),
        state: if alert.resolved_at.is_some() { AlertState::Resolved } else { AlertState::Open },
        title: say(title(&alert)),
        advice: say(advice(alert.kind)),
        system_id: alert.system_id,
        times: alert.times,
        details: alert.facts,
        raised_at: alert.raised_at,
        last_seen_at: alert.seen_at,
        resolved_at: alert.resolved_at,
        told_at: alert.told_at,
    }
}
