//! The durable truth of BridgeCore: the log of changes and everything that must survive a crash, in SQLite
//! (embedded, one process) or PostgreSQL (several).
//!
//! [`Store`] is the only way in. Its operations live in the module of their noun.

mod alerts;
mod allow_lists;
mod audit;
mod calls;
mod condition;
mod credentials;
mod crypt;
mod cursors;
mod db;
mod dead_letters;
mod detection;
mod encryption;
mod erp_links;
mod error;
mod event_marks;
mod jobs;
mod keyed_writes;
mod leases;
mod log;
mod look_back;
mod mappings;
mod mirror;
mod open;
mod polled;
mod reader_notes;
mod rights;
mod sessions;
mod source;
mod stored_files;
mod systems;
mod tasks;
mod tenants;
mod users;
mod wal;

#[cfg(test)]
mod contract;

pub use alerts::{Alert, AlertId, AlertKind, AlertSubject};
pub use audit::{AuditEntry, AuditId, AuditOutcome, AuditQuery, NewAuditEntry};
pub use condition::{LeftSlot, Schema, StoreServer};
pub use credentials::{Credential, RenewedKey};
pub use cursors::{AppOfDevice, Cursor, CursorKey};
pub use dead_letters::{DeadLetter, DeadLetterFilter, NewDeadLetter};
pub use detection::{Choice, Detection, FoundModel, Ownership, StrategyHealth, TrackedModel};
pub use encryption::Encrypted;
pub use erp_links::{ErpLink, LinkSecret};
pub use error::{Cause, StoreError};
pub use jobs::{Job, JobCounts, JobId, NewJob, Schedule};
pub use keyed_writes::{KeyedWrite, NewKeyedWrite, WriteClaim, WriteKey, WritePart, WriteSeries};
pub use leases::{Fence, Lease};
pub use log::{Append, Appended, LogPage, LogQuery, LogRead, Retention, Trimmed};
pub use look_back::{ChangeCount, LogFilter, LogSpan, Newest};
pub use mirror::{MirrorKey, MirroredState, StateToMirror, Told};
pub use open::{Store, StoreOptions, WriteStats};
pub use polled::{Polled, PolledSave};
pub use reader_notes::ReaderNote;
pub use rights::Readable;
pub use sessions::Session;
pub use source::{Gap, SourceProgress, SourceState};
pub use stored_files::{FilePlace, HiddenFile, StoredFile};
pub use systems::{NewSystem, System};
pub use tasks::{NewTask, Settled, Task, TaskId, TaskState};
pub use tenants::Tenant;
pub use users::{NewUser, Role, User};
pub use wal::{WalPlace, WalProgress};
