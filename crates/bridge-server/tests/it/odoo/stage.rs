//! The service with a real Odoo that it knows as `odoo`.

use super::server::Odoo;
use crate::support::{App, Client, Setup};
use serde_json::{Value, json};

/// The service with an Odoo, and one who may do everything there by what is open.
pub(super) struct Stage {
    pub(super) app: App,
    pub(super) odoo: Odoo,
    pub(super) admin: Client,
}

impl Stage {
    /// Registers the Odoo, and opens these models.
    pub(super) async fn open(odoo: Odoo, models: Value) -> Self {
        Self::open_on(Setup::sqlite(), odoo, models).await
    }

    /// The same with this setup.
    pub(super) async fn open_on(setup: Setup, odoo: Odoo, models: Value) -> Self {
        let app = setup.start().await;
        let admin = app.admin().await;
        let registration = json!({
            "system_id": "odoo", "system_type": "odoo", "name": "Odoo", "connection_config": odoo.connection(),
        });
        admin.post("/api/v1/systems", &registration).await.expect(201);
        admin.put("/api/v1/systems/odoo/allowed", &json!({ "models": models })).await.expect(200);
        Self { app, odoo, admin }
    }

    /// What the admin is answered.
    pub(super) async fn result(&self, body: Value) -> Value {
        result(&self.admin, body).await
    }

    pub(super) async fn create(&self, model: &str, data: Value) -> Value {
        self.result(json!({ "action": "create", "model": model, "data": data })).await
    }

    pub(super) async fn read(&self, model: &str, id: &Value, fields: &[&str]) -> Value {
        self.result(json!({ "action": "read", "model": model, "record_id": id, "fields": fields })).await
    }

    pub(super) async fn call(&self, model: &str, id: &Value, method: &str) -> Value {
        self.result(json!({ "action": "call", "model": model, "record_id": id, "method": method })).await
    }

    /// Makes somebody in Odoo with these groups, by module and external id. Answers their id there and their password,
    /// which is their name with something behind it.
    pub(super) async fn person(&self, login: &str, groups: &[(&str, &str)]) -> (i64, String) {
        let mut ids = Vec::new();
        for (module, group) in groups {
            ids.push(self.odoo.reference(module, group).await);
        }
        let password = format!("{login}-password-1");
        let values = json!({ "name": login, "login": login, "password": password, "group_ids": [[6, 0, ids]] });
        (self.odoo.create("res.users", values).await, password)
    }
}

pub(super) async fn result(client: &Client, body: Value) -> Value {
    client.post("/api/v1/systems/odoo/crud", &body).await.expect(200)["result"].clone()
}

pub(super) async fn refusal(client: &Client, body: Value, status: u16, code: &str) -> Value {
    client.post("/api/v1/systems/odoo/crud", &body).await.expect_problem(status, code)
}

/// Gives a user of the service their own credential in Odoo, and answers who they are there.
pub(super) async fn link(user: &Client, login: &str, password: &str) -> Value {
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let link = json!({ "system_id": "odoo", "username": login, "password": password });
    user.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201)["odoo_user_id"].clone()
}
