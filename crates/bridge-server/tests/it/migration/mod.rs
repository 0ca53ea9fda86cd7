//! Records carried from one version of Odoo to another.

mod into_target;
mod records;
mod with_data;
