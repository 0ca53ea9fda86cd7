//! Records carried from one version of Odoo to another.

mod records;
mod with_data;
