//! The product on a real Odoo 19 with the add-on installed.

mod keys;
mod main_job;
mod mirror;
mod server;
