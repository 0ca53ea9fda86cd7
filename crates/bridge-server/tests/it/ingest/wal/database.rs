//! A database as Odoo makes them, small, and a system that names it.

use super::{OWNED, model};
use crate::ingest::pusher::{log_of, tenant_of};
use crate::support::{App, Client, Setup, eventually};
use bridge_model::entropy::OsEntropy;
use bridge_model::{Change, Entropy as _, ModelClass, ModelName, Strategy};
use bridge_store::{FoundModel, Ownership, System};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_postgres::NoTls;

pub(super) const PATIENCE: Duration = Duration::from_mins(2);

const POSTGRES_VARIABLE: &str = "BRIDGECORE_TEST_POSTGRES_URL";

/// What Odoo keeps of itself, as far as it is asked for, and a few tables of models.
const SCHEMA: &str = "
    CREATE TABLE ir_model (id serial PRIMARY KEY, model varchar, transient boolean);
    CREATE TABLE ir_model_constraint (id serial PRIMARY KEY, model integer, name varchar);
    CREATE TABLE ir_model_fields (id serial PRIMARY KEY, model varchar, model_id integer, name varchar, ttype varchar,
        store boolean, relation_table varchar, column1 varchar, column2 varchar);
    INSERT INTO ir_model (model, transient) VALUES ('res.partner', false), ('sale.order', false), ('crm.tag', false),
        ('res.keyless', false), ('res.later', false);
    INSERT INTO ir_model_fields (model, model_id, name, ttype, store, relation_table, column1, column2)
        VALUES ('sale.order', 2, 'tag_ids', 'many2many', true, 'sale_order_tag_rel', 'order_id', 'tag_id');
    CREATE TABLE res_partner (id serial PRIMARY KEY, name varchar, version bigint);
    CREATE TABLE sale_order (id serial PRIMARY KEY, name varchar, version bigint);
    CREATE TABLE crm_tag (id serial PRIMARY KEY, name varchar, version bigint);
    CREATE TABLE sale_order_tag_rel (order_id integer, tag_id integer, PRIMARY KEY (order_id, tag_id));
    CREATE TABLE res_keyless (id integer, name varchar);
    CREATE TABLE res_later (id serial PRIMARY KEY, name varchar);
    CREATE SEQUENCE versions;";

/// The tables that are published unless a test says otherwise.
const PUBLISH: &str = "CREATE PUBLICATION bridgecore
    FOR TABLE res_partner, sale_order, sale_order_tag_rel, crm_tag";

/// An ERP's database on the tests' server.
pub(super) struct ErpDatabase {
    name: String,
    server: String,
}

