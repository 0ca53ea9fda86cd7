//! What the tests stand on: the real service on a free port, over a real database, with a demo ERP behind it.
//!
//! ```text
//! async fn my_test(setup: Setup) {
//!     let app = setup.start().await;
//!     let admin = app.admin().await;
//!     admin.get("/api/v1/users").await.expect(200);
//! }
//! on_both_databases!(my_test);
//! ```

mod client;
mod described;
mod erp;
mod live;
mod odoo_database;
mod setup;
mod wait;

pub(crate) use client::{Answer, Client};
pub(crate) use erp::{demo_erp, demo_erp_at, demo_erp_without_addon, register_demo_system, registration};
pub(crate) use live::Live;
pub(crate) use odoo_database::OdooDatabase;
pub(crate) use setup::{ADMIN_PASSWORD, App, SECRET_KEY, Setup, manual_clock, on_both_databases};
pub(crate) use wait::{eventually, pause, within};
