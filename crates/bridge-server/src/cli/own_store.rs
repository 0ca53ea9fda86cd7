//! What the commands share that work with the service's own database.

use crate::app::store_options;
use crate::config::Config;
use anyhow::{Context as _, ensure};
use bridge_model::{Clock, Entropy};
use bridge_store::Store;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Whose database.
#[derive(Debug, Args)]
pub struct Which {
    /// The service's config file; settings can also come from BRIDGECORE_<SECTION>__<NAME> variables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        Config::load(self.config.as_deref()).context("read the config")
    }
}

/// Opens the database to be looked at, beside a service that runs, on SQLite as well.
pub(super) async fn look(config: &Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<Store> {
    Store::look(store_options(config), clock, entropy).await.context("open the database")
}

/// Opens the database to be written into, if it has the schema of this program.
pub(super) async fn open(config: &Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<Store> {
    // Opening it for writing makes and upgrades a database, which is for the service to do.
    let looking = look(config, Arc::clone(&clock), Arc::clone(&entropy)).await?;
    let schema = looking.schema().await.context("look at the database's schema");
    looking.close().await;
    let schema = schema?;
    ensure!(
        schema.version == schema.known,
        "the database has the schema {}, and this program works with {}: start the service with this program first",
        schema.version,
        schema.known
    );
    Store::open(store_options(config), clock, entropy)
        .await
        .context("open the database (on SQLite the service must be stopped for this)")
}
