//! The processes that are driven: the real `bridgecore`, the server of the HTTP floor, the demo ERP.

use crate::http::{call_json, request};
use crate::seed;
use anyhow::{Context as _, bail};
use bridge_erp::fake::{Addon, DemoErp, Options};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Keys for databases that are gone after the run.
const SECRET_KEY: &str = "bench-bench-bench-bench-bench-bench-bench";
pub(crate) const ENCRYPTION_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

const PASSWORD: &str = "bench-password";

/// The Odoo user that the measured user is linked to: the demo ERP's administrator, who may read every model.
const ODOO_USER: i64 = 2;

/// A running program that has printed its address. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// Kept open: a program that prints into a closed pipe would fail.
    _lines: Lines<BufReader<ChildStdout>>,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts a program and waits for the line with its address.
    pub(crate) async fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", command.as_std().get_program().display()))?;
        let pid = child.id().context("a program ended at once")?;
        let mut lines = BufReader::new(child.stdout.take().context("a program's output")?).lines();
        while let Some(line) = lines.next_line().await.context("read a program's output")? {
            if let Some(address) = line.split("http://").nth(1).and_then(|rest| rest.trim().parse().ok()) {
                return Ok(Self { child, _lines: lines, pid, address });
            }
        }
        bail!("a program ended before it said where it listens")
    }

    /// This program itself with another command.
    pub(crate) async fn start_own(command: &str) -> anyhow::Result<Self> {
        let mut own = Command::new(std::env::current_exe().context("find this program")?);
        own.arg(command);
        Self::start(own).await
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().await;
        asked.context("ask a program to end")?;
        self.child.wait().await.context("wait for a program to end").map(drop)
    }
}

/// Where a service's data is.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// `SQLite` or `PostgreSQL`.
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// A folder on its disk.
    pub(crate) folder: PathBuf,
}

impl Database {
    /// A SQLite database that does not exist yet, in a folder of its own.
    pub(crate) fn sqlite(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let url = format!("sqlite://{}", folder.join("bridgecore.db").display());
        Ok(Self { name: "SQLite", url, folder })
    }
}

/// A running `bridgecore` with one system and one ordinary user, linked to a user of the demo ERP.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) program: Program,
    pub(crate) database: Database,
    pub(crate) push_key: String,
    /// The user's access token.
    pub(crate) token: String,
    /// The admin's.
    admin: String,
    bridgecore: PathBuf,
    settings: Vec<(String, String)>,
}

impl Service {
    /// Starts it on an empty database with these settings, and makes the system and the user.
    pub(crate) async fn create(
        bridgecore: &Path,
        database: Database,
        erp: SocketAddr,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let program = launch(bridgecore, &database, settings).await?;
        let address = program.address;
        let admin = log_in(address, "admin").await?;
        let system = post(
            address,
            "/api/v1/systems",
            &admin,
            &json!({
                "system_id": "bench", "system_type": "odoo", "system_version": "19.0",
                "connection_config": {"url": format!("http://{erp}"), "database": "demo", "username": "admin", "password": "admin"},
            }),
        )
        .await?;
        let push_key = text(&system, "push_key")?;
        let user = json!({"username": "bench-user", "password": PASSWORD, "odoo_user_id": ODOO_USER});
        post(address, "/api/v1/users", &admin, &user).await?;
        let token = log_in(address, "bench-user").await?;
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Self { program, database, push_key, token, admin, bridgecore: bridgecore.to_owned(), settings })
    }

    /// Opens a model to the user, for reading.
    pub(crate) async fn open_reading(&self, model: &str) -> anyhow::Result<()> {
        let body = json!({ "models": { model: { "operations": ["read"] } } });
        let bearer = bearer(&self.admin);
        let path = "/api/v1/systems/bench/allowed";
        let bytes = request("PUT", path, &[("authorization", &bearer)], body.to_string().as_bytes());
        call_json(self.address(), &bytes).await.with_context(|| format!("PUT {path}")).map(drop)
    }

    /// What the admin is answered there.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let bytes = request("GET", path, &[("authorization", &bearer(&self.admin))], &[]);
        call_json(self.address(), &bytes).await.with_context(|| format!("GET {path}"))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.program.address
    }

    /// Stops it, does something with its database, and starts it again.
    pub(crate) async fn restarted_after(
        self,
        work: impl AsyncFnOnce(&Database) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        self.program.stop().await?;
        work(&self.database).await?;
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let program = launch(&self.bridgecore, &self.database, &settings).await?;
        Ok(Self { program, ..self })
    }

    /// The same service with another tenant, whose system `hanging` is at this address; and the token of their admin.
    pub(crate) async fn with_other_tenant(self, erp: SocketAddr) -> anyhow::Result<(Self, String)> {
        let service = self.restarted_after(async |database| seed::other_tenant(database).await).await?;
        let admin = log_in(service.address(), seed::OTHER_ADMIN).await?;
        let system = json!({
            "system_id": "hanging", "system_type": "odoo", "system_version": "19.0",
            "connection_config": {"url": format!("http://{erp}"), "database": "demo", "username": "admin", "password": "admin"},
        });
        post(service.address(), "/api/v1/systems", &admin, &system).await?;
        Ok((service, admin))
    }

    /// Stops it and starts it again so that it answers every pull from the database.
    pub(crate) async fn without_tail(self) -> anyhow::Result<Self> {
        self.program.stop().await?;
        let settings = [("BRIDGECORE_SYNC__TAIL_ROWS_MAX", "0")];
        let program = launch(&self.bridgecore, &self.database, &settings).await?;
        Ok(Self { program, ..self })
    }

    /// A pull by the measured user.
    pub(crate) fn pull(&self, device: &str, token: i64, limit: u32) -> Vec<u8> {
        pull_request(&bearer(&self.token), device, token, limit)
    }

    /// The value of the header that says who pulls.
    pub(crate) fn bearer(&self) -> String {
        bearer(&self.token)
    }

    /// Puts a device's cursor at the log's end, from where it may name any earlier place as its token. Answers the end.
    pub(crate) async fn reset(&self, device: &str) -> anyhow::Result<i64> {
        let answer =
            call_json(self.address(), &reset_request(&self.bearer(), device)).await.context("reset a device")?;
        answer["snapshot_position"].as_i64().context("a reset names no position")
    }

    /// Pushes events in one request.
    pub(crate) async fn push(&self, body: &[u8]) -> anyhow::Result<()> {
        let headers = [("x-api-key", self.push_key.as_str())];
        call_json(self.address(), &request("POST", RECEIVE, &headers, body)).await.map(drop)
    }
}

