//! `bridgecore wal install | status | uninstall`: what the reading of the log of Odoo's database needs there.

use super::{plain, words};
use crate::config::Config;
use anyhow::{Context as _, bail};
use bridge_erp::odoo::database::wal::install::{
    InstallOptions, Plan, Present, apply, plan, present, removal, uninstall,
};
use bridge_erp::odoo::database::wal::publication;
use bridge_erp::odoo::database::wal::slot::IN_USE;
use bridge_erp::odoo::database::{Database, DatabaseOptions};
use bridge_model::Entropy;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with it.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the publication and the role that reads the log; running it again publishes what is missing
    Install(Install),
    /// Say what is published, how much of its log the database keeps for us, and what is wrong
    Status(Status),
    /// Drop the slots, the publication and the role; nothing is left
    Uninstall(Uninstall),
}

/// Which database.
#[derive(Debug, Args)]
pub struct Target {
    /// Odoo's database, postgres://role:password@host:port/database; for install and uninstall as a superuser, or as
    /// the owner of Odoo's tables who may make roles
    #[arg(long, value_name = "URL", env = "BRIDGECORE_WAL_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// The publication
    #[arg(long, default_value = publication::NAME)]
    publication: String,
}

/// The arguments of `install`.
#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    target: Target,
    /// The config file, for its `ingest.untracked_models`, which are left out
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only these tables; without it, those of all models that are not transient. Others are taken out
    #[arg(long, value_delimiter = ',', value_name = "TABLE,…")]
    tables: Vec<String>,
    /// The role that reads the log; made if it does not exist
    #[arg(long, default_value = ROLE)]
    role: String,
    /// The password of the role, if it has to be made; if left out, one is made and printed once
    #[arg(long, env = "BRIDGECORE_WAL_ROLE_PASSWORD", hide_env_values = true)]
    role_password: Option<String>,
    /// Let the role also read what Odoo itself notes of changes (tracked values, auditlog)
    #[arg(long)]
    trail: bool,
    /// Print the SQL and do nothing
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
    /// The role to drop
    #[arg(long, default_value = ROLE)]
    role: String,
    /// Also drop slots through which somebody reads at the moment
    #[arg(long)]
    force: bool,
    /// Print the SQL and do nothing
    #[arg(long)]
    dry_run: bool,
}

const ROLE: &str = "bridgecore_wal";

/// Does it. The exit code is 0 if all is well, 1 for an error, and 2 if `status` finds that the log can't be read.
pub async fn run(command: Command, entropy: &dyn Entropy) -> anyhow::Result<ExitCode> {
    match command {
        Command::Install(arguments) => run_install(arguments, entropy).await,
        Command::Status(arguments) => run_status(&arguments).await,
        Command::Uninstall(arguments) => run_uninstall(&arguments).await,
    }
}

