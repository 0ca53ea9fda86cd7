//! The same Odoo as several systems, each watched in another way, so that one run of it is enough for all.

use super::server::Odoo;
use crate::ingest::pusher::tenant_of;
use crate::support::{App, Setup, eventually};
use bridge_model::SystemKey;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(3);

/// Settings with which everything is seen soon.
pub(super) fn watching(setup: Setup) -> Setup {
    setup.config(|config| {
        config.ingest.capture_check_ms = 200;
        config.wal.look_interval_ms = 200;
        let detection = &mut config.detection;
        detection.enabled = true;
        detection.watch_interval_ms = 50;
        detection.owners_fresh_ms = 0;
        let poll = &mut detection.poll;
        poll.share_percent = 100.0;
        for interval in [
            &mut poll.critical_interval_ms,
            &mut poll.critical_idle_ms,
            &mut poll.important_interval_ms,
            &mut poll.important_idle_ms,
            &mut poll.standard_interval_ms,
            &mut poll.standard_idle_ms,
        ] {
            *interval = 2_000;
        }
    })
}

/// Registers an Odoo and waits until its models are seen by this strategy: all of them, or only those named.
pub(super) async fn register(
    app: &App,
    odoo: &Odoo,
    (system, strategy): (&str, &str),
    postgres_url: Option<String>,
    only: &[&str],
) {
    let admin = app.admin().await;
    let tenant = tenant_of(&admin).await;
    let mut connection = serde_json::to_value(odoo.connection()).unwrap();
    connection["postgres_url"] = json!(postgres_url);
    let body = json!({
        "system_id": system, "system_type": "odoo", "name": system, "connection_config": connection,
    });
    let registered = admin.post("/api/v1/systems", &body).await.expect(201);
    let key = SystemKey(registered["id"].as_i64().unwrap());
    let path = format!("/api/v1/systems/{system}/detection");
    eventually(&format!("the models of {system} are known"), PATIENCE, async || {
        let seen = admin.get(&path).await.expect(200);
        seen["discovered_at"].is_string().then_some(())
    })
    .await;
    if !only.is_empty() {
        let models: BTreeMap<&str, &str> = only.iter().map(|model| (*model, strategy)).collect();
        admin.put(&path, &json!({ "default": "none", "models": models })).await.expect(200);
    }
    eventually(&format!("{system} is watched"), PATIENCE, async || {
        let seen = admin.get(&path).await.expect(200);
        let status = admin.get(&format!("/api/v1/systems/{system}/status")).await.expect(200);
        let strategies = seen["strategies"].as_array().unwrap();
        let of = |name: &str| strategies.iter().find(|item| item["strategy"] == name).unwrap();
        let (best, polled) = (of(strategy), of("poll"));
        let owned = best["owned"].as_u64().unwrap();
        let has_all = match only {
            [] => owned > 100 && (strategy == "poll" || best["owned"] == best["available"]),
            only => owned == u64::try_from(only.len()).unwrap(),
        };
        // Polling tells only of what happens after a first look at a model.
        let adopted = app.context().store.polled_models(tenant, key).await.unwrap().len();
        let refused = status["poll"]["refused"].as_array().unwrap().len();
        let is_polled = status["poll"]["models"] == polled["owned"]
            && polled["owned"].as_u64().unwrap() <= u64::try_from(adopted + refused).unwrap();
        (has_all && seen["moving"] == 0 && best["succeeded_at"].is_string() && is_polled).then(|| {
            println!("{system}: {owned} models by {strategy}, {} by polling", polled["owned"]);
        })
    })
    .await;
}
