//! A demo ERP, and the service that knows it.

use super::client::Client;
use bridge_erp::fake::{Addon, DemoErp, Options};
use bridge_model::Clock;
use serde_json::{Value, json};
use std::sync::Arc;

/// A demo ERP on a free port, in which nothing happens unless the test does it.
pub(crate) async fn demo_erp() -> DemoErp {
    DemoErp::start(Options::default()).await.unwrap()
}

/// The same without an add-on.
pub(crate) async fn demo_erp_without_addon() -> DemoErp {
    DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap()
}

/// The same with another clock.
pub(crate) async fn demo_erp_at(clock: Arc<dyn Clock>) -> DemoErp {
    DemoErp::start(Options { clock, ..Options::default() }).await.unwrap()
}

/// Registers a demo ERP under this name; the answer holds the `push_key`.
pub(crate) async fn register_demo_system(admin: &Client, erp: &DemoErp, system_id: &str) -> Value {
    admin.post("/api/v1/systems", &registration(erp, system_id)).await.expect(201)
}

/// The body of such a registration.
pub(crate) fn registration(erp: &DemoErp, system_id: &str) -> Value {
    json!({
        "system_id": system_id,
        "system_type": "odoo",
        "system_version": "19.0",
        "name": "Demo ERP",
        "connection_config": erp.connection(),
    })
}
