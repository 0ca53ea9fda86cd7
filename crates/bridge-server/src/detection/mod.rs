//! Which strategy sees the changes of which model.
//!
//! One strategy owns each model: what it finds goes into the log, and what the others find only wakes it. The readers
//! of `ingest` ask [`owners`] before each look, and say with [`looked`] or [`failed`] how the look went; that also
//! moves the ownership of models on that are being handed over.
//!
//! * [`discover`] finds the models of a system and what can see their changes,
//! * [`plan`] says who should own them, and which step leads there.

mod classes;
mod discover;
mod owners;
mod plan;
mod report;

pub use classes::class_of;
pub use discover::discover;
pub use owners::{ModelOwners, Owners, owners};
pub use plan::{Judge, Move, plan, wanted};
pub use report::{failed, looked};
