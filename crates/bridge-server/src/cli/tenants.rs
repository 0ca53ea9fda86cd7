//! `bridgecore tenants list | plan`: which tenants there are, and the plan of each.

use super::own_store::{Which, look, open};
use anyhow::{Context as _, ensure};
use bridge_model::{Clock, Entropy, TenantId};
use bridge_store::StoreError;
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which tenants there are: number, plan, name
    List(Which),
    /// Give a tenant another plan; running services follow within security.session_cache_ms
    Plan(NewPlan),
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
    let store = look(&which.load()?, clock, entropy).await?;
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
    let config = which.load()?;
    let known = |plans: &BTreeMap<String, u32>| plans.contains_key(&plan);
    ensure!(
        known(&config.limits.webhook_events_per_hour) && known(&config.limits.sync_pull_per_hour),
        "[limits] does not name the plan {plan:?} in webhook_events_per_hour and sync_pull_per_hour"
    );
    let store = open(&config, clock, entropy).await?;
    let set = store.set_tenant_plan(TenantId(tenant), &plan).await;
    store.close().await;
    match set {
        Ok(()) => println!("tenant {tenant} has the plan {plan}"),
        Err(StoreError::NotFound) => anyhow::bail!("there is no tenant {tenant}; `bridgecore tenants list` shows them"),
        Err(error) => return Err(error).context("save the plan"),
    }
    Ok(())
}
