//! The exchange of encryption keys with `bridgecore encryption`.

use crate::records::{Stage, crud, result};
use crate::support::{Client, Setup, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Output;
use tokio::process::Command;

on_both_databases!(a_key_is_exchanged_and_everything_still_reads);

/// Keys for tests only.
const NEW_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const OTHER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Runs `bridgecore encryption …` on the setup's database; answers whether it ended well, and what it said.
async fn encryption(setup: &Setup, command: &str) -> (bool, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_bridgecore"));
    process.args(["encryption", command]).env_remove("RUST_LOG").envs(setup.environment()).kill_on_drop(true);
    let Output { status, stdout, stderr } = process.output().await.unwrap();
    let said = format!("{}{}", String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(!said.contains(NEW_KEY) && !said.contains(OTHER_KEY), "{said}");
    (status.success(), said)
}

fn with_keys(setup: Setup, keys: &[&str]) -> Setup {
    setup.config(|config| config.security.encryption_keys = keys.iter().map(|key| (*key).to_owned()).collect())
}

async fn keyed(client: &Client, body: &Value) -> Value {
    let request = client.request(Method::POST, "/api/v1/systems/demo/crud").header("Idempotency-Key", "order-0001");
    client.send(request.json(body)).await.expect(200)
}

async fn a_key_is_exchanged_and_everything_still_reads(setup: Setup) {
    let mut old = String::new();
    let setup = setup.config(|config| old.clone_from(&config.security.encryption_keys[0]));
    let stage = Stage::open(setup).await;
    let create = json!({ "action": "create", "model": "res.partner", "data": { "name": "Kept" } });
    let made = keyed(&stage.admin, &create).await;
    let audit = stage.admin.get("/api/v1/audit").await.expect(200);
    let on_sqlite = stage.app.context().store.kind() == "sqlite";
    if on_sqlite {
        let (worked, said) = encryption(stage.app.setup(), "renew").await;
        assert!(!worked && said.contains("must be stopped"), "{said}");
    }
    // It may be looked at while the service runs.
    let (worked, said) = encryption(stage.app.setup(), "status").await;
    assert!(worked && said.contains("0\t1\t0\t0\tsystems.connection\n"), "{said}");
    let setup = with_keys(stage.app.stop().await, &[NEW_KEY, &old]);

    let (worked, said) = encryption(&setup, "status").await;
    assert!(
        !worked && said.contains("0\t0\t1\t0\tsystems.connection\n") && said.contains("encryption renew"),
        "{said}"
    );
    let (worked, said) = encryption(&setup, "renew").await;
    assert!(worked && said.contains("1\t1\t0\t0\tsystems.connection\n"), "{said}");
    assert!(said.contains("1\t1\t0\t0\tkeyed_writes.answer\n") && said.contains("decrypts everything"), "{said}");
    let (worked, said) = encryption(&setup, "renew").await;
    assert!(worked && said.contains("0\t1\t0\t0\tsystems.connection\n"), "{said}");

    let setup = with_keys(setup, &[NEW_KEY]);
    let app = setup.start().await;
    let admin = app.admin().await;
    let mut kept = admin.get("/api/v1/audit").await.expect(200);
    let items = kept["items"].as_array_mut().unwrap();
    // The log-ins of meanwhile are in it as well.
    items.drain(..items.len() - audit["items"].as_array().unwrap().len());
    assert_eq!(kept["items"], audit["items"]);
    assert_eq!(keyed(&admin, &create).await, made, "the answer is kept");
    let found = json!({ "action": "search", "model": "res.partner", "domain": [["name", "=", "Kept"]] });
    assert_eq!(result(&admin, found).await, json!([made["result"]["id"]]), "the system is reached");
    crud(&admin, create).await.expect(200);
    let setup = app.stop().await;

    let (worked, said) = encryption(&with_keys(setup, &[OTHER_KEY, &old]), "renew").await;
    assert!(
        !worked && said.contains("0\t0\t0\t1\tsystems.connection\n") && said.contains("put the keys back"),
        "{said}"
    );
    stage.erp.stop().await;
}
