//! What is said over a WebSocket.

use crate::context::Context;
use crate::language::Language;
use crate::problem::Problem;
use crate::sync::EventText;
use bridge_model::{AppType, DeviceId, ModelName, SystemId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromClient {
    /// Who it is; also later, with a fresh token, so that the connection outlives the old one.
    Auth { token: String },
    /// What it wants to hear.
    Subscribe(Box<Subscribe>),
    /// What it no longer wants to hear.
    Unsubscribe { channel: String },
    /// What it has dealt with.
    Ack { position: Value },
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

/// What a client wants to hear.
#[derive(Debug, Deserialize)]
pub(super) struct Subscribe {
    pub(super) channel: String,
    /// The device whose cursor `ack` moves.
    #[serde(default)]
    pub(super) device_id: Option<DeviceId>,
    /// Its app type; `mobile_app` if not given.
    #[serde(default)]
    pub(super) app_type: Option<AppType>,
    /// Only these models.
    #[serde(default)]
    pub(super) models: Option<Vec<ModelName>>,
    /// Only this system.
    #[serde(default)]
    pub(super) system_id: Option<SystemId>,
    /// Where to start: digits are a position, RFC 3339 is a time. Without it, a device starts from its cursor
    /// (from the beginning if it never synced), and a client without a device from now on.
    #[serde(default)]
    pub(super) since: Option<Value>,
}

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToClient<'a> {
    /// The token holds.
    Authenticated { user_id: i64, expires_at: Timestamp },
    /// Changes after `position` follow.
    Subscribed { channel: &'a str, position: String },
    /// No more follow.
    Unsubscribed { channel: &'a str },
    /// Everything up to `position` has been sent: from here on it is live.
    Live { channel: &'a str, position: String },
    /// The device's cursor has moved.
    Acked { position: String },
    /// The log is not kept back to there: start from a snapshot.
    ResyncRequired { channel: &'a str, snapshot_position: String },
    /// The heartbeat.
    Ping { timestamp: Timestamp },
    /// The answer to a ping.
    Pong,
    /// Something in the last message was wrong; the connection stays open.
    Error { error: &'a str, message: &'a str, code: &'a str, details: &'a Value },
}

impl ToClient<'_> {
    /// The message as text.
    pub(super) fn text(&self) -> String {
        // These types always serialise; the fallback keeps the shape all the same.
        serde_json::to_string(self).unwrap_or_else(|_| json!({"type": "error", "code": "INTERNAL_ERROR"}).to_string())
    }
}

/// A change as a message: around what is written already, for every connection the same.
pub(super) fn notification_text(channel: &str, event: &EventText) -> String {
    [r#"{"type":"notification","channel":""#, channel, r#"","data":"#, &event.text, "}"].concat()
}

/// A problem as a message, in the shape of the REST errors.
pub(super) fn error_text(cx: &Context, language: Language, problem: &Problem) -> String {
    ToClient::Error {
        error: problem.kind.exception(),
        message: &cx.texts.say(language, &problem.message),
        code: problem.kind.code(),
        details: &problem.details,
    }
    .text()
}
