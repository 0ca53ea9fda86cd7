//! Capture by trigger: every committed change of a row is written into an outbox inside Odoo's own transaction, and
//! taken from there.
//!
//! * [`install`], [`uninstall`] and [`status`] put it into a database, take it out and look at it,
//! * [`outbox`] reads it.

mod install;
mod objects;
pub mod outbox;
mod present;
mod status;
mod uninstall;

pub use install::{Installed, install, plan};
pub use status::{CaptureStatus, TableState, TableStatus, status};
pub use uninstall::{Removal, plan_uninstall, uninstall};

/// The role that reads the outbox if none is named.
pub const ROLE: &str = "bridgecore_capture";

/// What to capture, and how.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// Only these tables; empty: all that hold something of a model and are not left out below. A `*` stands
    /// for any part of a name.
    pub tables: Vec<String>,
    /// Only the tables of these models; empty: as above.
    pub models: Vec<String>,
    /// Models whose tables are left out unless they are named above.
    pub left_out: Vec<String>,
    /// Whether an update also says which columns have other values now.
    pub changed_columns: bool,
    /// How large a row may be, in bytes of its JSON, to be written down as it was and as it is; 0: never.
    pub row_image_bytes_max: u32,
    /// Whether a change of a row also says who wrote it and when the transaction began, and the role may read what
    /// Odoo itself notes of changes.
    pub trail: bool,
    /// Whether a commit wakes the reader by NOTIFY, which makes commits wait for each other.
    pub notify: bool,
    /// The role that reads the outbox, made if it does not exist. Without one, the role that was installed before, or
    /// else [`ROLE`]. If it is another one than before, that one loses what it was given.
    pub role: Option<String>,
    /// Its password, if it has to be made; `None` where nothing is done: in the SQL stands psql's variable
    /// `role_password`.
    pub role_password: Option<String>,
    /// The name of a new life of the outbox, used if it has to be made: something that was never used before.
    pub incarnation: String,
}