async fn run_install(arguments: Install, entropy: &dyn Entropy) -> anyhow::Result<ExitCode> {
    let left_out = match &arguments.config {
        Some(path) => Config::load(Some(path)).context("read the config")?.ingest.untracked_models,
        None => Config::default().ingest.untracked_models,
    };
    let mut options = InstallOptions {
        publication: arguments.target.publication.clone(),
        tables: arguments.tables.into_iter().collect(),
        left_out,
        role: arguments.role,
        role_password: arguments.role_password.unwrap_or_else(|| entropy.hex(16)),
        trail: arguments.trail,
    };
    if arguments.dry_run {
        "********".clone_into(&mut options.role_password);
    }
    let database = connect(&arguments.target).await?;
    let Plan { statements, choice, makes_role } =
        plan(&database, &options).await.map_err(plain).context("plan the installation")?;
    for (table, reason) in &choice.refused {
        eprintln!("{table} is not published: {reason}. Its changes must be seen in another way.");
    }
    if arguments.dry_run {
        print_sql(&statements);
        return Ok(ExitCode::SUCCESS);
    }
    apply(&database, &statements).await.map_err(plain).context("install; nothing was done")?;
    let count = choice.tables.len();
    println!("{}{count} tables are published.", if statements.is_empty() { "Nothing to do: " } else { "" });
    if makes_role {
        println!(
            "The role {} reads the log, with the password {} (shown only now).\n\
             Put {} into the system's connection_config as postgres_url.",
            options.role,
            options.role_password,
            words::address_of_role(&arguments.target.database_url, &options.role, &options.role_password)
        );
    }
    for advice in
        advice(&present(&database, &options.publication).await.map_err(plain).context("look at the database")?)
    {
        println!("{advice}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_status(arguments: &Status) -> anyhow::Result<ExitCode> {
    let database = connect(&arguments.target).await?;
    let found =
        present(&database, &arguments.target.publication).await.map_err(plain).context("look at the database")?;
    if arguments.json {
        println!("{:#}", facts(&found));
    } else {
        print!("{}", words(&found));
    }
    Ok(if is_ready(&found) { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn run_uninstall(arguments: &Uninstall) -> anyhow::Result<ExitCode> {
    let database = connect(&arguments.target).await?;
    let name = &arguments.target.publication;
    if arguments.dry_run {
        let slots = present(&database, name).await.map_err(plain).context("look at the database")?.slots;
        let drops = slots.iter().map(|slot| format!("SELECT pg_drop_replication_slot('{}')", slot.name));
        let rest = removal(&database, name, &arguments.role).await.map_err(plain).context("plan the removal")?;
        print_sql(&drops.chain(rest).collect::<Vec<_>>());
        return Ok(ExitCode::SUCCESS);
    }
    let done = match uninstall(&database, name, &arguments.role, arguments.force).await {
        Err(error) if error.sql_state.as_deref() == Some(IN_USE) => bail!(
            "somebody reads the log at the moment: stop the service, or have no model seen by wal, or use --force; \
             the publication and the role are still there ({})",
            error.message
        ),
        done => done.map_err(plain).context("uninstall; what was done stays, and running it again goes on")?,
    };
    for line in &done {
        println!("{line}");
    }
    println!("{}", if done.is_empty() { "Nothing to do: nothing is installed." } else { "Nothing is left." });
    Ok(ExitCode::SUCCESS)
}

async fn connect(target: &Target) -> anyhow::Result<Database> {
    let options = DatabaseOptions { application_name: "bridgecore wal".to_owned(), ..DatabaseOptions::default() };
    Database::connect(&target.database_url, &options).await.map_err(plain).context("open Odoo's database")
}

fn print_sql(statements: &[String]) {
    if statements.is_empty() {
        println!("-- Nothing to do.");
    }
    for statement in statements {
        // One table on a line, instead of some hundred on one.
        println!("{};", statement.replace(", public.", ",\n    public."));
    }
}

/// Whether the log can be read.
fn is_ready(found: &Present) -> bool {
    let published = found.publication.as_ref().is_some_and(|known| known.fault.is_none() && known.refused.is_empty());
    published && found.server.wal_level == "logical" && !found.slots.iter().any(|slot| slot.is_lost)
}

/// What an administrator should change, a sentence each.
fn advice(found: &Present) -> Vec<String> {
    let mut advice = Vec::new();
    if found.server.wal_level != "logical" {
        let level = &found.server.wal_level;
        advice.push(format!("The server's wal_level is {level}: set it to logical and restart the server."));
    }
    if found.server.slot_keep_mb.is_none() {
        advice.push(
            "The server's max_slot_wal_keep_size has no end: while nobody reads, its disk can fill up. Set it to what \
             the disk can spare (PostgreSQL 13 and later): ALTER SYSTEM SET max_slot_wal_keep_size = '16GB'; \
             SELECT pg_reload_conf();"
                .to_owned(),
        );
    }
    advice
}

/// The status for people.
fn words(found: &Present) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    match &found.publication {
        None => {
            let _ = writeln!(text, "There is no publication; `bridgecore wal install` makes it.");
        }
        Some(publication) => {
            let _ = writeln!(text, "{} tables are published.", publication.members.len());
            if let Some(fault) = publication.fault {
                let _ = writeln!(text, "The publication can't be used: {fault}.");
            }
            for (table, reason) in &publication.refused {
                let _ = writeln!(text, "  {table} should not be published: {reason}");
            }
        }
    }
    for slot in &found.slots {
        let reader = slot.active_name.as_deref().map_or("nobody reads".to_owned(), |name| format!("{name} reads"));
        let lost = if slot.is_lost { ", and the server has dropped what it needs" } else { "" };
        let kept = words::bytes(slot.retained_bytes);
        let _ = writeln!(text, "Slot {}: {reader}, {kept} of the log are kept for it{lost}.", slot.name);
    }
    if found.slots.is_empty() {
        let _ = writeln!(text, "There is no slot: the service makes one when it begins to read.");
    }
    for advice in advice(found) {
        let _ = writeln!(text, "{advice}");
    }
    text
}

/// The status for scripts.
fn facts(found: &Present) -> Value {
    let publication = found.publication.as_ref().map(|publication| {
        json!({
            "tables": publication.members.keys().collect::<Vec<_>>(),
            "refused": publication.refused,
            "fault": publication.fault,
        })
    });
    let slots = found.slots.iter().map(|slot| {
        json!({
            "name": slot.name,
            "active": slot.active_pid.is_some(),
            "read_by": slot.active_name,
            "confirmed": slot.confirmed.to_string(),
            "retained_bytes": slot.retained_bytes,
            "lost": slot.is_lost,
        })
    });
    json!({
        "ready": is_ready(found),
        "wal_level": found.server.wal_level,
        "server_version": found.server.version,
        "publication": publication,
        "slots": slots.collect::<Vec<_>>(),
        "advice": advice(found),
    })
}
