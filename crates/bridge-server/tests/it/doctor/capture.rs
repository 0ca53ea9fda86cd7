//! The capture in Odoo's database, and the database itself, broken one by one.

use super::run::{Diagnosis, Doctor};
use crate::ingest::pusher::tenant_of;
use crate::support::{App, Client, OdooDatabase, Setup};
use bridge_erp::odoo::database::capture::uninstall;
use bridge_erp::odoo::database::{DatabaseOptions, LockPatience};
use bridge_model::{ModelClass, ModelName, Strategy};
use bridge_store::{FoundModel, Ownership, System};
use serde_json::json;
use std::net::SocketAddr;

/// Models with the tables that hold them.
type Models<'a> = &'a [(&'a str, &'a str)];

/// Models that are all seen by capture.
const MODELS: [(&str, &str); 3] =
    [("res.partner", "res_partner"), ("sale.order", "sale_order"), ("sale.tag", "sale_tag")];

/// Registers a system that reads this database, and has these models seen by capture.
async fn register(app: &App, admin: &Client, name: &str, postgres_url: &str, models: Models<'_>) -> System {
    let body = json!({
        "system_id": name,
        "system_type": "odoo",
        "connection_config": {
            // Nothing listens on port 9 here.
            "url": "http://127.0.0.1:9", "database": "none", "username": "nobody", "password": "none",
            "postgres_url": postgres_url,
        },
    });
    admin.post("/api/v1/systems", &body).await.expect(201);
    let store = &app.context().store;
    let systems = store.systems(tenant_of(admin).await).await.unwrap();
    let system = systems.into_iter().find(|system| system.system_id.as_str() == name).unwrap();
    let found: Vec<FoundModel> = models
        .iter()
        .map(|(model, table)| FoundModel {
            model: ModelName::parse(*model).unwrap(),
            label: None,
            table_name: Some((*table).to_owned()),
            modules: None,
            class: ModelClass::Critical,
            has_write_date: true,
            available: vec![Strategy::Capture],
            recommended: Some(Strategy::Capture),
        })
        .collect();
    store.save_found_models(system.tenant, system.key, &found, None).await.unwrap();
    let cut = Ownership::Cut { from: None, to: Some(Strategy::Capture) };
    let cuts: Vec<_> = found.iter().map(|found| (found.model.clone(), cut.clone())).collect();
    store.move_ownership(system.tenant, system.key, &cuts, None).await.unwrap();
    system
}

/// A service that has been told of the systems and was stopped, so that what is broken stays as it is.
struct Stopped {
    setup: Setup,
    address: SocketAddr,
}

