//! Carrying records from one version of Odoo to another, in both directions.
//!
//! What changed between two neighbouring versions is data: a [`RulePack`] has a file for each hop, which tells how
//! fields were renamed, converted, split, merged and dropped, always from the older version to the newer one; the way
//! back is read off the same rules. A [`Plan`] strings the hops together for one model. All rules of a hop see the
//! record as it was before it, so that two fields can swap their names.
//!
//! What a value loses on the way, and what a person has to look at, is a [`Warning`] that names field, model and
//! version. Whatever no warning calls lost comes back unchanged on the way back.

mod convert;
mod file;
mod html;
mod pack;
mod plan;
mod record;
mod table;
#[cfg(test)]
mod tests;
mod version;
mod warning;

pub use pack::{PackError, PackName, RulePack, RulePacks};
pub use plan::{Changes, Fate, Plan};
pub use record::{ModelMissing, Record, Tally};
pub use version::{UnknownVersion, Version};
pub use warning::{Warning, WarningKind};
