//! Which strategy sees the changes of which model.
//!
//! One strategy owns each model: what it finds goes into the log, and what the others find only wakes it. The readers
//! of `ingest` ask [`owners`] before each look, and say with [`looked`] or [`failed`] how the look went; that also
//! moves the ownership of models on that are being handed over.

mod owners;
mod report;

pub use owners::{ModelOwners, Owners, owners};
pub use report::{failed, looked};
