//! Measures what reads an ERP's database: `cargo run --release -p bridge-server --example detection -- wal|capture URL`.
//!
//! URL is an empty database of a PostgreSQL (for `wal` with `wal_level = logical`), as a superuser. What is printed: how
//! many changes a second reach the durable log from a backlog, and how long one takes from its commit at 500 a second.
//! With `--hold` it only reads until it is stopped, for a measurement of what that costs the database.

use anyhow::{Context as _, bail, ensure};
use bridge_erp::odoo::database::capture::{self, CaptureOptions};
use bridge_erp::odoo::database::{Database, DatabaseOptions, LockPatience};
use bridge_model::clock::SystemClock;
use bridge_model::entropy::OsEntropy;
use bridge_model::{ModelClass, ModelName, Position, Strategy, TenantId};
use bridge_server::app::{RunningApp, start};
use bridge_server::config::Config;
use bridge_store::{FoundModel, LogQuery, LogRead, NewSystem, Ownership};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

const TABLE: &str = "
    CREATE TABLE ir_model (id serial PRIMARY KEY, model varchar, transient boolean);
    CREATE TABLE ir_model_constraint (id serial PRIMARY KEY, model integer, name varchar);
    CREATE TABLE ir_model_fields (id serial PRIMARY KEY, model varchar, model_id integer, name varchar, ttype varchar,
        store boolean, relation_table varchar, column1 varchar, column2 varchar);
    INSERT INTO ir_model (model, transient) VALUES ('res.partner', false);
    CREATE TABLE res_partner (id serial PRIMARY KEY, name varchar, street varchar, city varchar, active boolean,
        credit_limit numeric, comment text, create_uid integer, write_uid integer, create_date timestamp,
        write_date timestamp);
    INSERT INTO res_partner (name, street, city, active, credit_limit, comment, create_uid, write_uid, create_date,
        write_date) SELECT 'Partner ' || n, 'Street ' || n, 'City', true, n, repeat('note ', 40), 2, 2, now(), now()
        FROM generate_series(1, 100000) AS n";

/// Changes in the backlog.
const BACKLOG: i64 = 200_000;

/// Changes a second, and seconds, of the measurement of the latency.
const RATE: u64 = 500;
const SECONDS: u64 = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let strategy = match arguments.next().context("say what is measured: wal or capture")?.as_str() {
        "wal" => Strategy::Wal,
        "capture" => Strategy::Capture,
        other => bail!("neither wal nor capture: {other}"),
    };
    let url = arguments.next().context("name the database")?;
    let hold = arguments.next().is_some_and(|argument| argument == "--hold");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(
            "DROP PUBLICATION IF EXISTS bridgecore; DROP SCHEMA IF EXISTS bridgecore CASCADE;
             DROP SCHEMA public CASCADE; CREATE SCHEMA public",
        )
        .await?;
    client.batch_execute(TABLE).await?;
    if strategy == Strategy::Wal {
        client.batch_execute("CREATE PUBLICATION bridgecore FOR TABLE res_partner").await?;
    } else {
        install(&url).await?;
    }
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.detection.enabled = false;
    config.store.url = format!("sqlite://{}", folder.path().join("bridgecore.db").display());
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.outbound.allowed_addresses = vec![bridge_model::AddressBlock::parse("127.0.0.0/8")?];
    "0123456789abcdef0123456789abcdef".clone_into(&mut config.security.secret_key);
    config.security.encryption_keys = vec!["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned()];
    let app = start(config, Arc::new(SystemClock), Arc::new(OsEntropy::new()?)).await?;
    let tenant = register(&app, &url, strategy).await?;
    if strategy == Strategy::Capture {
        // The log of the database begins with a reset of every model; an outbox with the first change.
        client.batch_execute("UPDATE res_partner SET write_date = clock_timestamp() WHERE id = 1").await?;
    }
    let begun = reads_to(&app, tenant, 1).await?;
    if hold {
        println!("reading until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    } else {
        backlog(&app, tenant, &client, begun).await?;
        latency(&app, tenant, &client).await?;
    }
    app.stop().await;
    client
        .batch_execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
        WHERE database = current_database() AND NOT active",
        )
        .await?;
    Ok(())
}

