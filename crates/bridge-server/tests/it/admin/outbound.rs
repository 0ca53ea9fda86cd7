//! Which addresses a system may have: what is refused when it is saved, and what when it is connected to.

use crate::doctor::run::Doctor;
use crate::ingest::pusher::log_of;
use crate::support::{Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_model::AddressBlock;
use bridge_server::config::Outbound;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    addresses_that_are_not_public_are_refused,
    what_the_config_opens_is_taken,
    a_system_whose_address_is_no_longer_allowed_is_not_called_and_loses_nothing,
);

const PATIENCE: Duration = Duration::from_mins(2);

const SYSTEMS: &str = "/api/v1/systems";

fn rules(setup: Setup, allow_private: bool, allowed: &[&str]) -> Setup {
    let allowed = allowed.iter().map(|block| AddressBlock::parse(block).unwrap()).collect();
    setup.config(|config| config.outbound = Outbound { allow_private, allowed_addresses: allowed })
}

fn registration(url: &str, postgres_url: Option<&str>) -> Value {
    json!({
        "system_id": "demo", "system_type": "odoo",
        "connection_config": {
            "url": url, "database": "odoo", "username": "bridge", "password": "p", "postgres_url": postgres_url,
        },
    })
}

/// A public address: nothing is sent there, since it is only saved.
const PUBLIC: &str = "https://8.8.8.8";

async fn addresses_that_are_not_public_are_refused(setup: Setup) {
    let app = rules(setup, false, &[]).start().await;
    let admin = app.admin().await;
    admin.post(SYSTEMS, &registration(PUBLIC, None)).await.expect(201);
    let before = admin.get("/api/v1/systems/demo").await.expect(200);
    for (url, kind) in [
        ("http://10.0.0.1:8069", "private"),
        ("http://192.168.1.1", "private"),
        ("http://100.64.0.1", "private"),
        ("http://[fd12::1]", "private"),
        ("http://127.0.0.1:8069", "loopback"),
        ("http://127.1", "loopback"),
        ("http://2130706433", "loopback"),
        ("http://0x7f.1", "loopback"),
        ("http://0177.0.0.1", "loopback"),
        ("http://[::1]", "loopback"),
        ("http://[::ffff:127.0.0.1]", "loopback"),
        ("http://[64:ff9b::10.0.0.1]", "private"),
        ("http://[2002:7f00:1::]", "loopback"),
        ("http://169.254.169.254/latest", "metadata"),
        ("http://[fd00:ec2::254]", "metadata"),
        ("http://100.100.100.200", "metadata"),
        ("http://169.254.1.1", "link_local"),
        ("http://[fe80::1]", "link_local"),
        ("http://0.0.0.0", "unspecified"),
        ("http://224.0.0.1", "multicast"),
        ("http://255.255.255.255", "reserved"),
        ("http://203.0.113.1", "documentation"),
        // Every machine knows this name.
        ("http://localhost:8069", "loopback"),
        ("http://LOCALHOST", "loopback"),
    ] {
        refused(&admin, &registration(url, None), "connection_config.url", kind).await;
    }
    for (url, kind) in [
        ("postgres://u:hush@10.0.0.1/odoo", "private"),
        ("postgres://u:hush@localhost/odoo", "loopback"),
        ("postgres://u:hush@8.8.8.8,127.0.0.1/odoo", "loopback"),
        ("postgres://u:hush@8.8.8.8/odoo?hostaddr=169.254.169.254", "metadata"),
        ("postgres://u:hush@%2Fvar%2Frun%2Fpostgresql/odoo", "loopback"),
    ] {
        refused(&admin, &registration(PUBLIC, Some(url)), "connection_config.postgres_url", kind).await;
    }
    assert_eq!(admin.get("/api/v1/systems/demo").await.expect(200), before);

    // In words, with the setting that allows it.
    for (language, word) in [("en", "private"), ("fr", "privées"), ("ar", "الخاصة")] {
        let body = registration("http://10.0.0.1", None);
        let request = admin.request(reqwest::Method::POST, SYSTEMS).header("accept-language", language).json(&body);
        let problem = admin.send(request).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        let told = problem["message"].as_str().unwrap();
        assert!(told.contains(word) && told.contains("outbound.allow_private = true"), "{told}");
        assert!(told.contains("connection_config.url") && !told.contains("10.0.0.1"), "{told}");
    }
    app.stop().await;
}

/// Refused as a new system and as a change of one, and not saved.
async fn refused(admin: &Client, body: &Value, field: &str, kind: &str) {
    let mut new = body.clone();
    new["system_id"] = json!("other");
    let change = json!({ "connection_config": body["connection_config"] });
    for answer in [admin.post(SYSTEMS, &new).await, admin.put("/api/v1/systems/demo", &change).await] {
        let problem = answer.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(problem["details"], json!({ "field": field, "address_kind": kind }), "{body}");
        let told = problem["message"].as_str().unwrap();
        assert!(told.contains("outbound.allowed_addresses") && !told.contains("hush"), "{told}");
    }
    admin.get("/api/v1/systems/other").await.expect_problem(404, "SYSTEM_NOT_FOUND");
}

