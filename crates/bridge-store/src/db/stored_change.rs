//! A change as the columns of `changes` have it.

use crate::StoreError;
use bridge_model::{
    Change, Epoch, Event, ModelName, NewChange, Origin, Position, Priority, RecordId, SourceId, SystemKey, Timestamp,
};
use serde_json::value::RawValue;

/// A row of `changes`, as both databases read it.
#[derive(Debug)]
pub(crate) struct StoredChange {
    pub(crate) position: i64,
    pub(crate) system_key: i64,
    pub(crate) epoch: i64,
    pub(crate) source_id: Option<String>,
    pub(crate) model: String,
    pub(crate) record_id: Option<String>,
    pub(crate) event: String,
    pub(crate) priority: String,
    pub(crate) occurred_at: i64,
    pub(crate) received_at: i64,
    pub(crate) origin: String,
    pub(crate) erp_user_id: Option<i64>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) changed_fields: Option<String>,
    pub(crate) payload: Option<String>,
    pub(crate) old_data: Option<String>,
    pub(crate) new_data: Option<String>,
}

impl StoredChange {
    pub(crate) fn into_change(self) -> Result<Change, StoreError> {
        let corrupt = |what| move || StoreError::Corrupt { what };
        let record_id = self.record_id.map(|id| RecordId::from_stored(&id).ok_or_else(corrupt("changes.record_id")));
        let fields = self.changed_fields.map(|list| {
            serde_json::from_str(&list).map_err(|_| StoreError::Corrupt { what: "changes.changed_fields" })
        });
        Ok(Change {
            position: Position::new(self.position),
            received_at: Timestamp::from_micros(self.received_at),
            body: NewChange {
                system: SystemKey(self.system_key),
                epoch: Epoch(self.epoch),
                model: ModelName::parse(self.model).map_err(|_| StoreError::Corrupt { what: "changes.model" })?,
                record_id: record_id.transpose()?,
                event: Event::from_word(&self.event).ok_or_else(corrupt("changes.event"))?,
                priority: Priority::from_word(&self.priority).ok_or_else(corrupt("changes.priority"))?,
                occurred_at: Timestamp::from_micros(self.occurred_at),
                origin: Origin::from_word(&self.origin).ok_or_else(corrupt("changes.origin"))?,
                source_id: self.source_id.map(SourceId),
                changed_fields: fields.transpose()?,
                payload: raw(self.payload, "changes.payload")?,
                old_data: raw(self.old_data, "changes.old_data")?,
                new_data: raw(self.new_data, "changes.new_data")?,
                erp_user_id: self.erp_user_id,
                idempotency_key: self.idempotency_key,
            },
        })
    }
}

/// A list of names as JSON, as `changed_fields` has it.
pub(crate) fn field_list(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

fn raw(text: Option<String>, what: &'static str) -> Result<Option<Box<RawValue>>, StoreError> {
    text.map(|text| RawValue::from_string(text).map_err(|_| StoreError::Corrupt { what })).transpose()
}
