//! Reading and writing records through the API.

mod bad_input;
mod crud;
mod domains;
mod errors;
pub(crate) mod keyed;
mod lines;
mod links;
mod protection;
mod recorded;
mod rights;

use crate::support::{Answer, App, Client, Setup, demo_erp, register_demo_system};
use bridge_erp::fake::DemoErp;
use serde_json::{Value, json};

/// The service with a demo ERP that is registered as `demo`.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) erp: DemoErp,
    pub(crate) admin: Client,
}

impl Stage {
    pub(crate) async fn new(setup: Setup) -> Self {
        Self::with(setup, demo_erp().await).await
    }

    async fn with(setup: Setup, erp: DemoErp) -> Self {
        let app = setup.start().await;
        let admin = app.admin().await;
        register_demo_system(&admin, &erp, "demo").await;
        Self { app, erp, admin }
    }

    /// The same with everything opened that these tests need.
    pub(crate) async fn open(setup: Setup) -> Self {
        Self::open_with(setup, demo_erp().await).await
    }

    /// The same with this ERP.
    pub(crate) async fn open_with(setup: Setup, erp: DemoErp) -> Self {
        let stage = Self::with(setup, erp).await;
        let all = json!(["read", "create", "update", "delete"]);
        let models = json!({
            "res.partner": { "operations": all }, "sale.order": { "operations": all, "methods": ["action_confirm"] },
            "sale.order.line": { "operations": all }, "product.product": { "operations": all },
            "res.country": { "operations": ["read"] }, "res.partner.category": { "operations": all },
        });
        stage.allow(models).await;
        stage
    }

    pub(crate) async fn allow(&self, models: Value) -> Value {
        self.admin.put("/api/v1/systems/demo/allowed", &json!({ "models": models })).await.expect(200)
    }

    /// Sends a request as the admin and answers its result.
    pub(crate) async fn result(&self, body: Value) -> Value {
        result(&self.admin, body).await
    }

    pub(crate) async fn end(self) {
        self.app.stop().await;
        self.erp.stop().await;
    }
}

pub(crate) async fn crud(client: &Client, body: Value) -> Answer {
    client.post("/api/v1/systems/demo/crud", &body).await
}

pub(crate) async fn result(client: &Client, body: Value) -> Value {
    let answer = crud(client, body).await.expect(200);
    assert_eq!(answer["success"], true, "{answer}");
    answer["result"].clone()
}
