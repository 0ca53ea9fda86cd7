//! The audit: who changed what, when, and what became of it.
//!
//! A change is noted before it is made: whatever happens then, there is an entry, and one whose outcome never came says
//! `unknown`. A write that is done again under its key goes on with the entry that it has. That costs two small transactions for each change, of which the first is that of its key where it has one.
//! What is kept of the values is settled by rule in [`hide`], not by who calls.

mod change;
mod hide;
mod list;

pub(crate) use change::{Change, End, audited, audited_ending, audited_making, note_refused, settle};
pub(crate) use hide::{Hide, bounded};
pub use list::{AuditPage, AuditView, ListAudit, OutcomeWord, list};

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Where a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its id.
    pub request_id: Option<RequestId>,
    /// The address that it comes from.
    pub address: Option<IpAddr>,
}

/// The id of a request. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for RequestId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        (*id.0).to_owned()
    }
}
