//! A small database that behaves like Odoo's: tables described by data, transactions that commit in any order.

pub(super) mod addon;
pub(super) mod attachments;
pub(super) mod business;
pub(super) mod cell;
pub(super) mod fields;
pub(super) mod rights;
pub(super) mod schema;
pub(super) mod search;
pub(super) mod state;
pub(super) mod view;
pub(super) mod work;
