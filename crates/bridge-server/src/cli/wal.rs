//! `bridgecore wal install | status | uninstall`: what the reading of the log of Odoo's database needs there.

use super::database::{connect, print_role, print_steps, untracked_models};
use super::{plain, words};
use anyhow::{Context as _, bail};
use bridge_erp::odoo::database::wal::install::{
    InstallOptions, PATIENCE, Plan, Present, install, plan, plan_uninstall, present, uninstall,
};
use bridge_erp::odoo::database::wal::publication;
use bridge_erp::odoo::database::wal::slot::{self, IN_USE};
use bridge_model::Entropy;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
    /// Drop the slots and the publication, and the role if it was made by install; nothing is left
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
    /// The role that reads the log; made if it does not exist. Without it, the one that was installed before, or
    /// bridgecore_wal
    #[arg(long)]
    role: Option<String>,
    /// The password of the role, if it has to be made; if left out, one is made and printed once
    #[arg(long, env = "BRIDGECORE_WAL_ROLE_PASSWORD", hide_env_values = true)]
    role_password: Option<String>,
    /// Let the role also read what Odoo itself notes of changes (tracked values, auditlog)
    #[arg(long)]
    trail: bool,
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
    /// A role to look after besides the one that was installed: it is dropped only if install has made it
    #[arg(long)]
    role: Option<String>,
    /// Also drop slots through which somebody reads at the moment
    #[arg(long)]
    force: bool,
    /// Print the SQL and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// What these connections call themselves in Odoo's database.
const NAME: &str = "bridgecore wal";

/// Does it. The exit code is 0 if all is well, 1 for an error, and 2 if `status` finds that the log can't be read.
pub async fn run(command: Command, entropy: &dyn Entropy) -> anyhow::Result<ExitCode> {
    match command {
        Command::Install(arguments) => run_install(arguments, entropy).await,
        Command::Status(arguments) => run_status(&arguments).await,
        Command::Uninstall(arguments) => run_uninstall(&arguments).await,
    }
}

async fn run_install(arguments: Install, entropy: &dyn Entropy) -> anyhow::Result<ExitCode> {
    let options = InstallOptions {
        publication: arguments.target.publication.clone(),
        tables: arguments.tables.into_iter().collect(),
        left_out: untracked_models(arguments.config.as_deref())?,
        role: arguments.role,
        role_password: None,
        trail: arguments.trail,
    };
    let url = &arguments.target.database_url;
    let database = connect(url, NAME).await?;
    if arguments.dry_run {
        let planned = plan(&database, &options).await.map_err(plain).context("plan the installation")?;
        print_refused(&planned);
        print_steps(&planned.steps, PATIENCE, &[]);
        return Ok(ExitCode::SUCCESS);
    }
    let password = arguments.role_password.unwrap_or_else(|| entropy.hex(16));
    let options = InstallOptions { role_password: Some(password.clone()), ..options };
    let installed = install(&database, &options).await.map_err(plain).context("install; nothing was done")?;
    print_refused(&installed);
    let count = installed.choice.tables.len();
    println!("{}{count} tables are published.", if installed.steps.is_empty() { "Nothing to do: " } else { "" });
    if installed.makes_role {
        print_role(url, &installed.role, &password, "the log");
    }
    if let Some(statement) = &installed.role_needs {
        println!(
            "The role {} may not read the log yet. As a superuser: {statement} (on Amazon: GRANT rds_replication TO it). \
             It can then read the whole log of the server.",
            installed.role
        );
    }
    for advice in
        advice(&present(&database, &options.publication).await.map_err(plain).context("look at the database")?)
    {
        println!("{advice}");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_refused(plan: &Plan) {
    for (table, reason) in &plan.choice.refused {
        eprintln!("{table} is not published: {reason}. Its changes must be seen in another way.");
    }
}

async fn run_status(arguments: &Status) -> anyhow::Result<ExitCode> {
    let database = connect(&arguments.target.database_url, NAME).await?;
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
    let database = connect(&arguments.target.database_url, NAME).await?;
    let (publication, role) = (&arguments.target.publication, arguments.role.as_deref());
    if arguments.dry_run {
        let planned = plan_uninstall(&database, publication, role).await.map_err(plain).context("plan the removal")?;
        for found in &planned.slots {
            if let Some(reader) = found.active_name.as_ref().filter(|_| arguments.force) {
                println!("{};", slot::reader_end(&found.name, reader));
            }
            println!("{};\n", slot::removal(&found.name));
        }
        if planned.slots.is_empty() || !planned.steps.is_empty() {
            print_steps(&planned.steps, PATIENCE, &planned.notes);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let removal = match uninstall(&database, publication, role, arguments.force).await {
        Err(error) if error.sql_state.as_deref() == Some(IN_USE) => bail!(
            "somebody reads the log at the moment: stop the service, or have no model seen by wal, or use --force; \
             the publication and the role are still there ({})",
            error.message
        ),
        removal => removal.map_err(plain).context("uninstall; what was done stays, and running it again goes on")?,
    };
    for found in &removal.slots {
        println!("dropped the slot {}", found.name);
    }
    for statement in removal.steps.iter().flat_map(|step| &step.statements) {
        println!("{statement}");
    }
    println!(
        "{}",
        if removal.is_empty() { "Nothing to do: nothing is installed." } else { "The log is not read any more." }
    );
    for note in &removal.notes {
        println!("{note}");
    }
    Ok(ExitCode::SUCCESS)
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
            "refused": publication.refused.iter().map(|(table, reason)| (table.to_string(), *reason)).collect::<BTreeMap<_, _>>(),
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
