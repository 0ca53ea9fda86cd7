//! What every part of the service works with.

use crate::auth::Auth;
use crate::config::Config;
use crate::detection::Owners;
use crate::erps::Erps;
use crate::hub::Hub;
use crate::ingest::Readers;
use crate::metrics::Metrics;
use crate::mirror::Mirrors;
use crate::sync::{Rights, Tails};
use bridge_model::{Clock, Entropy};
use bridge_store::Store;
use std::sync::Arc;

/// The service's parts, passed to every function that needs them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The durable truth.
    pub store: Store,
    /// The connected business systems.
    pub erps: Arc<Erps>,
    /// Wakes whoever waits for a change.
    pub hub: Arc<Hub>,
    /// Which strategy sees the changes of which model.
    pub owners: Arc<Owners>,
    /// How the background readers are doing.
    pub readers: Arc<Readers>,
    /// How far the ERPs have been told of the devices.
    pub mirrors: Arc<Mirrors>,
    /// The newest changes, written.
    pub tails: Arc<Tails>,
    /// What ERP users may read, as last learned.
    pub rights: Arc<Rights>,
    /// Passwords, tokens and keys.
    pub auth: Arc<Auth>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// The settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
