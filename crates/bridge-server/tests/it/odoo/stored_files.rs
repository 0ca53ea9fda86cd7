//! Files that the service keeps, on records of a real Odoo 19: it is Odoo that says who may put and who may read them.

use super::server::Odoo;
use crate::files::folder::in_folder;
use crate::files::{download, form, upload};
use crate::support::{Client, Setup};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_odoo_says_who_may_put_a_file_onto_a_record() {
    let odoo = Odoo::start_bare("stored_files").await;
    let (setup, _folder) = in_folder(Setup::sqlite());
    let app = setup.start().await;
    let admin = app.admin().await;
    let registration = json!({
        "system_id": "odoo", "system_type": "odoo", "name": "Odoo", "connection_config": odoo.connection(),
    });
    admin.post("/api/v1/systems", &registration).await.expect(201);
    let update = json!({ "operations": ["update"] });
    let models = json!({ "models": { "res.partner": update, "ir.filters": update, "sale.order": update } });
    admin.put("/api/v1/systems/odoo/allowed", &models).await.expect(200);
    let internal = odoo.reference("base", "group_user").await;
    let values =
        json!({ "name": "Low", "login": "low", "password": "low-password-1", "group_ids": [[6, 0, [internal]]] });
    odoo.create("res.users", values).await;
    let low = app.user("low", None).await;
    let id = low.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let link = json!({ "system_id": "odoo", "username": "low", "password": "low-password-1" });
    low.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);

    // Everybody may read both filters, and nobody may change one of them.
    let filter = async |name: &str| odoo.create("ir.filters", json!({ "name": name, "model_id": "res.partner" })).await;
    let (open, closed) = (filter("open").await, filter("closed").await);
    let filters =
        odoo.call("ir.model", "search_read", json!([[["model", "=", "ir.filters"]], ["id"]])).await[0]["id"].clone();
    let rule = json!({
        "name": "closed", "model_id": filters, "domain_force": "[('name', '!=', 'closed')]",
        "perm_read": false, "perm_write": true, "perm_create": false, "perm_unlink": false,
    });
    odoo.create("ir.rule", rule).await;
    let partner = odoo.create("res.partner", json!({ "name": "With files" })).await;
    let buyer = odoo.create("res.partner", json!({ "name": "Buyer" })).await;
    let order = odoo.create("sale.order", json!({ "partner_id": buyer })).await;
    let put = async |client: &Client, model: &str, record: i64| {
        let record = record.to_string();
        let onto = [("system_id", "odoo"), ("model", model), ("record_id", record.as_str())];
        upload(client, form(Some(("a.txt", "text/plain", b"hello")), &onto)).await
    };
    let mut files = Vec::new();
    for (model, record) in [("res.partner", partner), ("sale.order", order)] {
        files.push(put(&admin, model, record).await.expect(200)["file_id"].as_str().unwrap().to_owned());
    }
    put(&low, "ir.filters", open).await.expect(200);
    // The rights to the model refuse, and the rules of its records do.
    for (client, model, record) in [
        (&low, "res.partner", partner),
        (&low, "sale.order", order),
        (&low, "ir.filters", closed),
        (&admin, "ir.filters", closed),
    ] {
        put(client, model, record).await.expect_problem(403, "ERP_ACCESS_DENIED");
    }
    for (client, file, status) in [(&admin, 0, 200), (&low, 0, 200), (&admin, 1, 200), (&low, 1, 404)] {
        assert_eq!(download(client, &files[file], &[]).await.0, status);
    }
    // What is archived is there, and what is deleted takes the right to its files along.
    odoo.call("res.partner", "write", json!([[partner], { "active": false }])).await;
    assert_eq!(download(&admin, &files[0], &[]).await.0, 200);
    odoo.call("res.partner", "unlink", json!([[partner]])).await;
    assert_eq!(download(&admin, &files[0], &[]).await.0, 404);
    // A file goes with the right to change its record.
    let path = format!("/api/v1/files/{}", files[1]);
    low.delete(&path).await.expect_problem(404, "NOT_FOUND");
    admin.delete(&path).await.expect(200);
    assert_eq!(download(&admin, &files[1], &[]).await.0, 404);
    app.stop().await;
}
