//! Carrying records from one version of Odoo to another.
//!
//! [`plan`] tells what would happen, [`migrate`] does it: to records that come with the request, or to records of the
//! system, which it can write into another system. What the versions changed is in the rule packs of [`bridge_model::migration`].

mod answer;
mod migrate;
mod plan;
mod read;
mod request;
mod target;
mod write;

pub use answer::{
    LeftOut, MigratedRecord, Migration, MigrationError, MigrationPlan, PlanStep, StepChanges, Stopped, WarningView,
    Written,
};
pub use migrate::migrate;
pub use plan::plan;
pub use request::{MigrateRequest, Relations, RulePackName};
