//! `bridgecore tenants list | plan`: which tenants there are, and the plan of each.

use crate::app::store_options;
use crate::config::Config;
use anyhow::{Context as _, ensure};
use bridge_model::{Clock, Entropy, TenantId};
use bridge_store::{Store, StoreError};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which tenants there are: number, plan, name
    List(Which),
    /// Give a tenant another plan; running services follow within security.session_cache_ms
    Plan(NewPlan),
}

/// Whose tenants.
#[derive(Debug, Args)]
pub struct Which {
    /// The service's config file; settings can also come from BRIDGECORE_<SECTION>__<NAME> variables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The arguments of `plan`.
#[derive(Debug, Args)]
pub struct NewPlan {
    /// The tenant's number, as `list` shows it
    tenant: i64,
    /// The plan, as [limits] names it
    plan: String,
    #[command(flatten)]
    which: Which,
}

/// Does what the command says; the error is for people.
pub async fn run(command: Command, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<()> {
    match command {
        Command::List(which) => list(&which, clock, entropy).await,
        Command::Plan(new) => set_plan(new, clock, entropy).await,
    }
}

async fn list(which: &Which, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<()> {
    let config = load(which)?;
    // Beside a service that runs, on SQLite as well.
    let store = Store::look(store_options(&config), clock, entropy).await.context("open the database")?;
    let tenants = store.tenants().await.context("read the tenants");
    store.close().await;
    for tenant in tenants? {
        println!("{}\t{}\t{}", tenant.id.0, tenant.plan, tenant.name);
    }
    Ok(())
}

async fn set_plan(
    NewPlan { tenant, plan, which }: NewPlan,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> anyhow::Result<()> {
    let config = load(&which)?;
    let known = |plans: &BTreeMap<String, u32>| plans.contains_key(&plan);
    ensure!(
        known(&config.limits.webhook_events_per_hour) && known(&config.limits.sync_pull_per_hour),
        "[limits] does not name the plan {plan:?} in webhook_events_per_hour and sync_pull_per_hour"
    );
    // Opening it for writing makes and upgrades a database, which is for the service to do.
    let looking = Store::look(store_options(&config), Arc::clone(&clock), Arc::clone(&entropy));
    let looking = looking.await.context("open the database")?;
    let schema = looking.schema().await.context("look at the database's schema");
    looking.close().await;
    let schema = schema?;
    ensure!(
        schema.version == schema.known,
        "the database has the schema {}, and this program works with {}: start the service with this program first",
        schema.version,
        schema.known
    );
    let store = Store::open(store_options(&config), clock, entropy)
        .await
        .context("open the database (on SQLite the service must be stopped for this)")?;
    let set = store.set_tenant_plan(TenantId(tenant), &plan).await;
    store.close().await;
    match set {
        Ok(()) => println!("tenant {tenant} has the plan {plan}"),
        Err(StoreError::NotFound) => anyhow::bail!("there is no tenant {tenant}; `bridgecore tenants list` shows them"),
        Err(error) => return Err(error).context("save the plan"),
    }
    Ok(())
}

fn load(which: &Which) -> anyhow::Result<Config> {
    Config::load(which.config.as_deref()).context("read the config")
}
