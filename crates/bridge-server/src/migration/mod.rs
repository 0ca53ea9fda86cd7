//! Carrying records from one version of Odoo to another.
//!
//! [`plan`] tells what would happen, [`migrate`] does it: to records that come with the request, or to records of the
//! system. What the versions changed is in the rule packs of [`bridge_model::migration`].

mod answer;
mod migrate;
mod plan;
mod read;
mod request;

pub use answer::{MigratedRecord, Migration, MigrationError, MigrationPlan, PlanStep, StepChanges, WarningView};
pub use migrate::migrate;
pub use plan::plan;
pub use request::{MigrateRequest, RulePackName};
