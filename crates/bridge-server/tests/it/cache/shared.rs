//! What nodes share through Redis, and that none is given what it would not have given out of its own memory.

use super::{ask, asked_again, by_id, caught_up, place, seen, sharing, write};
use crate::doctor::run::Doctor;
use crate::records::{Stage, result};
use crate::support::{App, Client, Setup, eventually};
use crate::torture::proxy::{Net, Proxy};
use bridge_model::Strategy;
use reqwest::Method;
use reqwest::header::CACHE_CONTROL;
use serde_json::{Value, json};
use std::time::Duration;

const ADDON: &[(&str, Strategy)] = &[("res.partner", Strategy::Addon)];

/// Captured, and nobody reads the outbox: the log tells of nothing.
const CAPTURED: &[(&str, Strategy)] = &[("res.partner", Strategy::Capture)];

const PATIENCE: Duration = Duration::from_mins(2);

/// Another node on the same database.
struct Node {
    app: App,
    admin: Client,
}

impl Node {
    async fn start(setup: &Setup) -> Self {
        let app = setup.start().await;
        let admin = app.admin().await;
        Self { app, admin }
    }

    async fn shared_hits(&self) -> Value {
        self.admin.get("/api/v1/cache").await.expect(200)["shared_hits"].clone()
    }
}

async fn text(client: &Client, path: &str) -> String {
    client.get(path).await.expect(200).as_str().unwrap().to_owned()
}

async fn stage(setup: &Setup, models: &[(&str, Strategy)]) -> Stage {
    seen(setup.clone(), models).await
}

