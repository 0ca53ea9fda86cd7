//! The service itself: its settings, its database, and whether it runs.

use super::run::Doctor;
use crate::support::{Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use serde_json::json;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

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
