//! The service's tests, through its front door.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first thing that is not as it should be, and says where"
)]

mod admin;
mod alerts;
mod audit;
mod auth;
mod barcode;
mod batch;
mod cache;
mod capture;
mod crash;
mod description;
mod detection;
mod devices;
mod doctor;
mod files;
mod ingest;
mod language;
mod limits;
mod live;
mod mapping;
mod migration;
mod mirror;
mod odoo;
mod readme;
mod records;
mod seen;
mod snapshot;
mod support;
mod sync;
mod tasks;
mod torture;
mod webhooks;