fn city(name: &str) -> Value {
    json!({ "id": 7, "city": name })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_has_read_another_gives_until_it_changes() {
    let setup = sharing(Setup::postgres().await);
    let stage = stage(&setup, ADDON).await;
    let (tenant, _) = place(&stage.admin).await;
    let body = by_id(7, &["city"]);
    let (before, used) = ask(&stage.admin, &body).await;
    assert_eq!(used, "miss");
    // It begins to follow the log after that was kept.
    let other = Node::start(stage.app.setup()).await;
    let calls = || stage.erp.faults().calls("res.partner", "search_read");
    let called = calls();
    assert_eq!(ask(&other.admin, &body).await, (before, "hit".to_owned()));
    assert_eq!((calls(), other.shared_hits().await), (called, json!(1)));
    // From now on it has it itself.
    assert_eq!(ask(&other.admin, &body).await.1, "hit");
    assert_eq!(other.shared_hits().await, json!(1));

    write(&stage.erp, "res.partner", 7, json!({ "city": "Ifrane" }));
    caught_up(&stage.app, &stage.erp, tenant).await;
    assert_eq!(ask(&other.admin, &body).await, (city("Ifrane"), "miss".to_owned()));
    // The node that read it first gets the new one from the other.
    let called = calls();
    assert_eq!(ask(&stage.admin, &body).await, (city("Ifrane"), "hit".to_owned()));
    assert_eq!(calls(), called);
    let metrics = text(&stage.app.anonymous(), "/metrics").await;
    assert!(metrics.contains("cache_shared_hits_total{operation=\"read\"} 1"), "{metrics}");
    assert!(metrics.contains("redis_up{use=\"cache\"} 1"), "{metrics}");

    // Whoever may see other things asks for themselves.
    let amina = other.app.user("amina", None).await;
    let id = amina.get("/api/v1/auth/me").await.expect(200)["id"].as_i64().unwrap();
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    amina.post(&format!("/api/v1/users/{id}/links"), &link).await.expect(201);
    assert_eq!(ask(&amina, &body).await.1, "miss");
    other.app.stop().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_sees_what_it_wrote_whatever_the_others_have_kept() {
    let setup = sharing(Setup::postgres().await);
    let stage = stage(&setup, CAPTURED).await;
    let other = Node::start(stage.app.setup()).await;
    let body = by_id(7, &["city"]);
    let old = ask(&stage.admin, &body).await.0;
    let update =
        |name: &str| json!({ "action": "update", "model": "res.partner", "record_id": 7, "data": { "city": name } });
    result(&other.admin, update("Ifrane")).await;
    // The log has not told of it, so that the first node may still give what it has; the writer may not.
    assert_eq!(ask(&stage.admin, &body).await, (old, "hit".to_owned()));
    assert_eq!(ask(&other.admin, &body).await, (city("Ifrane"), "miss".to_owned()));
    // A third node takes what is newest.
    let third = Node::start(stage.app.setup()).await;
    assert_eq!(ask(&third.admin, &body).await, (city("Ifrane"), "hit".to_owned()));
    // What the first one reads from now on was read after that write, and it tells so.
    assert_eq!(ask(&stage.admin, &by_id(9, &["city"])).await.1, "miss");
    assert_eq!(ask(&other.admin, &by_id(9, &["city"])).await.1, "hit");
    // The first one writes as well: what the others kept was read before that.
    result(&stage.admin, update("Oujda")).await;
    assert_eq!(ask(&stage.admin, &body).await, (city("Oujda"), "miss".to_owned()));
    // Clearing goes for what is shared, too.
    other.admin.delete("/api/v1/cache").await.expect(200);
    assert_eq!(ask(&other.admin, &body).await, (city("Oujda"), "miss".to_owned()));
    for node in [other, third] {
        node.app.stop().await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_under_another_log_or_is_no_entry_is_not_given() {
    let setup = sharing(Setup::postgres().await);
    let stage = stage(&setup, ADDON).await;
    let (tenant, _) = place(&stage.admin).await;
    write(&stage.erp, "res.partner", 8, json!({ "city": "Ifrane" }));
    caught_up(&stage.app, &stage.erp, tenant).await;
    let body = by_id(7, &["city"]);
    assert_eq!(asked_again(&stage.admin, &body).await, "hit");
    // As after a restored backup: at the same position something else was received.
    let (store, connection) =
        tokio_postgres::connect(&stage.app.context().config.store.url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    store.batch_execute("UPDATE changes SET received_at = received_at + 1").await.unwrap();
    let other = Node::start(stage.app.setup()).await;
    assert_eq!(ask(&other.admin, &body).await.1, "miss", "another log");
    // What it has kept itself is one of this log.
    let third = Node::start(stage.app.setup()).await;
    assert_eq!(ask(&third.admin, &body).await.1, "hit");

    let mut redis = redis::Client::open(super::redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}answer:*", stage.app.context().config.cache.redis_prefix))
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(!keys.is_empty());
    for nonsense in ["", "{}", "{}\n{}", "nonsense\n{\"id\":7}"] {
        for key in &keys {
            redis::cmd("SET").arg(key).arg(nonsense).arg("PX").arg(60_000).exec_async(&mut redis).await.unwrap();
        }
        let fresh = Node::start(stage.app.setup()).await;
        assert_eq!(ask(&fresh.admin, &body).await.1, "miss", "{nonsense:?}");
        fresh.app.stop().await;
    }
    // One that would never end tells nothing of its age.
    for key in &keys {
        redis::cmd("PERSIST").arg(key).exec_async(&mut redis).await.unwrap();
    }
    let fresh = Node::start(stage.app.setup()).await;
    assert_eq!(ask(&fresh.admin, &body).await.1, "miss", "without an end");
    for node in [other, third, fresh] {
        node.app.stop().await;
    }
    drop(store);
    connection.await.unwrap().unwrap();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_everything_goes_on_and_is_told() {
    let redis = url::Url::parse(&super::redis_url()).unwrap();
    let proxy = Proxy::start(format!("{}:{}", redis.host_str().unwrap(), redis.port().unwrap())).await;
    let address = format!("redis://{}", proxy.address);
    let setup = sharing(Setup::postgres().await).config(|config| config.cache.redis_url.clone_from(&address));
    let stage = stage(&setup, ADDON).await;
    let anonymous = stage.app.anonymous();
    let healthy = async |word: &str| {
        eventually("Redis is as it should be", PATIENCE, async || {
            let health = anonymous.get("/health/ready").await.expect(200);
            (health["status"] == "healthy" && health["redis"] == word).then_some(())
        })
        .await;
    };
    healthy("healthy").await;
    assert_eq!(asked_again(&stage.admin, &by_id(7, &["city"])).await, "hit");
    let doctor = || Doctor::of(&setup, stage.app.address()).with("BRIDGECORE_CACHE__REDIS_URL", &address);
    assert_eq!(doctor().examine(&[]).await.codes(None, "redis"), ["OK"]);
    for (net, id) in [(Net::Silent, 8), (Net::Cut, 9)] {
        proxy.set(net);
        assert_eq!(asked_again(&stage.admin, &by_id(id, &["city"])).await, "hit", "by itself");
        healthy("unreachable").await;
        let shown = stage.admin.get("/api/v1/cache").await.expect(200);
        assert_eq!(shown["redis_answers"], false, "{shown}");
        assert!(text(&anonymous, "/metrics").await.contains("redis_up{use=\"cache\"} 0"));
        let found = doctor().examine(&["--timeout-s", "2"]).await;
        assert_eq!(found.codes(None, "redis"), ["REDIS_UNREACHABLE"], "{:#}", found.report);
        proxy.set(Net::Open);
        healthy("healthy").await;
    }
    // What was kept before is shared as before.
    let other = Node::start(stage.app.setup()).await;
    assert_eq!(ask(&other.admin, &by_id(7, &["city"])).await.1, "hit");
    let around = stage.admin.request(Method::POST, "/api/v1/systems/demo/crud").header(CACHE_CONTROL, "no-cache");
    stage.admin.send(around.json(&by_id(8, &["city"]))).await.expect(200);
    assert_eq!(ask(&other.admin, &by_id(8, &["city"])).await.1, "hit", "kept anew");
    other.app.stop().await;
    stage.end().await;
}