/// Puts the triggers into the database, as `bridgecore capture install` does, with ids only.
async fn install(url: &str) -> anyhow::Result<()> {
    let options = DatabaseOptions {
        application_name: "bridgecore measurement".to_owned(),
        connect_timeout_ms: 5_000,
        statement_timeout_ms: 60_000,
        ..DatabaseOptions::default()
    };
    let database = Database::connect(url, &options).await?;
    let wanted = CaptureOptions {
        tables: vec!["res_partner".to_owned()],
        models: Vec::new(),
        left_out: Vec::new(),
        changed_columns: false,
        row_image_bytes_max: 0,
        trail: false,
        notify: false,
        role: Some("bridgecore_measurement".to_owned()),
        role_password: Some("unused".to_owned()),
        incarnation: "measurement".to_owned(),
    };
    capture::install(&database, &wanted, LockPatience::default(), &mut |_| {}).await?;
    Ok(())
}

async fn register(app: &RunningApp, url: &str, strategy: Strategy) -> anyhow::Result<TenantId> {
    let store = &app.context.store;
    let tenant = store.tenants().await?.first().context("there is a tenant from the first start")?.id;
    let connection = json!({
        "url": "http://127.0.0.1:9", "database": "none", "username": "u", "password": "p", "postgres_url": url,
    });
    let new = NewSystem {
        system_id: bridge_model::SystemId::parse("main")?,
        system_type: "odoo".to_owned(),
        system_version: None,
        name: "main".to_owned(),
        description: None,
        connection,
        push_key_hash: None,
        push_addresses: Vec::new(),
    };
    let system = store.create_system(tenant, new).await?;
    let model = ModelName::parse("res.partner")?;
    let found = FoundModel {
        model: model.clone(),
        label: None,
        table_name: None,
        modules: None,
        class: ModelClass::Important,
        has_write_date: true,
        available: vec![strategy],
        recommended: Some(strategy),
    };
    store.save_found_models(tenant, system.key, &[found], None).await?;
    let own = Ownership::Cut { from: None, to: Some(strategy) };
    store.move_ownership(tenant, system.key, &[(model, own)], None).await?;
    app.context.hub.systems_changed();
    Ok(tenant)
}

/// Waits until the log has come to a position.
async fn reads_to(app: &RunningApp, tenant: TenantId, position: i64) -> anyhow::Result<Position> {
    let mut heads = app.context.hub.subscribe(tenant);
    loop {
        let head = app.context.store.head(tenant).await?;
        if head.get() >= position {
            return Ok(head);
        }
        heads.changed().await?;
    }
}

async fn backlog(app: &RunningApp, tenant: TenantId, client: &Client, first: Position) -> anyhow::Result<()> {
    let began = Instant::now();
    // 2,000 transactions of 100 rows each.
    client
        .batch_execute(
            "DO $$ BEGIN FOR n IN 0..1999 LOOP
                UPDATE res_partner SET write_date = clock_timestamp() WHERE id BETWEEN n % 1000 * 100 + 1 AND n % 1000 * 100 + 100;
                COMMIT;
             END LOOP; END $$",
        )
        .await?;
    let written = began.elapsed();
    let head = reads_to(app, tenant, first.get() + BACKLOG).await?;
    let all = began.elapsed();
    ensure!(head.get() - first.get() == BACKLOG, "each change once");
    let rate = 200_000.0 / all.as_secs_f64();
    println!("{BACKLOG} changes: written in {written:.2?}, durable in the log after {all:.2?}: {rate:.0} a second");
    Ok(())
}

async fn latency(app: &RunningApp, tenant: TenantId, client: &Client) -> anyhow::Result<()> {
    let mut after = app.context.store.head(tenant).await?;
    let mut heads = app.context.hub.subscribe(tenant);
    let context = app.context.clone();
    let total = usize::try_from(RATE * SECONDS)?;
    let reader = tokio::spawn(async move {
        let mut times = Vec::with_capacity(total);
        while times.len() < total {
            heads.changed().await?;
            let now = context.clock.now();
            let query = LogQuery { after, models: None, system: None, limit: 1_000, scan_max: 1_000, contents: false };
            if let LogRead::Page(page) = context.store.read(tenant, &query).await? {
                times.extend(page.changes.iter().map(|change| now.since(change.body.occurred_at)));
                after = page.scanned_to;
            }
        }
        times.sort_unstable();
        Ok::<_, anyhow::Error>(times)
    });
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let update = client.prepare("UPDATE res_partner SET write_date = clock_timestamp() WHERE id = $1").await?;
    for number in 0..RATE * SECONDS {
        ticks.tick().await;
        let id = i32::try_from(number % 100_000)? + 1;
        client.execute(&update, &[&id]).await?;
    }
    let times = reader.await??;
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{RATE} changes a second, commit to durable log: p50 {:.1?}, p99 {:.1?}", at(50), at(99));
    Ok(())
}
