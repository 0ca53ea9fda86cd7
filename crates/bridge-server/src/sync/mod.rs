//! Changes out: each device reads the log from its own cursor, and the cursor moves by what the device confirms.

mod ack;
mod compact;
mod counted;
mod current;
mod event;
mod follow;
mod include;
mod page;
mod page_token;
mod pull;
mod reset;
mod rights;
mod scope;
mod snapshot;
mod state;
mod tail;

pub use ack::{AckRequest, Acked, ack, confirm, note_handed_out, open_cursor};
pub use counted::pull;
pub use event::{EventOut, EventText};
pub use follow::{Batch, Follower};
pub use include::{ChosenFields, Include, IncludeError};
pub use pull::{PullAnswer, PullRequest, Token};
pub use reset::{ResetRequest, WasReset, reset};
pub use rights::Rights;
pub use scope::{Scope, Viewer, viewer_for};
pub use snapshot::{LeftOut, SnapshotPage, SnapshotRequest, snapshot};
pub use state::{DeviceState, StateAnswer, StateRequest, state};
pub use tail::Tails;
