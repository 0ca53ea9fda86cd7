//! `bridgecore capture install | status | uninstall`: the triggers in Odoo's database.

use super::database::{connect, print_role, print_steps, untracked_models};
use super::plain;
use anyhow::Context as _;
use bridge_erp::odoo::database::capture::{
    CaptureOptions, CaptureStatus, TableState, install, plan, plan_uninstall, status, uninstall,
};
use bridge_erp::odoo::database::{LockPatience, Step};
use bridge_model::Entropy;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What to do with the capture.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put the outbox and its triggers into Odoo's database; running it again completes what is missing
    Install(Install),
    /// Say whether the triggers are live, what waits in the outbox, and which errors they caught
    Status(Status),
    /// Take the triggers and the outbox out again, and the role if it was made by install; nothing is left
    Uninstall(Uninstall),
}

/// Which database.
#[derive(Debug, Args)]
pub struct Target {
    /// Odoo's database, postgres://role:password@host:port/database; for install and uninstall as its owner or a
    /// superuser
    #[arg(long, value_name = "URL", env = "BRIDGECORE_CAPTURE_DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

/// How locks on Odoo's tables are waited for.
#[derive(Debug, Args)]
pub struct Patience {
    /// How long one attempt waits for a table's lock, in milliseconds; Odoo waits behind it for as long
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    lock_timeout_ms: u64,
    /// How many attempts there are for each table, two seconds apart
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lock_attempts: u32,
}

impl Patience {
    fn of(&self) -> LockPatience {
        let attempt = Duration::from_millis(self.lock_timeout_ms);
        LockPatience { attempt, attempts_max: self.lock_attempts, ..LockPatience::default() }
    }
}

/// The arguments of `install`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Install {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    patience: Patience,
    /// The config file, for its `ingest.untracked_models`, which are left out
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only these tables; a * stands for any part of a name
    #[arg(long, value_delimiter = ',', value_name = "TABLE,…")]
    tables: Vec<String>,
    /// Only the tables of these models; a * stands for any part of a name
    #[arg(long, value_delimiter = ',', value_name = "MODEL,…")]
    models: Vec<String>,
    /// Note for each update which columns have other values now; costs Odoo more
    #[arg(long)]
    changed_columns: bool,
    /// Write down each row as it was and as it is, if its JSON is at most this large; 0: never
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    row_images: u32,
    /// Note who wrote each row, and let the role read what Odoo itself notes of changes (tracked values, auditlog)
    #[arg(long)]
    trail: bool,
    /// Wake the reader by NOTIFY at each commit, which makes commits wait for each other; otherwise it looks often
    #[arg(long)]
    notify: bool,
    /// The role that reads the outbox; made if it does not exist. Without it, the one that was installed before, or
    /// bridgecore_capture
    #[arg(long)]
    role: Option<String>,
    /// The password of the role, if it has to be made; if left out, one is made and printed once
    #[arg(long, env = "BRIDGECORE_CAPTURE_ROLE_PASSWORD", hide_env_values = true)]
    role_password: Option<String>,
    /// Print the SQL exactly as it would be run, and do nothing; a password stands there as :'role_password'
    #[arg(long)]
    dry_run: bool,
}

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    target: Target,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The arguments of `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    patience: Patience,
    /// Print the SQL and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// What these connections call themselves in Odoo's database.
const NAME: &str = "bridgecore capture";

/// Does it. The exit code is 0 if all is well, 1 for an error, and 2 if `status` finds the capture missing or not live.
pub async fn run(command: Command, entropy: &dyn Entropy) -> anyhow::Result<ExitCode> {
    match command {
        Command::Install(arguments) => run_install(arguments, entropy).await,
        Command::Status(arguments) => run_status(&arguments).await,
        Command::Uninstall(arguments) => run_uninstall(&arguments).await,
    }
}

async fn run_install(arguments: Install, entropy: &dyn Entropy) -> anyhow::Result<ExitCode> {
    let left_out = untracked_models(arguments.config.as_deref())?;
    let options = CaptureOptions {
        tables: arguments.tables,
        models: arguments.models,
        left_out,
        changed_columns: arguments.changed_columns,
        row_image_bytes_max: arguments.row_images,
        trail: arguments.trail,
        notify: arguments.notify,
        role: arguments.role,
        role_password: None,
        incarnation: entropy.hex(16),
    };
    let (url, patience) = (&arguments.target.database_url, arguments.patience.of());
    let database = connect(url, NAME).await?;
    if arguments.dry_run {
        let planned = plan(&database, &options).await.map_err(plain).context("plan the installation")?;
        print_steps(&planned.steps, patience, &[]);
        return Ok(ExitCode::SUCCESS);
    }
    let password = arguments.role_password.unwrap_or_else(|| entropy.hex(16));
    let options = CaptureOptions { role_password: Some(password.clone()), ..options };
    let installed = install(&database, &options, patience, &mut say)
        .await
        .map_err(plain)
        .context("install the capture; what was done stays, and running it again goes on")?;
    if installed.steps.is_empty() {
        println!("Nothing to do: {} tables are captured.", installed.tables);
    } else {
        println!("{} tables are captured.", installed.tables);
    }
    if installed.made_role {
        print_role(url, &installed.role, &password, "the outbox");
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_status(arguments: &Status) -> anyhow::Result<ExitCode> {
    let database = connect(&arguments.target.database_url, NAME).await?;
    let status = status(&database).await.map_err(plain).context("look at the capture")?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", words(&status));
    }
    Ok(if status.is_live() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn run_uninstall(arguments: &Uninstall) -> anyhow::Result<ExitCode> {
    let (database, patience) = (connect(&arguments.target.database_url, NAME).await?, arguments.patience.of());
    if arguments.dry_run {
        let planned = plan_uninstall(&database).await.map_err(plain).context("plan the removal")?;
        print_steps(&planned.steps, patience, planned.note.as_slice());
        return Ok(ExitCode::SUCCESS);
    }
    let removal = uninstall(&database, patience, &mut say)
        .await
        .map_err(plain)
        .context("remove the capture; what was done stays, and running it again goes on")?;
    let is_nothing = removal.steps.is_empty();
    println!("{}", if is_nothing { "Nothing to do: there is no capture." } else { "The capture is removed." });
    if let Some(note) = removal.note {
        println!("{note}");
    }
    Ok(ExitCode::SUCCESS)
}

fn say(step: &Step) {
    println!("{}", step.purpose);
}

/// The status for people.
fn words(status: &CaptureStatus) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    if !status.installed {
        let _ = writeln!(text, "There is no capture in this database.");
        return text;
    }
    let live = status.tables.iter().filter(|table| table.state == TableState::Live).count();
    let _ = writeln!(text, "{live} of {} captured tables are live.", status.tables.len());
    for table in status.tables.iter().filter(|table| table.state != TableState::Live) {
        let state = if table.state == TableState::Missing { "is missing" } else { "is switched off" };
        let _ = writeln!(text, "  {}: a trigger {state}; `bridgecore capture install` mends it", table.table);
    }
    for table in status.tables.iter().filter(|table| table.errors > 0) {
        let _ = writeln!(text, "  {}: {} errors were caught since the installation", table.table, table.errors);
    }
    let _ = writeln!(text, "{} tables of models are not captured.", status.tables_not_captured.len());
    let age = status.oldest_row_age_ms.map_or(String::new(), |age| format!(", the oldest {} s old", age / 1_000));
    let _ = writeln!(text, "{} rows are in the outbox{age} (the last one read always stays).", status.backlog_rows);
    text
}