impl ErpDatabase {
    /// A new one, with a publication.
    pub(super) async fn create() -> Self {
        let server = std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| {
            panic!("{POSTGRES_VARIABLE} is not set; `cargo xtask test` starts a server and sets it")
        });
        let database = Self { name: format!("erp_{}", OsEntropy::new().unwrap().hex(8)), server };
        database.make().await;
        database
    }

    /// Makes it anew under its name, empty, as a restore does.
    pub(super) async fn recreate(&self) {
        self.drop_slots().await;
        run(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        self.make().await;
    }

    async fn make(&self) {
        run(&self.server, &format!("CREATE DATABASE {}", self.name)).await;
        self.sql(SCHEMA).await;
        self.sql(PUBLISH).await;
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        let mut url = url::Url::parse(&self.server).unwrap();
        url.set_path(&self.name);
        url.to_string()
    }

    /// A connection to it.
    pub(super) async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Runs statements in it.
    pub(super) async fn sql(&self, statements: &str) {
        run(&self.url(), statements).await;
    }

    /// The slots of it, each with the process that reads through it.
    pub(super) async fn slots(&self) -> Vec<(String, Option<i32>)> {
        let sql = "SELECT slot_name::text, active_pid FROM pg_replication_slots WHERE database = current_database()";
        let rows = self.connect().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Ends whoever reads through its slots.
    pub(super) async fn cut(&self) {
        self.sql(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
             WHERE database = current_database() AND active_pid IS NOT NULL",
        )
        .await;
    }

    /// Drops its slots, which keep the server's log and its places for slots; whoever reads is cut.
    pub(super) async fn drop_slots(&self) {
        for (slot, _) in self.slots().await {
            self.drop_slot(&slot).await;
        }
    }

    /// Drops one of them.
    pub(super) async fn drop_slot(&self, slot: &str) {
        eventually("the slot is dropped", PATIENCE, async || {
            self.cut().await;
            let sql = "SELECT pg_drop_replication_slot($1)";
            let client = self.connect().await;
            let gone = client.query(sql, &[&slot]).await.is_ok();
            (gone || !self.slots().await.iter().any(|(name, _)| *name == slot)).then_some(())
        })
        .await;
    }
}

async fn run(url: &str, statements: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(statements).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

/// The service, quick enough for tests.
pub(super) fn quick(setup: Setup) -> Setup {
    setup.config(|config| {
        config.wal.look_interval_ms = 50;
        config.wal.image_bytes_max = 1_000;
        config.wal.backoff_max_ms = 200;
        config.detection.owners_fresh_ms = 20;
        config.ingest.lease_ms = 3_000;
    })
}

/// Registers a system that names this database, with models that are owned as [`OWNED`] says.
pub(super) async fn register(app: &App, admin: &Client, database: &ErpDatabase) -> System {
    register_at(app, admin, &database.url()).await
}

/// The same with this address of the database.
pub(super) async fn register_at(app: &App, admin: &Client, postgres_url: &str) -> System {
    let body = json!({
        "system_id": "main",
        "system_type": "odoo",
        "connection_config": {
            "url": "http://127.0.0.1:9", "database": "none", "username": "u", "password": "p",
            "postgres_url": postgres_url,
        },
    });
    admin.post("/api/v1/systems", &body).await.expect(201);
    let cx = app.context();
    let system = cx.store.systems(tenant_of(admin).await).await.unwrap().remove(0);
    own(app, &system, &OWNED).await;
    system
}

/// Puts these strategies in charge of these models.
pub(super) async fn own(app: &App, system: &System, models: &[(&str, Strategy)]) {
    let store = &app.context().store;
    let mut found: Vec<FoundModel> =
        store.tracked_models(system.tenant, system.key).await.unwrap().into_iter().map(|model| model.found).collect();
    for (name, _) in models {
        if !found.iter().any(|known| known.model == model(name)) {
            found.push(FoundModel {
                model: model(name),
                label: None,
                table_name: None,
                modules: None,
                class: ModelClass::Critical,
                has_write_date: true,
                available: Strategy::ALL.to_vec(),
                recommended: None,
            });
        }
    }
    store.save_found_models(system.tenant, system.key, &found, None).await.unwrap();
    let cuts: Vec<(ModelName, Ownership)> =
        models.iter().map(|(name, to)| (model(name), Ownership::Cut { from: None, to: Some(*to) })).collect();
    store.move_ownership(system.tenant, system.key, &cuts, None).await.unwrap();
    app.context().hub.nudge(system.key, Strategy::Wal);
}

/// What the status says of the reading of the database's log.
pub(super) async fn status(admin: &Client) -> Value {
    admin.get("/api/v1/systems/main/status").await.expect(200)["wal"].clone()
}

/// Waits until the log is read, from here on.
pub(super) async fn running(admin: &Client) {
    eventually("the database's log is read", PATIENCE, async || {
        (status(admin).await["state"] == "running").then_some(())
    })
    .await;
}

/// Waits until our log is as a test wants it, and answers it.
pub(super) async fn log_when(
    app: &App,
    admin: &Client,
    what: &str,
    mut good: impl FnMut(&[Change]) -> bool,
) -> Vec<Change> {
    eventually(what, PATIENCE, async || Some(log_of(app, admin).await).filter(|log| good(log))).await
}