/// The path that ERPs push to.
pub(crate) const RECEIVE: &str = "/api/v1/webhooks/receive";

/// A pull as bytes.
pub(crate) fn pull_request(bearer: &str, device: &str, token: i64, limit: u32) -> Vec<u8> {
    let body =
        format!(r#"{{"device_id":"{device}","app_type":"sales_app","limit":{limit},"last_sync_token":"{token}"}}"#);
    request("POST", "/api/v2/sync/pull", &[("authorization", bearer)], body.as_bytes())
}

/// A reset of a device's cursor as bytes.
pub(crate) fn reset_request(bearer: &str, device: &str) -> Vec<u8> {
    let path = format!("/api/v2/sync/reset?device_id={device}&app_type=sales_app");
    request("POST", &path, &[("authorization", bearer)], b"{}")
}

/// The command that starts the service; limits that would get in the way are lifted.
pub(crate) fn command(bridgecore: &Path, database: &Database) -> anyhow::Result<Command> {
    let config = database.folder.join("bridgecore.toml");
    let keys = format!("[security]\nsecret_key = \"{SECRET_KEY}\"\nencryption_keys = [\"{ENCRYPTION_KEY}\"]\n");
    std::fs::write(&config, keys).with_context(|| format!("write {}", config.display()))?;
    let log = std::fs::File::options().create(true).append(true).open(database.folder.join("log"));
    let mut command = Command::new(bridgecore);
    command
        .arg("serve")
        .arg("--config")
        .arg(config)
        .env_remove("RUST_LOG")
        .env("BRIDGECORE_SERVER__LISTEN", "127.0.0.1:0")
        .env("BRIDGECORE_OUTBOUND__ALLOWED_ADDRESSES", r#"["127.0.0.0/8", "::1"]"#)
        .env("BRIDGECORE_STORE__URL", &database.url)
        .env("BRIDGECORE_SECURITY__FIRST_ADMIN_PASSWORD", PASSWORD)
        .env("BRIDGECORE_SECURITY__ACCESS_TOKEN_EXPIRE_MINUTES", "600")
        .env("BRIDGECORE_RETENTION__LOG_ROWS_MAX", "1000000000")
        .env("BRIDGECORE_LIMITS__ENABLED", "false")
        .stderr(log.context("open the service's log")?);
    Ok(command)
}

async fn launch(bridgecore: &Path, database: &Database, settings: &[(&str, &str)]) -> anyhow::Result<Program> {
    let mut command = command(bridgecore, database)?;
    command.envs(settings.iter().copied());
    let started = Program::start(command).await;
    started.with_context(|| format!("start the service; its log is in {}", database.folder.display()))
}

async fn log_in(address: SocketAddr, username: &str) -> anyhow::Result<String> {
    let body = json!({"username": username, "password": PASSWORD}).to_string();
    let answer = call_json(address, &request("POST", "/api/v1/auth/login", &[], body.as_bytes())).await?;
    text(&answer, "access_token")
}

async fn post(address: SocketAddr, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
    let bearer = bearer(token);
    let bytes = request("POST", path, &[("authorization", &bearer)], body.to_string().as_bytes());
    call_json(address, &bytes).await.with_context(|| format!("POST {path}"))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    answer[field].as_str().map(str::to_owned).with_context(|| format!("an answer has no {field}"))
}

/// Serves a demo ERP without an event table until it is ended: it says what users may read, and is in nobody's way. Each
/// of its answers takes so long.
pub(crate) async fn serve_demo_erp(latency_ms: u64) -> anyhow::Result<()> {
    let options = Options { addon: Addon::None, ..Options::default() };
    let erp = DemoErp::start(options).await.context("start the demo ERP")?;
    erp.faults().latency_ms(latency_ms);
    println!("{}", erp.url());
    std::future::pending().await
}
