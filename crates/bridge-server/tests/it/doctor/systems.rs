//! Systems over their API, broken one by one.

use super::run::{Diagnosis, Doctor};
use crate::ingest::pusher::{Pusher, tenant_of};
use crate::support::{
    App, Client, Setup, demo_erp, demo_erp_at, on_both_databases, register_demo_system, registration,
};
use axum::routing::post;
use axum::{Json, Router};
use bridge_erp::fake::{Addon, DemoErp, Fault, Options};
use bridge_model::clock::SystemClock;
use bridge_model::{Clock, ModelClass, ModelName, Strategy, Timestamp};
use bridge_store::{Choice, FoundModel, Ownership, System};
use serde_json::{Value, json};
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

on_both_databases!(one_dead_system_hides_nothing_of_the_others);

/// The machine's clock, an hour ahead.
#[derive(Debug)]
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_hours(1))
    }
}

/// A registration with another connection.
fn connected(erp: &DemoErp, system_id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = registration(erp, system_id);
    change(&mut body["connection_config"]);
    body
}

async fn register(admin: &Client, body: &Value) {
    admin.post("/api/v1/systems", body).await.expect(201);
}

async fn look(app: &App, setup: &Setup) -> Diagnosis {
    Doctor::of(setup, app.address()).hiding("wrong-password").examine(&[]).await
}

