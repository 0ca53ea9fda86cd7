//! What is kept of what was read.

mod kept;
mod race;
mod shared;
mod together;

use crate::ingest::pusher::tenant_of;
use crate::records::{Stage, crud};
use crate::support::{App, Client, Setup, eventually};
use bridge_erp::fake::DemoErp;
use bridge_model::entropy::OsEntropy;
use bridge_model::{Entropy as _, ModelClass, ModelName, Strategy, SystemKey, TenantId};
use bridge_store::{FoundModel, Ownership};
use serde_json::{Value, json};
use std::time::Duration;

/// The variable that names the Redis that all tests share.
const REDIS_VARIABLE: &str = "BRIDGECORE_TEST_REDIS_URL";

const PATIENCE: Duration = Duration::from_mins(2);

/// The service with a demo ERP, the changes of whose models are seen by these strategies.
async fn seen(setup: Setup, models: &[(&str, Strategy)]) -> Stage {
    let stage = Stage::open(setup.config(|config| config.detection.owners_fresh_ms = 0)).await;
    let (tenant, system) = place(&stage.admin).await;
    let names: Vec<&str> = models.iter().map(|(name, _)| *name).collect();
    found(&stage.app, tenant, system, &names).await;
    for (name, strategy) in models {
        own(&stage.app, tenant, system, name, None, Some(*strategy)).await;
    }
    caught_up(&stage.app, &stage.erp, tenant).await;
    stage
}

/// The same service on several nodes, which share what they read.
fn sharing(setup: Setup) -> Setup {
    let prefix = format!("it:{}:", OsEntropy::new().unwrap().hex(8));
    setup.config(|config| {
        config.cache.redis_url = redis_url();
        config.cache.redis_prefix = prefix;
    })
}

pub(crate) fn redis_url() -> String {
    std::env::var(REDIS_VARIABLE)
        .unwrap_or_else(|_| panic!("{REDIS_VARIABLE} is not set; `cargo xtask test` starts a server and sets it"))
}

async fn place(admin: &Client) -> (TenantId, SystemKey) {
    let system = admin.get("/api/v1/systems/demo").await.expect(200);
    (tenant_of(admin).await, SystemKey(system["id"].as_i64().unwrap()))
}

/// Discovers these models and no others.
async fn found(app: &App, tenant: TenantId, system: SystemKey, names: &[&str]) {
    let found = names.iter().map(|name| FoundModel {
        model: ModelName::parse(*name).unwrap(),
        label: None,
        table_name: None,
        modules: None,
        class: ModelClass::Standard,
        has_write_date: true,
        available: Strategy::ALL.to_vec(),
        recommended: None,
    });
    let found: Vec<_> = found.collect();
    app.context().store.save_found_models(tenant, system, &found, None).await.unwrap();
}

/// Gives a model another owner.
async fn own(app: &App, tenant: TenantId, system: SystemKey, name: &str, from: Option<Strategy>, to: Option<Strategy>) {
    let steps = [(ModelName::parse(name).unwrap(), Ownership::Cut { from, to })];
    assert!(app.context().store.move_ownership(tenant, system, &steps, None).await.unwrap(), "{steps:?}");
}

/// Waits until everything that happened in the ERP is in the log.
async fn caught_up(app: &App, erp: &DemoErp, tenant: TenantId) {
    eventually("all events are in the log", PATIENCE, async || {
        let head = app.context().store.head(tenant).await.unwrap();
        usize::try_from(head.get()).is_ok_and(|head| head >= erp.db().events_count()).then_some(())
    })
    .await;
}

/// Writes in the ERP itself.
fn write(erp: &DemoErp, model: &str, id: i64, values: Value) {
    let mut tx = erp.db().begin(2);
    tx.write(model, &[id], values).unwrap();
    tx.commit();
}

/// Asks, and answers the result with what the cache had to do with it.
async fn ask(client: &Client, body: &Value) -> (Value, String) {
    let answer = crud(client, body.clone()).await;
    let cache = answer.headers.get("x-cache").map_or("none", |word| word.to_str().unwrap()).to_owned();
    (answer.expect(200)["result"].clone(), cache)
}

/// Asks twice: the second time tells whether the answer was kept.
async fn asked_again(client: &Client, body: &Value) -> String {
    let (first, _) = ask(client, body).await;
    let (second, cache) = ask(client, body).await;
    assert_eq!(first, second, "{body}");
    cache
}

fn by_id(id: i64, fields: &[&str]) -> Value {
    json!({ "action": "read", "model": "res.partner", "record_id": id, "fields": fields })
}
