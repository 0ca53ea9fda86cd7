//! Taking a dump of the ERP's database, and putting the database back to it under its name.

use super::judge::PATIENCE;
use super::link::try_connect;
use crate::support::{OdooDatabase, eventually};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::process::Command;

/// How long a dump may take: it waits for transactions that hold a whole table.
const DUMP_PATIENCE: Duration = Duration::from_mins(30);

/// A dump of the database as it is now. While a crash of the server is in the way, it is tried again.
pub(super) async fn dump(database: &OdooDatabase) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let url = database.url();
    eventually("the database is dumped", DUMP_PATIENCE, async || {
        let mut command = Command::new("pg_dump");
        command.args(["--dbname", &url, "--file"]).arg(file.path());
        runs(command).await.then_some(())
    })
    .await;
    file
}

/// Makes the database anew from a dump, and then runs these statements in it.
pub(super) async fn restore(database: &OdooDatabase, dump: &Path, then: &str) {
    let (url, server, name) = (database.url(), database.server_url(), &database.name);
    eventually("the database is restored", PATIENCE, async || {
        try_drop(server, name).await?;
        try_connect(server).await.ok()?.batch_execute(&format!("CREATE DATABASE {name}")).await.ok()?;
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "--dbname", &url, "--file"]).arg(dump);
        if !runs(command).await {
            return None;
        }
        try_connect(&url).await.ok()?.batch_execute(then).await.ok()
    })
    .await;
}

/// Drops a database with all that belongs to it, whoever is connected.
pub(super) async fn drop_database(server: &str, name: &str) {
    eventually("the database is dropped", PATIENCE, async || try_drop(server, name).await).await;
}

async fn try_drop(server: &str, name: &str) -> Option<()> {
    let client = try_connect(server).await.ok()?;
    // A slot in use stands in the way; one that nobody uses goes with the database.
    let sql = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
        WHERE database = $1 AND active_pid IS NOT NULL";
    client.query(sql, &[&name]).await.ok()?;
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.ok()
}

async fn runs(mut command: Command) -> bool {
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).output().await.unwrap();
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}