async fn one_dead_system_hides_nothing_of_the_others(setup: Setup) {
    let (alive, dead) = (demo_erp().await, demo_erp().await);
    let app = setup.start().await;
    let admin = app.admin().await;
    register_demo_system(&admin, &dead, "dead").await;
    register_demo_system(&admin, &alive, "alive").await;
    dead.stop().await;
    let found = look(&app, &setup).await;
    assert_eq!(found.codes(Some("dead"), "reach"), ["ERP_UNREACHABLE"], "{:#}", found.report);
    assert!(found.advice("ERP_UNREACHABLE").contains(&dead.url()), "{}", found.advice("ERP_UNREACHABLE"));
    for check in ["clock", "credential", "rights", "add_on"] {
        assert_eq!(found.codes(Some("dead"), check), ["NOT_CHECKED"], "what could not be looked at is not good");
        assert_eq!(found.codes(Some("alive"), check), ["OK"], "{:#}", found.report);
    }
    assert_eq!(found.code, 2);
    let one = Doctor::of(&setup, app.address()).examine(&["--system", "alive"]).await;
    assert!(one.findings().all(|finding| finding["system_id"] != "dead"), "{:#}", one.report);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_rights_and_clocks_are_told_apart() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = demo_erp().await;
    let late = demo_erp_at(Arc::new(Ahead)).await;
    register(&admin, &connected(&erp, "refused", |to| to["password"] = "wrong-password".into())).await;
    register(&admin, &connected(&erp, "nowhere", |to| to["database"] = "other".into())).await;
    let sales = json!({ "url": erp.url(), "database": "demo", "username": "sales", "password": "sales" });
    register(&admin, &connected(&erp, "sales", |to| *to = sales)).await;
    register(&admin, &registration(&late, "late")).await;
    let found = look(&app, &setup).await;
    let code = |system, check| found.codes(Some(system), check);

    assert_eq!(code("refused", "credential"), ["CREDENTIAL_REFUSED"], "{:#}", found.report);
    assert!(found.advice("CREDENTIAL_REFUSED").contains("PUT /api/v1/systems/refused"));
    assert_eq!((code("refused", "rights"), code("refused", "add_on")), (vec!["NOT_CHECKED"], vec!["NOT_CHECKED"]));
    assert_eq!(code("refused", "reach"), ["OK"]);
    assert_eq!(code("nowhere", "credential"), ["ERP_DATABASE_UNKNOWN"], "{:#}", found.report);
    assert_eq!(code("sales", "credential"), ["OK"]);
    assert_eq!(code("sales", "rights"), ["RIGHTS_MISSING"], "{:#}", found.report);
    assert_eq!((code("late", "clock"), code("sales", "clock")), (vec!["CLOCK_SKEW"], vec!["OK"]));
    let skew = &found.finding("CLOCK_SKEW")["facts"]["skew_seconds"];
    assert!(skew.as_f64().is_some_and(|skew| (3_590.0..3_610.0).contains(&skew)), "{skew}");
    assert!(found.seen("CLOCK_SKEW").contains("ahead of this machine's"), "{}", found.seen("CLOCK_SKEW"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_that_ends_is_told_of_while_there_is_time() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = demo_erp().await;
    let soon = erp.add_key(2, "soon", SystemClock.now().plus(Duration::from_hours(5 * 24 + 1)));
    let with_key = |key: &str| json!({ "url": erp.url(), "database": "demo", "username": "admin", "api_key": key });
    register(&admin, &connected(&erp, "soon", |to| *to = with_key(&soon))).await;
    let found = Doctor::of(&setup, app.address()).hiding(&soon).examine(&[]).await;
    assert_eq!(found.codes(Some("soon"), "credential"), ["CREDENTIAL_ENDS"], "{:#}", found.report);
    assert!(found.seen("CREDENTIAL_ENDS").contains("ends in 5 d"), "{}", found.seen("CREDENTIAL_ENDS"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn add_ons_that_are_missing_public_or_silent_are_told_apart() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let admin = app.admin().await;
    let without = DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap();
    let public = DemoErp::start(Options { addon: Addon::AutoWebhook, ..Options::default() }).await.unwrap();
    register(&admin, &registration(&without, "without")).await;
    register(&admin, &registration(&public, "public")).await;
    let found = look(&app, &setup).await;
    assert_eq!(found.codes(Some("without"), "add_on"), ["ADDON_MISSING"], "detection is off: {:#}", found.report);
    let seen = found.of(Some("public"), "add_on")[0]["seen"].as_str().unwrap();
    assert!(seen.starts_with("auto_webhook"), "{seen}");
    let with_detection = Doctor::of(&setup, app.address()).with("BRIDGECORE_DETECTION__ENABLED", "true");
    let found = with_detection.examine(&[]).await;
    assert_eq!(found.codes(Some("without"), "add_on"), ["OK"], "others see the changes then");
    assert_eq!(found.codes(Some("without"), "models"), ["MODELS_NOT_DISCOVERED"], "{:#}", found.report);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_hangs_takes_no_longer_than_it_may() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let admin = app.admin().await;
    let (hanging, alive) = (demo_erp().await, demo_erp().await);
    register_demo_system(&admin, &hanging, "hanging").await;
    register_demo_system(&admin, &alive, "alive").await;
    let address = app.address();
    app.stop().await;
    hanging.faults().fail_next(u32::MAX, Fault::Hang);
    let doctor = Doctor::of(&setup, address);
    let found = doctor.examine(&["--timeout-s", "1"]).await;
    let reach = found.of(Some("hanging"), "reach")[0];
    assert_eq!(reach["code"], "NOT_CHECKED", "{reach}");
    assert!(reach["seen"].as_str().unwrap().contains("longer than 1.0 s"), "{reach}");
    assert_eq!(found.codes(Some("alive"), "credential"), ["OK"]);
    let impatient = doctor.with("BRIDGECORE_ERP__CALL_TIMEOUT_MS", "200");
    let found = impatient.examine(&[]).await;
    assert_eq!(found.codes(Some("hanging"), "reach"), ["ERP_UNREACHABLE"], "{:#}", found.report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_no_key_opens_is_named() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let erp = demo_erp().await;
    register_demo_system(&app.admin().await, &erp, "main").await;
    let key = "[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"]";
    let other = Doctor::of(&setup, app.address()).with("BRIDGECORE_SECURITY__ENCRYPTION_KEYS", key);
    let found = other.examine(&[]).await;
    assert_eq!(found.codes(Some("main"), "connection"), ["CONNECTION_UNREADABLE"], "{:#}", found.report);
    assert_eq!(found.codes(Some("main"), "reach"), ["NOT_CHECKED"]);
    app.stop().await;
}

/// Has these models found in a system, each with what can see it and who does.
async fn found(app: &App, system: &System, models: &[(&str, &[Strategy], Option<Strategy>)]) {
    let store = &app.context().store;
    let name = |model: &str| ModelName::parse(model).unwrap();
    let found: Vec<FoundModel> = models
        .iter()
        .map(|(model, available, _)| FoundModel {
            model: name(model),
            label: None,
            table_name: None,
            modules: None,
            class: ModelClass::Critical,
            has_write_date: true,
            available: available.to_vec(),
            recommended: available.first().copied(),
        })
        .collect();
    store.save_found_models(system.tenant, system.key, &found, None).await.unwrap();
    let cuts: Vec<_> =
        models.iter().map(|(model, _, owner)| (name(model), Ownership::Cut { from: None, to: *owner })).collect();
    store.move_ownership(system.tenant, system.key, &cuts, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_that_nobody_sees_and_strategies_that_fail_are_named() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = demo_erp().await;
    register_demo_system(&admin, &erp, "main").await;
    let store = &app.context().store;
    let system = store.systems(tenant_of(&admin).await).await.unwrap().remove(0);
    let (addon, poll, capture) = (Strategy::Addon, Strategy::Poll, Strategy::Capture);
    let models: [(&str, &[Strategy], Option<Strategy>); 4] = [
        ("res.partner", &[poll], None),
        ("sale.order", &[poll], Some(poll)),
        ("res.users", &[capture, poll], Some(capture)),
        ("res.company", &[], None),
    ];
    found(&app, &system, &models).await;
    let chosen = [(ModelName::parse("sale.order").unwrap(), Choice::Strategy(addon))];
    store.choose_strategies(system.tenant, system.key, &chosen, None).await.unwrap();
    store.note_failure(system.tenant, system.key, capture, "the outbox is on fire").await.unwrap();
    let doctor = Doctor::of(&setup, app.address()).with("BRIDGECORE_DETECTION__ENABLED", "true");
    let told = doctor.examine(&[]).await;
    assert_eq!(told.codes(Some("main"), "models"), ["MODELS_UNOWNED", "MODELS_NOT_AS_CHOSEN"], "{:#}", told.report);
    assert_eq!(told.seen("MODELS_UNOWNED"), "1 model is seen by nobody: res.partner");
    assert_eq!(told.seen("MODELS_NOT_AS_CHOSEN"), "1 model is not seen as chosen: sale.order");
    assert_eq!(told.codes(Some("main"), "sources"), ["SOURCE_FAILING", "SOURCE_SILENT"], "{:#}", told.report);
    assert!(told.seen("SOURCE_FAILING").ends_with("the outbox is on fire"), "{}", told.seen("SOURCE_FAILING"));
    assert_eq!(told.seen("SOURCE_SILENT"), "poll: has never looked with success");
    // Long ago is as bad as never, and what was long ago is by what the config says.
    store.note_success(system.tenant, system.key, poll).await.unwrap();
    let told = doctor.examine(&[]).await;
    assert_eq!(told.codes(Some("main"), "sources"), ["SOURCE_FAILING", "OK"], "{:#}", told.report);
    let hasty = doctor
        .with("BRIDGECORE_DETECTION__DISCOVER_INTERVAL_MS", "1")
        .with("BRIDGECORE_DETECTION__FAILOVER_MS", "1")
        .with("BRIDGECORE_DETECTION__POLL__STANDARD_IDLE_MS", "1");
    let told = hasty.examine(&[]).await;
    assert!(told.seen("MODELS_NOT_DISCOVERED").contains("last looked up"), "{:#}", told.report);
    assert_eq!(told.codes(Some("main"), "sources"), ["SOURCE_FAILING", "SOURCE_SILENT"], "{:#}", told.report);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_and_event_tables_that_may_not_be_read_are_named() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = demo_erp().await;
    register_demo_system(&admin, &erp, "main").await;
    let system = app.context().store.systems(tenant_of(&admin).await).await.unwrap().remove(0);
    let poll = [Strategy::Poll];
    let models: [(&str, &[Strategy], _); 2] =
        [("res.country", &poll, Some(Strategy::Poll)), ("res.currency", &poll, Some(Strategy::Poll))];
    found(&app, &system, &models).await;
    let told = look(&app, &setup).await;
    assert_eq!(told.codes(Some("main"), "rights"), ["OK"], "{:#}", told.report);

    // Nobody may read countries any more.
    let mut closed = erp.db().begin(2);
    let domain = json!([["model_id.model", "=", "res.country"]]);
    let rights = closed.call("ir.model.access", "search", vec![domain]).unwrap();
    let rights: Vec<i64> = rights.as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
    closed.write("ir.model.access", &rights, json!({ "perm_read": false })).unwrap();
    closed.commit();
    app.stop().await;
    let doctor = Doctor::of(&setup, ([127, 0, 0, 1], 9).into());
    let told = doctor.examine(&[]).await;
    assert_eq!(told.codes(Some("main"), "rights"), ["MODELS_UNREADABLE"], "{:#}", told.report);
    assert_eq!(told.seen("MODELS_UNREADABLE"), "admin may not read 1 of 2 polled models: res.country");
    assert_eq!(told.finding("MODELS_UNREADABLE")["facts"]["models"], json!(["res.country"]));
    assert_eq!(told.codes(Some("main"), "add_on"), ["OK"]);

    erp.faults().fail_method("update.webhook", "bridgecore_info", u32::MAX, Fault::Status(403));
    let told = doctor.examine(&[]).await;
    assert_eq!(told.codes(Some("main"), "add_on"), ["ADDON_REFUSED"], "{:#}", told.report);
    assert!(told.advice("ADDON_REFUSED").contains("give the user admin the group"), "{:#}", told.report);
}

/// Nothing of it but its version is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_of_odoo_that_is_too_old_is_told_of() {
    let info = Json(json!({ "jsonrpc": "2.0", "id": null, "result": { "server_version": "12.0" } }));
    let routes = Router::new().route("/web/webclient/version_info", post(info));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(axum::serve(listener, routes).into_future());
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let erp = demo_erp().await;
    register(&app.admin().await, &connected(&erp, "old", |to| to["url"] = url.into())).await;
    let told = look(&app, &setup).await;
    assert_eq!(told.codes(Some("old"), "reach"), ["ERP_VERSION"], "{:#}", told.report);
    assert!(told.seen("ERP_VERSION").starts_with("Odoo 12.0 at http://127.0.0.1:"), "{}", told.seen("ERP_VERSION"));
    served.abort();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_wait_or_were_put_aside_are_counted() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    let admin = app.admin().await;
    let erp = demo_erp().await;
    register_demo_system(&admin, &erp, "main").await;
    let shop = Pusher::register(&app, &admin, "shop").await;
    shop.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    let address = app.address();
    app.stop().await;
    while erp.db().last_event_id() < 2_000 {
        erp.happen();
    }
    let told = Doctor::of(&setup, address).examine(&[]).await;
    assert_eq!(told.seen("DEAD_LETTERS"), "1 event was put aside", "{:#}", told.report);
    let waiting = told.finding("ADDON_BACKLOG")["facts"]["events"].as_i64().unwrap();
    assert!((1_000..=2_100).contains(&waiting), "{waiting}");
}