impl Stopped {
    /// Each system by its name, the address of its database, and its models with their tables.
    async fn with(systems: &[(&str, &str, Models<'_>)]) -> Self {
        let setup = Setup::sqlite();
        let app = setup.start().await;
        let admin = app.admin().await;
        for (name, postgres_url, models) in systems {
            register(&app, &admin, name, postgres_url, models).await;
        }
        let address = app.address();
        app.stop().await;
        Self { setup, address }
    }

    async fn look(&self) -> Diagnosis {
        Doctor::of(&self.setup, self.address).hiding("reads-the-outbox").examine(&[]).await
    }

    /// What is said of the capture of the system `main`.
    async fn codes(&self) -> Vec<String> {
        self.look().await.codes(Some("main"), "capture").into_iter().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_that_is_broken_in_any_way_is_told_of() {
    let database = OdooDatabase::create().await;
    database.make_role().await;
    let mut models = MODELS.to_vec();
    models.push(("crm.lead", "crm_lead"));
    let service = Stopped::with(&[("main", &database.role_url(), &models)]).await;

    let found = service.look().await;
    assert_eq!(found.codes(Some("main"), "database"), ["DATABASE_FAILED"], "it has no rights: {:#}", found.report);
    assert_eq!(found.codes(Some("main"), "capture"), ["NOT_CHECKED"]);

    database.install(&database.options()).await;
    let found = service.look().await;
    assert_eq!(found.codes(Some("main"), "database"), ["OK"], "{:#}", found.report);
    assert_eq!(found.codes(Some("main"), "database_clock"), ["OK"]);
    let capture = found.of(Some("main"), "capture")[0];
    assert_eq!((&capture["code"], &capture["seen"]), (&json!("OK"), &json!("8 tables are live, 0 rows wait")));
    // Its server runs no service, and its Odoo is not there: neither hides the other.
    assert_eq!(found.codes(Some("main"), "reach"), ["ERP_UNREACHABLE"]);

    let client = database.client().await;
    client.batch_execute("ALTER TABLE sale_order DISABLE TRIGGER bridgecore_update").await.unwrap();
    client.batch_execute("DROP TRIGGER bridgecore_truncate ON sale_tag").await.unwrap();
    let found = service.look().await;
    assert_eq!(found.seen("CAPTURE_TRIGGERS"), "triggers are missing on sale_tag, switched off on sale_order");
    assert_eq!(found.finding("CAPTURE_TRIGGERS")["facts"]["tables"], json!(["sale_order", "sale_tag"]));
    let advice = found.advice("CAPTURE_TRIGGERS");
    assert!(advice.contains("bridgecore capture install") && advice.contains(&database.name), "{advice}");
    database.install(&database.options()).await;
    assert_eq!(service.codes().await, ["OK"]);

    let made = "CREATE TABLE crm_lead (id serial PRIMARY KEY);
        INSERT INTO ir_model (model, transient) VALUES ('crm.lead', false)";
    client.batch_execute(made).await.unwrap();
    let found = service.look().await;
    assert_eq!(found.finding("CAPTURE_INCOMPLETE")["facts"]["tables"], json!(["crm_lead"]), "{:#}", found.report);
    database.install(&database.options()).await;

    let old = "UPDATE bridgecore.settings SET value = 'older' WHERE name = 'functions'";
    client.batch_execute(old).await.unwrap();
    assert_eq!(service.codes().await, ["CAPTURE_OLD"]);
    database.install(&database.options()).await;
    assert_eq!(service.codes().await, ["OK"]);

    let late = "INSERT INTO bridgecore.outbox (table_name, record_id, operation, txid, occurred_at)
        SELECT 'res_partner', number, 'I', txid_current(), now() - interval '1 hour' FROM generate_series(1, 3) AS number";
    client.batch_execute(late).await.unwrap();
    let found = service.look().await;
    assert!(found.seen("CAPTURE_BACKLOG").starts_with("2 rows wait, the oldest for 1 h"), "{:#}", found.report);
    client.batch_execute("DELETE FROM bridgecore.outbox").await.unwrap();

    client.batch_execute("SELECT nextval('bridgecore.mark_1')").await.unwrap();
    assert_eq!(service.codes().await, ["CAPTURE_ERRORS"]);
    client.batch_execute("ALTER SEQUENCE bridgecore.mark_1 RESTART").await.unwrap();

    client.batch_execute(&format!("REVOKE DELETE ON bridgecore.outbox FROM {}", database.role())).await.unwrap();
    let found = service.look().await;
    assert!(found.advice("CAPTURE_DENIED").contains(&database.role()), "{:#}", found.report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_that_are_wrong_are_told_apart() {
    let database = OdooDatabase::create().await;
    let plain = format!("plain_{}", database.name);
    database.on_server(&format!("CREATE DATABASE {plain}")).await;
    let at = |name: &str| {
        let mut url = url::Url::parse(&database.url()).unwrap();
        url.set_path(name);
        url.to_string()
    };
    let others = [("x.one", "x_one"), ("x.two", "x_two"), ("x.three", "x_three")];
    let service = Stopped::with(&[
        ("main", &database.url(), &MODELS),
        ("no_role", &database.role_url(), &MODELS),
        ("no_database", &at("nowhere"), &MODELS),
        ("no_odoo", &at(&plain), &MODELS),
        ("no_server", "postgres://somebody@127.0.0.1:9/odoo", &MODELS),
        ("other", &database.url(), &others),
    ])
    .await;
    let found = service.look().await;
    for (system, code) in [
        ("main", "DATABASE_SUPERUSER"),
        ("no_role", "DATABASE_REFUSED"),
        ("no_database", "DATABASE_REFUSED"),
        ("no_odoo", "DATABASE_NOT_ODOO"),
        ("no_server", "DATABASE_UNREACHABLE"),
        ("other", "DATABASE_OTHER"),
    ] {
        assert_eq!(found.codes(Some(system), "database"), [code], "{system}: {:#}", found.report);
    }
    for system in ["no_role", "no_database", "no_odoo", "no_server"] {
        assert_eq!(found.codes(Some(system), "capture"), ["NOT_CHECKED"], "{system}");
    }
    assert_eq!(found.codes(Some("main"), "capture"), ["CAPTURE_MISSING"]);

    // What was installed for one model is not told to be incomplete.
    let options = DatabaseOptions::default();
    let owner = bridge_erp::odoo::database::Database::connect(&database.url(), &options).await.unwrap();
    let mut of_one = database.options();
    of_one.models = vec!["sale.order".to_owned()];
    database.install(&of_one).await;
    assert_eq!(service.codes().await, ["OK"]);
    uninstall(&owner, LockPatience::default(), &mut |_| {}).await.unwrap();
    assert_eq!(service.codes().await, ["CAPTURE_MISSING"]);
}

/// No such server is started for this: in this database, PostgreSQL's own question is answered by a function that comes
/// before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_too_old_is_told_of() {
    let database = OdooDatabase::create().await;
    let service = Stopped::with(&[("main", &database.url(), &MODELS)]).await;
    let shadow = format!(
        "CREATE SCHEMA shadow; ALTER DATABASE {} SET search_path = shadow, pg_catalog, public;
        CREATE FUNCTION shadow.current_setting(name text) RETURNS text LANGUAGE sql AS $$ SELECT CASE name
            WHEN 'server_version_num' THEN '110022' ELSE pg_catalog.current_setting(name) END $$",
        database.name
    );
    database.client().await.batch_execute(&shadow).await.unwrap();
    let found = service.look().await;
    assert_eq!(found.codes(Some("main"), "database"), ["DATABASE_OLD"], "{:#}", found.report);
    assert!(found.seen("DATABASE_OLD").starts_with("PostgreSQL 11.22, "), "{}", found.seen("DATABASE_OLD"));
    assert_eq!(found.codes(Some("main"), "capture"), ["NOT_CHECKED"]);
}
