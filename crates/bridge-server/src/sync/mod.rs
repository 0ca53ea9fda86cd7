//! Changes out: each device reads the log from its own cursor, and the cursor moves by what the device confirms.

mod ack;
mod event;
mod follow;
mod pull;
mod reset;
mod rights;
mod scope;
mod state;

pub use ack::{AckRequest, Acked, ack, confirm, note_handed_out};
pub use event::EventOut;
pub use follow::{Batch, Follower};
pub use pull::{PullAnswer, PullRequest, pull};
pub use reset::{ResetRequest, WasReset, reset};
pub use rights::Rights;
pub use scope::{Scope, Viewer, viewer_for};
pub use state::{DeviceState, StateAnswer, StateRequest, state};
