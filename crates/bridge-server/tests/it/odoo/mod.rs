//! The product on a real Odoo 19, with the add-on installed and without it.

mod barcode;
mod business;
mod keyed;
mod keys;
mod main_job;
mod mirror;
mod polling;
mod records;
mod server;
mod trail;
mod watched;
