//! A real Odoo, started and stopped as the test needs it.

use crate::support::eventually;
use bridge_erp::{Adapter, Connection};
use bridge_model::entropy::{Entropy as _, OsEntropy};
use bridge_model::{ModelName, RecordId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long Odoo may take to start.
const START_PATIENCE: Duration = Duration::from_mins(2);

/// The variable that names the file which says how Odoo is started here.
const VARIABLE: &str = "BRIDGECORE_TEST_ODOO";

/// How Odoo is started here, as `cargo xtask test` describes it.
#[derive(Debug, Deserialize)]
struct Description {
    command: Vec<String>,
    postgres: Database,
    template_database: String,
    business_template_database: String,
    audited_template_database: String,
    addon_template_database: Option<String>,
    run_as: Option<RunAs>,
    work_dir: PathBuf,
    login: String,
    password: String,
}

#[derive(Debug, Deserialize)]
struct Database {
    host: String,
    port: u16,
    user: String,
}

#[derive(Debug, Deserialize)]
struct RunAs {
    uid: u32,
    gid: u32,
}

/// A real Odoo with a database of its own.
pub(super) struct Odoo {
    description: Description,
    database: String,
    port: u16,
    process: Option<Child>,
    adapter: Option<Arc<dyn Adapter>>,
}

impl Odoo {
    /// Makes a database with the add-on and starts Odoo on it.
    pub(super) async fn start(name: &str) -> Self {
        let description = Self::description();
        let template = description.addon_template_database.clone();
        let template = template.expect("the add-on could not be installed; see the log above");
        Self::start_on(description, &template, name).await
    }

    /// Makes a database without the add-on and starts Odoo on it.
    pub(super) async fn start_bare(name: &str) -> Self {
        let description = Self::description();
        let template = description.template_database.clone();
        Self::start_on(description, &template, name).await
    }

    /// The same, where goods that are bought go through the stock.
    pub(super) async fn start_business(name: &str) -> Self {
        let description = Self::description();
        let template = description.business_template_database.clone();
        Self::start_on(description, &template, name).await
    }

    /// The same, with the public `auditlog`.
    pub(super) async fn start_audited(name: &str) -> Self {
        let description = Self::description();
        let template = description.audited_template_database.clone();
        Self::start_on(description, &template, name).await
    }

    fn description() -> Description {
        let path = std::env::var(VARIABLE)
            .unwrap_or_else(|_| panic!("{VARIABLE} is not set; `cargo xtask test` provides a real Odoo and sets it"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    async fn start_on(description: Description, template: &str, name: &str) -> Self {
        let database = format!("{name}_{}", OsEntropy::new().unwrap().hex(6));
        let mut odoo = Self { description, database, port: free_port(), process: None, adapter: None };
        odoo.sql(&odoo.url("postgres"), &format!("CREATE DATABASE {} TEMPLATE {template}", odoo.database)).await;
        odoo.launch().await;
        odoo.adapter = Some(connect(&odoo.connection()));
        odoo
    }

    /// Starts Odoo again after [`Odoo::stop`], on the same port and database.
    pub(super) async fn launch(&mut self) {
        // Whoever comes second in this process finds it installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let log = File::create(self.description.work_dir.join(format!("{}.log", self.database))).unwrap();
        let mut command = std::process::Command::new(&self.description.command[0]);
        command
            .args(&self.description.command[1..])
            .arg(format!("--database={}", self.database))
            .arg(format!("--db-filter=^{}$", self.database))
            .arg("--http-interface=127.0.0.1")
            .arg(format!("--http-port={}", self.port))
            .arg(format!("--data-dir={}", self.description.work_dir.join(&self.database).display()))
            .env("HOME", &self.description.work_dir)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(user) = &self.description.run_as {
            command.uid(user.uid).gid(user.gid);
        }
        self.process = Some(Command::from(command).kill_on_drop(true).spawn().unwrap());
        let health = format!("http://127.0.0.1:{}/web/health", self.port);
        eventually("Odoo answers", START_PATIENCE, async || {
            reqwest::get(&health).await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Ends Odoo at once, as a crash would.
    pub(super) async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// How BridgeCore connects to it.
    pub(super) fn connection(&self) -> Connection {
        self.connection_as(&self.description.login, &self.description.password)
    }

    /// How somebody else connects to it.
    pub(super) fn connection_as(&self, username: &str, password: &str) -> Connection {
        let value = json!({
            "url": format!("http://127.0.0.1:{}", self.port),
            "database": self.database, "username": username, "password": password,
        });
        serde_json::from_value(value).unwrap()
    }

    /// Somebody else who works there.
    pub(super) fn log_in(&self, username: &str, password: &str) -> Person {
        Person(connect(&self.connection_as(username, password)))
    }

    /// Creates a record as Odoo's admin.
    pub(super) async fn create(&self, model: &str, values: Value) -> i64 {
        let ids = self.adapter().create(&name(model), vec![object(values)]).await.unwrap();
        match ids[..] {
            [RecordId::Number(id)] => id,
            ref other => panic!("one id was expected: {other:?}"),
        }
    }

    /// Writes a record as Odoo's admin.
    pub(super) async fn write(&self, model: &str, id: i64, values: Value) {
        self.adapter().write(&name(model), &[RecordId::Number(id)], object(values)).await.unwrap();
    }

    /// Deletes a record as Odoo's admin.
    pub(super) async fn unlink(&self, model: &str, id: i64) {
        self.adapter().unlink(&name(model), &[RecordId::Number(id)]).await.unwrap();
    }

    /// Calls a method as Odoo's admin.
    pub(super) async fn call(&self, model: &str, method: &str, args: Value) -> Value {
        self.call_with(model, method, args, json!({})).await
    }

    /// The same with arguments that have names.
    pub(super) async fn call_with(&self, model: &str, method: &str, args: Value, named: Value) -> Value {
        let Value::Array(args) = args else { panic!("a list of arguments was expected") };
        let answer = self.adapter().call(&name(model), method, args, object(named)).await;
        answer.unwrap_or_else(|error| panic!("{model}.{method}: {error:?}"))
    }

    /// The database id of what an external id names.
    pub(super) async fn reference(&self, module: &str, external: &str) -> i64 {
        let args = json!([[["module", "=", module], ["name", "=", external]], ["res_id"]]);
        let rows = self.call("ir.model.data", "search_read", args).await;
        rows[0]["res_id"].as_i64().unwrap_or_else(|| panic!("{module}.{external}: {rows}"))
    }

    /// What Odoo itself has committed to the event table: model, record, event, in the order of ids.
    pub(super) async fn events(&self) -> Vec<(String, i64, String)> {
        let (client, connection) =
            tokio_postgres::connect(&self.url(&self.database), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "SELECT model::text, record_id::bigint, event::text FROM update_webhook ORDER BY id";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    /// How many events Odoo has pushed and was told that they arrived.
    pub(super) async fn pushed(&self) -> i64 {
        let (client, connection) =
            tokio_postgres::connect(&self.url(&self.database), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "SELECT count(*) FROM update_webhook WHERE push_state = 'sent'";
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// A connection to its database as the owner.
    pub(super) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(&self.database), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Runs `bridgecore capture install` or `bridgecore wal install` on its database, and answers the address of the
    /// role that it made.
    pub(super) async fn install(&self, strategy: &str, options: &[&str]) -> String {
        // Roles belong to the server, on which other tests have databases, too.
        let (role, password) = (format!("{strategy}_{}", self.database), "reads-for-the-tests");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bridgecore"));
        command.args([strategy, "install", "--database-url", &self.url(&self.database)]);
        command.args(["--role", &role, "--role-password", password]).args(options);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let Database { host, port, .. } = &self.description.postgres;
        format!("postgres://{role}:{password}@{host}:{port}/{}", self.database)
    }

    fn adapter(&self) -> &Arc<dyn Adapter> {
        self.adapter.as_ref().unwrap()
    }

    fn url(&self, database: &str) -> String {
        let Database { host, port, user } = &self.description.postgres;
        format!("postgres://{user}@{host}:{port}/{database}")
    }

    async fn sql(&self, url: &str, sql: &str) {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }
}

/// Somebody who works in an Odoo.
pub(super) struct Person(Arc<dyn Adapter>);

impl Person {
    /// Writes a record.
    pub(super) async fn write(&self, model: &str, id: i64, values: Value) {
        self.0.write(&name(model), &[RecordId::Number(id)], object(values)).await.unwrap();
    }

    /// Deletes a record.
    pub(super) async fn unlink(&self, model: &str, id: i64) {
        self.0.unlink(&name(model), &[RecordId::Number(id)]).await.unwrap();
    }
}

fn connect(connection: &Connection) -> Arc<dyn Adapter> {
    let clock = Arc::new(bridge_model::clock::SystemClock);
    bridge_erp::connect("odoo", connection, &bridge_erp::pool::ClientOptions::default(), clock).unwrap()
}

fn name(model: &str) -> ModelName {
    ModelName::parse(model).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("an object was expected: {other}"),
    }
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
