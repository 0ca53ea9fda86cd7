//! What a change is.

use crate::{Epoch, ModelName, Position, SourceId, SystemKey, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// The record was created.
    Create,
    /// The record was changed.
    Write,
    /// The record was deleted.
    Unlink,
    /// Somebody asked for it to be sent; the record itself may be unchanged.
    Manual,
    /// Everything of this model may have changed; there is no record.
    Reset,
}

/// How urgent a change is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The usual.
    #[default]
    Medium,
    /// Critical: pushed at once where the ERP can.
    High,
}

/// How a change reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The ERP called us.
    Push,
    /// We read the add-on's event table over RPC.
    Pull,
    /// Our trigger in the ERP's database wrote it down.
    Capture,
    /// The database's own log.
    Wal,
    /// We compared records.
    Poll,
    /// It began here.
    Local,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ }) => {
        impl $type {
            /// The word in the API and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that `word` names, if any.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words!(Event { Create = "create", Write = "write", Unlink = "unlink", Manual = "manual", Reset = "reset" });
words!(Priority { Low = "low", Medium = "medium", High = "high" });
words!(Origin { Push = "push", Pull = "pull", Capture = "capture", Wal = "wal", Poll = "poll", Local = "local" });

/// A record's key in its ERP: a number in Odoo, text in systems whose keys are text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number or a text")]
pub enum RecordId {
    /// A positive number.
    Number(i64),
    /// A text key.
    Text(String),
}

impl RecordId {
    /// The key as the store has it: JSON, so that `42` and `"42"` stay apart.
    pub fn to_stored(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }

    /// Reads what [`RecordId::to_stored`] wrote; `None` if it is neither form.
    pub fn from_stored(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A change on its way into the log: everything but what the log itself gives.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// The system it happened in.
    pub system: SystemKey,
    /// The life of that system's event numbering.
    pub epoch: Epoch,
    /// The model.
    pub model: ModelName,
    /// The record; `None` only for [`Event::Reset`].
    pub record_id: Option<RecordId>,
    /// What happened.
    pub event: Event,
    /// How urgent it is.
    pub priority: Priority,
    /// When it happened in the ERP.
    pub occurred_at: Timestamp,
    /// How it reached us.
    pub origin: Origin,
    /// The ERP's id of the event, by which a second arrival is recognised; `None` if the source has none.
    pub source_id: Option<SourceId>,
    /// The names of the fields that changed, where the source tells.
    pub changed_fields: Option<Vec<String>>,
    /// What the source sent along, as JSON; for admins only.
    pub payload: Option<Box<RawValue>>,
    /// The record before, as JSON, where the source gives it; for admins only.
    pub old_data: Option<Box<RawValue>>,
    /// The record after, as JSON, where the source gives it; for admins only.
    pub new_data: Option<Box<RawValue>>,
    /// The ERP user who did it, if known.
    pub erp_user_id: Option<i64>,
    /// Our own key, if the write came through us.
    pub idempotency_key: Option<String>,
}

impl NewChange {
    /// A change of one record with nothing optional set.
    pub fn of(system: SystemKey, model: ModelName, record_id: RecordId, event: Event, occurred_at: Timestamp) -> Self {
        Self {
            system,
            epoch: Epoch::default(),
            model,
            record_id: Some(record_id),
            event,
            priority: Priority::default(),
            occurred_at,
            origin: Origin::Local,
            source_id: None,
            changed_fields: None,
            payload: None,
            old_data: None,
            new_data: None,
            erp_user_id: None,
            idempotency_key: None,
        }
    }
}

/// A change in the log.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its place in the tenant's log.
    pub position: Position,
    /// When it became part of the log.
    pub received_at: Timestamp,
    /// What was appended.
    pub body: NewChange,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_text_keys_stay_apart_in_the_store() {
        for id in [RecordId::Number(42), RecordId::Text("42".into()), RecordId::Text("a\"b".into())] {
            assert_eq!(RecordId::from_stored(&id.to_stored()), Some(id));
        }
        assert_eq!(RecordId::from_stored("true"), None);
    }

    #[test]
    fn every_word_is_read_back() {
        for event in [Event::Create, Event::Write, Event::Unlink, Event::Manual, Event::Reset] {
            assert_eq!(Event::from_word(event.as_str()), Some(event));
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
        assert_eq!(Event::from_word("CREATE"), None);
    }
}
