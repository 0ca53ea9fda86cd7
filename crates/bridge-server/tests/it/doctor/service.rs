//! The service itself: its settings, its database, and whether it runs.

use super::run::Doctor;
use crate::support::{Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tokio::net::TcpListener;

on_both_databases!(a_service_that_runs_and_one_that_does_not_are_told_apart, nothing_is_written_and_nothing_is_made,);

/// Nothing listens on this port.
fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

async fn a_service_that_runs_and_one_that_does_not_are_told_apart(setup: Setup) {
    let app = setup.start().await;
    let doctor = Doctor::of(&setup, app.address());
    let found = doctor.examine(&[]).await;
    assert_eq!(found.codes(None, "server"), ["OK"], "{:#}", found.report);
    assert_eq!(found.codes(None, "systems"), ["NO_SYSTEMS"]);
    assert!(found.advice("NO_SYSTEMS").contains("POST /api/v1/systems"));
    // The tests' PostgreSQL trades safety for speed, which is what this finding is about.
    let store = found.codes(None, "store");
    assert!(store == ["OK"] || store == ["STORE_NOT_DURABLE"], "{store:?}");
    assert_eq!((found.codes(None, "dead_letters"), found.code), (vec!["OK"], 1));

    let address = app.address();
    app.stop().await;
    let found = Doctor::of(&setup, address).examine(&[]).await;
    assert_eq!((found.codes(None, "server"), found.code), (vec!["SERVER_DOWN"], 2));
    assert!(found.seen("SERVER_DOWN").contains(&address.to_string()), "{}", found.seen("SERVER_DOWN"));
    assert!(found.advice("SERVER_DOWN").contains("bridgecore serve"));
    assert_eq!(found.codes(None, "systems"), ["NO_SYSTEMS"], "the rest is looked at all the same");
}

async fn nothing_is_written_and_nothing_is_made(setup: Setup) {
    let found = Doctor::of(&setup, nowhere()).examine(&[]).await;
    assert_eq!((found.codes(None, "store"), found.code), (vec!["STORE_MISSING"], 2), "{:#}", found.report);
    assert_eq!(found.codes(None, "systems"), ["NOT_CHECKED"]);
    let again = Doctor::of(&setup, nowhere()).examine(&[]).await;
    assert_eq!(again.codes(None, "store"), ["STORE_MISSING"], "looking makes no database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_config_is_checked_and_its_keys_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bridgecore.toml");
    let setup = Setup::sqlite();
    let write = |text: &str, mode: u32| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let doctor = Doctor::of(&setup, nowhere()).hiding("hush-hush");
    let arguments = ["--config", path.to_str().unwrap()];

    write("[server]\nbody_byte_max = 7\n", 0o600);
    let found = doctor.examine(&arguments).await;
    assert!(found.seen("CONFIG_INVALID").contains("body_byte_max"), "{}", found.seen("CONFIG_INVALID"));
    assert_eq!((found.codes(None, "store"), found.code), (vec!["NOT_CHECKED"], 2));
    write("[security]\nfirst_admin_password = 'hush-hush\n", 0o600);
    assert!(doctor.examine(&arguments).await.seen("CONFIG_INVALID").contains("line 2"));

    write("[log]\nlevel = 'info'\n", 0o644);
    let found = doctor.examine(&arguments).await;
    assert_eq!(found.codes(None, "config"), ["CONFIG_EXPOSED"]);
    assert_eq!(found.advice("CONFIG_EXPOSED"), format!("chmod o= {}", path.display()));
    write("[log]\nlevel = 'info'\n", 0o640);
    assert_eq!(doctor.examine(&arguments).await.codes(None, "config"), ["OK"]);

    setup.start().await.stop().await;
    let bad_key = Doctor::of(&setup, nowhere()).with("BRIDGECORE_SECURITY__ENCRYPTION_KEYS", "[\"hush-hush\"]");
    let found = bad_key.hiding("hush-hush").examine(&[]).await;
    assert_eq!(found.codes(None, "store"), ["KEYS_UNUSABLE"], "{:#}", found.report);
    assert!(found.seen("KEYS_UNUSABLE").contains("number 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_another_version_is_told_of_and_left_alone() {
    let setup = Setup::sqlite();
    let app = setup.start().await;
    app.stop().await;
    let doctor = Doctor::of(&setup, nowhere());
    let environment = setup.environment();
    let url = &environment.iter().find(|(name, _)| *name == "BRIDGECORE_STORE__URL").unwrap().1;
    let change = |sql: &str| {
        let file = rusqlite::Connection::open(url.strip_prefix("sqlite://").unwrap()).unwrap();
        file.execute_batch(sql).unwrap();
    };
    change("INSERT INTO schema_migrations (number, name, applied_at) VALUES (999, 'later', 0)");
    let found = doctor.examine(&[]).await;
    assert_eq!(found.codes(None, "store"), ["STORE_NEW"], "{:#}", found.report);
    assert_eq!(found.finding("STORE_NEW")["facts"]["schema_version"], 999);
    change("DELETE FROM schema_migrations WHERE number > 5");
    let found = doctor.examine(&[]).await;
    assert_eq!((found.codes(None, "store"), found.codes(None, "systems")), (vec!["STORE_OLD"], vec!["NOT_CHECKED"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_else_at_the_address_is_not_taken_for_the_service() {
    let setup = Setup::sqlite();
    setup.start().await.stop().await;
    let erp = demo_erp().await;
    let address = erp.url().strip_prefix("http://").unwrap().parse().unwrap();
    let found = Doctor::of(&setup, address).examine(&[]).await;
    assert_eq!(found.codes(None, "server"), ["SERVER_OTHER"], "{:#}", found.report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_can_not_work_or_has_made_mistakes_is_told_of() {
    let setup = Setup::postgres().await;
    let app = setup.start().await;
    app.context().metrics.panicked("job");
    app.context().metrics.panicked("request");
    let doctor = Doctor::of(&setup, app.address());
    let found = doctor.examine(&[]).await;
    assert_eq!(found.codes(None, "server"), ["OK", "SERVER_PANICS"], "{:#}", found.report);
    assert!(found.seen("SERVER_PANICS").starts_with("2 mistakes"), "{}", found.seen("SERVER_PANICS"));

    let (url, name) = store_of(&setup);
    let mut server = url.clone();
    server.set_path("postgres");
    let away = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    in_database(server.as_str(), &away).await;
    let found = doctor.examine(&[]).await;
    assert_eq!(found.codes(None, "server"), ["SERVER_NOT_READY"], "{:#}", found.report);
    assert!(found.seen("SERVER_NOT_READY").ends_with("answers with the status 503"), "{:#}", found.report);
    assert_eq!(found.codes(None, "store"), ["STORE_UNREACHABLE"]);
    in_database(server.as_str(), &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    app.stop().await;
}

/// No standby is made for this: in this database, PostgreSQL's own question is answered by a function that comes before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_on_a_server_that_follows_another_is_told_of() {
    let setup = Setup::postgres().await;
    setup.start().await.stop().await;
    let (url, name) = store_of(&setup);
    let shadow = format!(
        "CREATE SCHEMA shadow; ALTER DATABASE {name} SET search_path = shadow, pg_catalog, public;
        CREATE FUNCTION shadow.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    );
    in_database(url.as_str(), &shadow).await;
    let found = Doctor::of(&setup, nowhere()).examine(&[]).await;
    assert_eq!(found.codes(None, "store"), ["STORE_STANDBY"], "{:#}", found.report);
    assert!(found.advice("STORE_STANDBY").contains("primary"));
}

/// The store's address, and the name of its database.
fn store_of(setup: &Setup) -> (url::Url, String) {
    let environment = setup.environment();
    let url = &environment.iter().find(|(name, _)| *name == "BRIDGECORE_STORE__URL").unwrap().1;
    let url = url::Url::parse(url).unwrap();
    let name = url.path().trim_start_matches('/').to_owned();
    (url, name)
}

async fn in_database(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

/// A service of an earlier version stands in for one: it says no more than this to the doctor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_another_version_is_told_of_and_believed() {
    let erp = demo_erp().await;
    let setup = Setup::sqlite();
    let app = setup.start().await;
    register_demo_system(&app.admin().await, &erp, "main").await;
    app.stop().await;
    let health = Json(json!({ "status": "healthy", "database": "ok", "version": "0.0.7" }));
    let metrics = "poll_behind_seconds{system=\"main\",tenant=\"1\"} 7200\n";
    let routes = Router::new().route("/health", get(health)).route("/metrics", get(metrics));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(axum::serve(listener, routes).into_future());
    let found = Doctor::of(&setup, address).examine(&[]).await;
    served.abort();
    assert_eq!(found.codes(None, "server"), ["SERVER_VERSION"], "{:#}", found.report);
    assert!(found.seen("SERVER_VERSION").contains("version 0.0.7 answers"), "{}", found.seen("SERVER_VERSION"));
    assert_eq!(found.seen("POLL_BEHIND"), "poll: a model is overdue by 2 h 0 min");
    assert!(found.codes(Some("main"), "sources").contains(&"POLL_BEHIND"), "{:#}", found.report);
}

/// What people see, and that a report without a complaint ends with 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_is_well_it_says_so() {
    let erp = demo_erp().await;
    let setup = Setup::sqlite().config(|config| {
        config.detection.enabled = true;
        config.detection.watch_interval_ms = 50;
        config.detection.owners_fresh_ms = 0;
        config.detection.poll.share_percent = 100.0;
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    eventually("every model is seen", Duration::from_secs(40), async || {
        let detection = admin.get("/api/v1/systems/main/detection").await.expect(200);
        let looked = |strategy: &str| {
            let known = detection["strategies"].as_array().unwrap().iter().find(|known| known["strategy"] == strategy);
            !known.unwrap()["succeeded_at"].is_null()
        };
        let owned = admin.get("/api/v1/systems/main/models?owner=addon").await.expect(200)["items"] != json!([]);
        (owned && detection["moving"] == 0 && looked("addon") && looked("poll")).then_some(())
    })
    .await;
    let doctor = Doctor::of(&setup, app.address()).with("BRIDGECORE_DETECTION__ENABLED", "true");
    let found = doctor.examine(&[]).await;
    // How full the machine's disk is, is not the test's affair.
    let wrong: Vec<_> =
        found.findings().filter(|finding| finding["severity"] != "ok" && finding["check"] != "disk").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for check in ["reach", "clock", "credential", "rights", "add_on", "models", "sources"] {
        assert!(!found.of(Some("main"), check).is_empty(), "{check}: {:#}", found.report);
    }
    let reach = found.of(Some("main"), "reach")[0]["seen"].as_str().unwrap();
    assert!(reach.starts_with("Odoo 19.0 at http://127.0.0.1:"), "{reach}");

    let (_, text) = doctor.print(&["--system", "main"]).await;
    assert!(text.starts_with("Service\n  ok       config          from the environment alone\n"), "{text}");
    assert!(text.contains("\nSystem main\n  ok       reach           Odoo 19.0"), "{text}");
    assert!(!text.contains('\x1b'), "no colours where it is not a terminal: {text}");
    let (code, text) = doctor.print(&["--system", "mian"]).await;
    assert!(code == 2 && text.contains("SYSTEM_NOT_FOUND") && text.contains("-> name one of: main\n"), "{text}");
}
