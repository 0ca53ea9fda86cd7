//! What is kept and what is not, and what ends it.

use super::{PATIENCE, ask, asked_again, by_id, caught_up, own, place, seen, write};
use crate::records::{crud, result};
use crate::support::{Setup, demo_erp, eventually, on_both_databases};
use bridge_model::Strategy;
use reqwest::Method;
use reqwest::header::CACHE_CONTROL;
use serde_json::{Value, json};

on_both_databases!(
    only_what_records_hold_themselves_is_kept,
    a_change_ends_its_record_and_every_query_of_its_model,
    only_models_whose_every_change_is_seen_are_kept,
    writers_see_what_they_wrote_before_the_log_tells,
    answers_belong_to_who_asked,
    new_settings_begin_with_nothing,
    it_is_shown_cleared_and_gone_around,
);

const ADDON: &[(&str, Strategy)] =
    &[("res.partner", Strategy::Addon), ("res.country", Strategy::Addon), ("sale.order", Strategy::Addon)];

async fn only_what_records_hold_themselves_is_kept(setup: Setup) {
    let stage = seen(setup, ADDON).await;
    let read = |more: Value| {
        let mut body = json!({ "action": "read", "model": "res.partner", "fields": ["name"], "order": "id" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, expected) in [
        (by_id(7, &["name", "customer_rank", "write_date"]), "hit"),
        (json!({ "action": "read", "model": "res.partner", "record_ids": [7, 8], "fields": ["name"] }), "hit"),
        (
            read(json!({ "domain": [["is_company", "=", true], "|", ["city", "ilike", "a"], ["ref", "=", null]] })),
            "hit",
        ),
        (read(json!({ "domain": [["parent_id", "in", [1, 7]]] })), "hit"),
        (read(json!({ "context": { "active_test": false, "tz": "Africa/Casablanca" }, "lang": "fr_FR" })), "hit"),
        (read(json!({ "order": "city desc, id" })), "hit"),
        (json!({ "action": "search", "model": "res.partner", "order": "name" }), "hit"),
        (json!({ "action": "search", "model": "res.partner" }), "hit"),
        (json!({ "action": "count", "model": "res.partner", "domain": [["customer_rank", ">", 0]] }), "hit"),
        // A name of another record, whose changes are seen as well.
        (by_id(7, &["name", "country_id"]), "hit"),
        // The same of a model that nobody looks at.
        (by_id(7, &["name", "create_uid"]), "bypass"),
        (by_id(7, &["display_name"]), "bypass"),
        (by_id(7, &["category_id"]), "bypass"),
        (by_id(7, &["child_ids"]), "bypass"),
        (read(json!({ "domain": [["country_id.code", "=", "MA"]] })), "bypass"),
        (read(json!({ "domain": [["country_id", "ilike", "mor"]] })), "bypass"),
        (read(json!({ "domain": [["parent_id", "child_of", 1]] })), "bypass"),
        (read(json!({ "domain": [["category_id", "in", [1]]] })), "bypass"),
        (read(json!({ "order": "country_id, id" })), "bypass"),
        (read(json!({ "context": { "allowed_company_ids": [1] } })), "bypass"),
        (json!({ "action": "count", "model": "product.product" }), "bypass"),
    ] {
        assert_eq!(asked_again(&stage.admin, &body).await, expected, "{body}");
    }
    let refused = json!({ "action": "read", "model": "res.partner", "record_id": 999_999, "fields": ["name"] });
    for _ in 0..2 {
        crud(&stage.admin, refused.clone()).await.expect_problem(404, "RECORD_NOT_FOUND");
    }
    stage.end().await;
}

async fn a_change_ends_its_record_and_every_query_of_its_model(setup: Setup) {
    let stage = seen(setup, ADDON).await;
    let (tenant, _) = place(&stage.admin).await;
    let one = by_id(7, &["city"]);
    let other = by_id(8, &["city"]);
    let mut named = by_id(stage.erp.db().ids("sale.order")[0], &["state", "partner_id"]);
    named["model"] = json!("sale.order");
    let count = json!({ "action": "count", "model": "res.partner", "domain": [["city", "=", "Ifrane"]] });
    let orders = json!({ "action": "count", "model": "sale.order" });
    let own_order = json!({ "action": "search", "model": "sale.order" });
    let all = [&one, &other, &named, &count, &orders, &own_order];
    for body in all {
        assert_eq!(asked_again(&stage.admin, body).await, "hit", "{body}");
    }
    write(&stage.erp, "res.partner", 7, json!({ "city": "Ifrane" }));
    caught_up(&stage.app, &stage.erp, tenant).await;
    let mut uses = Vec::new();
    for body in all {
        uses.push(ask(&stage.admin, body).await.1);
    }
    // What is made of another record or another model stays; what has names of others, or their order, does not.
    assert_eq!(uses, ["miss", "hit", "miss", "miss", "hit", "miss"]);
    assert_eq!(ask(&stage.admin, &one).await, (json!({ "id": 7, "city": "Ifrane" }), "hit".to_owned()));
    assert_eq!(ask(&stage.admin, &count).await, (json!(1), "hit".to_owned()));
    // A name on another model's record follows its own record.
    let partner = ask(&stage.admin, &named).await.0["partner_id"][0].as_i64().unwrap();
    write(&stage.erp, "res.partner", partner, json!({ "name": "Al Maghrib" }));
    caught_up(&stage.app, &stage.erp, tenant).await;
    assert_eq!(ask(&stage.admin, &named).await.0["partner_id"], json!([partner, "Al Maghrib"]));
    stage.end().await;
}

async fn only_models_whose_every_change_is_seen_are_kept(setup: Setup) {
    let stage = seen(setup, &[("res.partner", Strategy::Poll)]).await;
    let (tenant, system) = place(&stage.admin).await;
    let body = by_id(7, &["city"]);
    assert_eq!(asked_again(&stage.admin, &body).await, "bypass", "polled");
    for (from, to, expected) in [
        (Some(Strategy::Poll), None, "bypass"),
        (None, Some(Strategy::Wal), "hit"),
        (Some(Strategy::Wal), None, "bypass"),
        (None, Some(Strategy::Capture), "hit"),
    ] {
        own(&stage.app, tenant, system, "res.partner", from, to).await;
        // Between two owners nobody may have looked: what was kept before is not given.
        assert_ne!(ask(&stage.admin, &body).await.1, "hit", "{to:?}");
        assert_eq!(asked_again(&stage.admin, &body).await, expected, "{to:?}");
    }
    let setup = stage.app.stop().await.config(|config| config.cache.polled_models = true);
    let app = setup.start().await;
    let admin = app.admin().await;
    own(&app, tenant, system, "res.partner", Some(Strategy::Capture), Some(Strategy::Poll)).await;
    assert_eq!(asked_again(&admin, &body).await, "hit", "chosen");
    let setup = app.stop().await.config(|config| config.cache.enabled = false);
    let app = setup.start().await;
    assert_eq!(asked_again(&app.admin().await, &body).await, "bypass", "off");
    app.stop().await;
    stage.erp.stop().await;
}

async fn writers_see_what_they_wrote_before_the_log_tells(setup: Setup) {
    // Captured, and nobody reads the outbox: the log tells of nothing.
    let stage = seen(setup, &[("res.partner", Strategy::Capture), ("sale.order", Strategy::Capture)]).await;
    let one = by_id(7, &["city"]);
    let rows = json!({ "action": "read", "model": "res.partner", "domain": [["id", "<", 9]], "fields": ["city"], "order": "id" });
    let orders = json!({ "action": "count", "model": "sale.order" });
    for body in [&one, &rows, &orders] {
        assert_eq!(asked_again(&stage.admin, body).await, "hit");
    }
    let update = json!({ "action": "update", "model": "res.partner", "record_id": 7, "data": { "city": "Ifrane" } });
    result(&stage.admin, update).await;
    assert_eq!(ask(&stage.admin, &one).await, (json!({ "id": 7, "city": "Ifrane" }), "miss".to_owned()));
    assert_eq!(ask(&stage.admin, &rows).await.1, "miss");
    assert_eq!(ask(&stage.admin, &orders).await.1, "hit");
    // A method may change whatever it likes.
    let order = stage.erp.db().ids("sale.order")[0];
    let call = json!({ "action": "call", "model": "sale.order", "record_id": order, "method": "action_confirm" });
    crud(&stage.admin, call).await;
    for body in [&one, &rows, &orders] {
        assert_eq!(ask(&stage.admin, body).await.1, "miss");
    }
    let delete = json!({ "action": "create", "model": "res.partner", "data": { "name": "One more" } });
    let made = result(&stage.admin, delete).await["id"].as_i64().unwrap();
    let count = json!({ "action": "count", "model": "res.partner" });
    let before = ask(&stage.admin, &count).await.0.as_i64().unwrap();
    result(&stage.admin, json!({ "action": "delete", "model": "res.partner", "record_id": made })).await;
    assert_eq!(ask(&stage.admin, &count).await.0, before - 1);
    stage.end().await;
}

async fn answers_belong_to_who_asked(setup: Setup) {
    let stage = seen(setup, ADDON).await;
    let user = stage.app.user("amina", None).await;
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].as_i64().unwrap();
    let body = by_id(7, &["city"]);
    assert_eq!(asked_again(&stage.admin, &body).await, "hit");
    // The same credential, and what an admin has opened of it.
    assert_eq!(ask(&user, &body).await.1, "hit");
    stage.allow(json!({ "sale.order": { "operations": ["read"] } })).await;
    crud(&user, body.clone()).await.expect_problem(403, "FORBIDDEN");
    // One's own credential has its own answers, and a new one has new ones.
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    for _ in 0..2 {
        user.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
        assert_eq!(ask(&user, &body).await.1, "miss");
        assert_eq!(ask(&user, &body).await.1, "hit");
    }
    let stock = json!({ "system_id": "demo", "username": "stock", "password": "stock" });
    let orders = json!({ "action": "count", "model": "sale.order" });
    assert_eq!(asked_again(&user, &orders).await, "hit");
    user.post(&format!("/api/v1/users/{id}/links"), &stock).await.expect(201);
    assert_eq!(ask(&user, &orders).await.1, "miss");
    user.delete(&format!("/api/v1/users/{id}/links/demo")).await.expect(200);
    assert_eq!(ask(&user, &orders).await.1, "miss", "as the admin, who has not asked");
    assert_eq!(ask(&stage.admin, &orders).await.1, "hit");
    stage.end().await;
}

async fn new_settings_begin_with_nothing(setup: Setup) {
    let stage = seen(setup, ADDON).await;
    let (tenant, _) = place(&stage.admin).await;
    let other = demo_erp().await;
    write(&other, "res.partner", 7, json!({ "city": "Oujda" }));
    write(&stage.erp, "res.partner", 7, json!({ "city": "Ifrane" }));
    caught_up(&stage.app, &stage.erp, tenant).await;
    let body = by_id(7, &["city"]);
    assert_eq!(asked_again(&stage.admin, &body).await, "hit");
    // As when the company moves its ERP, and back again.
    for (erp, city) in [(&other, "Oujda"), (&stage.erp, "Ifrane")] {
        let described = erp.faults().calls("res.partner", "fields_get");
        let moved = json!({ "connection_config": erp.connection() });
        stage.admin.put("/api/v1/systems/demo", &moved).await.expect(200);
        assert_eq!(ask(&stage.admin, &body).await, (json!({ "id": 7, "city": city }), "miss".to_owned()));
        // Its fields need not be those of the one before.
        assert!(erp.faults().calls("res.partner", "fields_get") > described);
        // Its events begin anew, which ends what is kept once more.
        eventually("it is kept", PATIENCE, async || (ask(&stage.admin, &body).await.1 == "hit").then_some(())).await;
    }
    other.stop().await;
    stage.end().await;
}

async fn it_is_shown_cleared_and_gone_around(setup: Setup) {
    // Captured, and nobody reads the outbox: what was kept stays.
    let stage = seen(setup, &[("res.partner", Strategy::Capture), ("sale.order", Strategy::Capture)]).await;
    let (body, orders) = (by_id(7, &["city"]), json!({ "action": "count", "model": "sale.order" }));
    for body in [&body, &orders] {
        assert_eq!(asked_again(&stage.admin, body).await, "hit");
    }
    let shown = stage.admin.get("/api/v1/cache").await.expect(200);
    assert_eq!((&shown["entries"], &shown["hits"], &shown["misses"]), (&json!(2), &json!(2), &json!(2)), "{shown}");
    assert_eq!(shown["hit_rate"], 0.5);
    let models: Vec<_> = shown["items"].as_array().unwrap().iter().map(|item| item["model"].clone()).collect();
    assert_eq!(models, [json!("res.partner"), json!("sale.order")]);
    assert_eq!(shown["items"][0]["system_id"], "demo");
    let stranger = stage.app.other_tenant("elsewhere").await.get("/api/v1/cache").await.expect(200);
    assert_eq!((&stranger["entries"], &stranger["hits"]), (&json!(0), &json!(0)));

    write(&stage.erp, "res.partner", 7, json!({ "city": "Ifrane" }));
    let around = |wish: &'static str| {
        let request = stage.admin.request(Method::POST, "/api/v1/systems/demo/crud");
        stage.admin.send(request.header(CACHE_CONTROL, wish).json(&body))
    };
    let unkept = around("no-store").await;
    assert_eq!(
        (&unkept.headers["x-cache"], &unkept.body["result"]["city"]),
        (&"bypass".parse().unwrap(), &json!("Ifrane"))
    );
    assert_eq!(ask(&stage.admin, &body).await.1, "hit", "what was kept before");
    let asked = around("max-age=0, no-cache").await;
    assert_eq!(
        (&asked.headers["x-cache"], &asked.body["result"]["city"]),
        (&"miss".parse().unwrap(), &json!("Ifrane"))
    );
    assert_eq!(ask(&stage.admin, &body).await, (json!({ "id": 7, "city": "Ifrane" }), "hit".to_owned()));

    let clear = async |query: &str| {
        stage.admin.delete(&format!("/api/v1/cache{query}")).await.expect(200)["cleared"].as_u64().unwrap()
    };
    assert_eq!(clear("?system_id=demo&model=res.partner").await, 1);
    assert_eq!(ask(&stage.admin, &body).await.1, "miss");
    assert_eq!(ask(&stage.admin, &orders).await.1, "hit");
    assert_eq!(clear("").await, 2);
    assert_eq!(ask(&stage.admin, &orders).await.1, "miss");
    stage.admin.delete("/api/v1/cache?system_id=nowhere").await.expect_problem(404, "SYSTEM_NOT_FOUND");
    let user = stage.app.user("amina", None).await;
    user.get("/api/v1/cache").await.expect_problem(403, "FORBIDDEN");
    user.delete("/api/v1/cache").await.expect_problem(403, "FORBIDDEN");
    stage.end().await;
}
