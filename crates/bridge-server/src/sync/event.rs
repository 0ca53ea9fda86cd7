//! A change as a device sees it.

use bridge_model::{Change, Event, Origin, Position, Priority, RecordId, SystemId, Timestamp};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use utoipa::ToSchema;

/// A change in an answer. `id` is the position in the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Change)]
pub struct EventOut {
    /// The position.
    pub id: Position,
    /// The system it happened in.
    pub system_id: Option<SystemId>,
    /// The model.
    pub model: String,
    /// The record; null for `reset`.
    pub record_id: Option<RecordId>,
    /// What happened.
    pub event: Event,
    /// How urgent it is.
    pub priority: Priority,
    /// When it happened in the ERP.
    pub timestamp: Timestamp,
    /// When it became part of the log.
    pub received_at: Timestamp,
    /// How it reached us.
    pub origin: Origin,
    /// The names of the fields that changed, if known.
    pub changed_fields: Option<Vec<String>>,
    /// The ERP user who did it, if known.
    pub user_id: Option<i64>,
    /// Our key of the write, if it came through us: its sender knows its own echo.
    pub idempotency_key: Option<String>,
    /// What the source sent along and the record before and after; present for admins only.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Contents)]
    pub contents: Option<Contents>,
}

/// The parts of a change that only admins see.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ChangeContents)]
pub struct Contents {
    /// What the source sent along.
    #[schema(value_type = Value)]
    pub payload: Option<Box<RawValue>>,
    /// The record before.
    #[schema(value_type = Value)]
    pub old_data: Option<Box<RawValue>>,
    /// The record after.
    #[schema(value_type = Value)]
    pub new_data: Option<Box<RawValue>>,
}

impl EventOut {
    /// A change for a viewer. Of a deleted record nothing but model and id is shown to others than admins, since
    /// nobody can judge any more whether they were allowed to see it.
    pub fn of(change: Change, system_id: Option<SystemId>, for_admin: bool) -> Self {
        let body = change.body;
        let bare = body.event == Event::Unlink && !for_admin;
        let contents =
            for_admin.then_some(Contents { payload: body.payload, old_data: body.old_data, new_data: body.new_data });
        Self {
            id: change.position,
            system_id,
            model: body.model.into(),
            record_id: body.record_id,
            event: body.event,
            priority: body.priority,
            timestamp: body.occurred_at,
            received_at: change.received_at,
            origin: body.origin,
            changed_fields: body.changed_fields.filter(|_| !bare),
            user_id: body.erp_user_id.filter(|_| !bare),
            idempotency_key: body.idempotency_key.filter(|_| !bare),
            contents,
        }
    }
}

/// A change as a device sees it, written as JSON once for all who see the same of it.
#[derive(Debug, Clone)]
pub struct EventText {
    /// The position.
    pub id: Position,
    /// An [`EventOut`] as JSON.
    pub text: Arc<str>,
}

/// What a written change is about.
#[derive(Debug, Deserialize)]
pub(super) struct Outline {
    pub(super) system_id: Option<SystemId>,
    pub(super) model: String,
    pub(super) record_id: Option<RecordId>,
    pub(super) event: Event,
    pub(super) changed_fields: Option<Vec<String>>,
}

impl EventText {
    /// What it is about.
    pub(super) fn outline(&self) -> Result<Outline, serde_json::Error> {
        serde_json::from_str(&self.text)
    }

    /// The same change with other names of changed fields.
    pub(super) fn with_changed_fields(&self, names: Option<&[String]>) -> Result<Self, serde_json::Error> {
        const FIELD: &str = r#""changed_fields":"#;
        // The first one is the change's own: inside a text its quotes would be escaped, and the contents, in which
        // anything can stand, come after it.
        let begin = self.text.find(FIELD).map_or(self.text.len(), |at| at + FIELD.len());
        let (before, rest) = self.text.split_at(begin);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        if let Some(value) = values.next() {
            value?;
        }
        let after = rest.get(values.byte_offset()..).unwrap_or_default();
        let text = [before, &serde_json::to_string(&names)?, after].concat();
        Ok(Self { id: self.id, text: text.into() })
    }
}