async fn what_the_config_opens_is_taken(setup: Setup) {
    let mut setup = setup;
    for (allow_private, allowed, taken, refused) in [
        (
            true,
            &[][..],
            &["http://10.0.0.1", "http://[fd12::1]", "http://[::ffff:192.168.0.1]"][..],
            &["http://127.0.0.1", "http://169.254.169.254", "http://[fd00:ec2::254]", "http://100.100.100.200"][..],
        ),
        (
            false,
            &["10.20.0.0/16", "127.0.0.0/8", "::1"],
            &["http://10.20.0.1", "http://127.0.0.1", "http://localhost"],
            &["http://10.21.0.1", "http://169.254.169.254"],
        ),
        (false, &["0.0.0.0/0"], &["http://10.0.0.1"], &["http://169.254.169.254", "http://0.0.0.0"]),
        (false, &["169.254.169.254"], &["http://169.254.169.254"], &["http://169.254.169.253"]),
    ] {
        let app = rules(setup, allow_private, allowed).start().await;
        let admin = app.admin().await;
        for url in taken {
            // It is switched off again at once, before anybody connects.
            let mut body = registration(url, None);
            body["system_id"] = json!("opened");
            admin.post(SYSTEMS, &body).await.expect(201);
            admin.delete("/api/v1/systems/opened").await.expect(200);
        }
        for url in refused {
            admin.post(SYSTEMS, &registration(url, None)).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        }
        setup = app.stop().await;
    }
}

async fn a_system_whose_address_is_no_longer_allowed_is_not_called_and_loses_nothing(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "demo").await;
    let key = system["push_key"].as_str().unwrap().to_owned();
    erp.happen();
    eventually("what has happened is read", PATIENCE, async || (!log_of(&app, &admin).await.is_empty()).then_some(()))
        .await;
    let allowed = app.stop().await;

    // As after an upgrade, or after the operator has taken a permission back.
    let app = rules(allowed.clone(), false, &[]).start().await;
    let admin = app.admin().await;
    let before = log_of(&app, &admin).await;
    let calls = erp.faults().calls_total();
    let test = admin.post("/api/v1/systems/demo/test", &json!({})).await.expect(200);
    assert_eq!((&test["success"], &test["reachable"]), (&json!(false), &json!(false)), "{test}");
    assert_refused(&test["error"]);
    for _ in 0..7 {
        let status = admin.get("/api/v1/systems/demo/status").await.expect(200);
        assert_refused(&status["error"]);
        assert_eq!(status["reachable"], false);
        // Who was never asked has not failed; the reason stays in sight.
        assert_eq!(status["circuit_breaker"]["state"], "closed", "{status}");
    }
    let crud = json!({ "action": "read", "model": "res.partner", "limit": 1 });
    assert_refused(&admin.post("/api/v1/systems/demo/crud", &crud).await.expect_problem(502, "ADDRESS_REFUSED"));
    eventually("the reader tells why it does not read", PATIENCE, async || {
        let status = admin.get("/api/v1/systems/demo/status").await.expect(200);
        let told = status["reader"]["last_error"].as_str()?;
        told.contains("outbound.allowed_addresses").then_some(())
    })
    .await;
    // What the ERP sends is taken all the same.
    let pushed = json!({
        "model": "res.partner", "record_id": 7, "event": "write", "timestamp": "2026-03-02T09:00:00Z",
        "_webhook_metadata": { "event_id": "from-elsewhere-1" },
    });
    app.anonymous().with_token(&key).post("/api/v1/webhooks/receive", &pushed).await.expect(200);
    assert_eq!(log_of(&app, &admin).await.len(), before.len() + 1);
    erp.happen();
    assert_eq!(erp.faults().calls_total(), calls, "the ERP was called");
    app.stop().await;

    // Allowed again: reading goes on where it stopped.
    let app = allowed.start().await;
    let admin = app.admin().await;
    eventually("what happened meanwhile is read", PATIENCE, async || {
        (log_of(&app, &admin).await.len() >= before.len() + 2).then_some(())
    })
    .await;
    app.stop().await;
    erp.stop().await;
}

fn assert_refused(problem: &Value) {
    assert_eq!(problem["code"], "ADDRESS_REFUSED", "{problem}");
    assert_eq!(problem["error"], "OdooConnectionException", "{problem}");
    assert_eq!(problem["details"]["address_kind"], "loopback", "{problem}");
    let told = problem["message"].as_str().unwrap();
    assert!(told.contains("outbound.allowed_addresses") && !told.contains("127.0.0.1"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_the_setting() {
    let (app, erp) = (Setup::sqlite().start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let (address, setup) = (app.address(), app.stop().await);
    let calls = erp.faults().calls_total();
    let doctor = Doctor::of(&setup, address).with("BRIDGECORE_OUTBOUND__ALLOWED_ADDRESSES", "[]");
    let found = doctor.examine(&[]).await;
    assert_eq!(found.codes(Some("demo"), "reach"), ["ADDRESS_REFUSED"]);
    assert!(found.advice("ADDRESS_REFUSED").contains("outbound.allowed_addresses"));
    assert!(found.seen("ADDRESS_REFUSED").contains("this machine"));
    assert_eq!(erp.faults().calls_total(), calls, "the ERP was called");
    erp.stop().await;
}
