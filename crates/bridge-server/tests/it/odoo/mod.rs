//! The product on a real Odoo 19, with the add-on installed and without it.

mod audited;
mod barcode;
mod batch;
mod business;
mod keyed;
mod keys;
mod main_job;
mod migration;
mod mirror;
mod polling;
mod records;
mod rules;
mod server;
mod stage;
mod stored_files;
mod trail;
mod watched;
