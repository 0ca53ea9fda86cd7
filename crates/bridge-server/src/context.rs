//! What every part of the service works with.

use crate::alerts::Alerts;
use crate::auth::Auth;
use crate::config::Config;
use crate::detection::Owners;
use crate::erps::Erps;
use crate::files::Storages;
use crate::hub::Hub;
use crate::ingest::{Readers, WalReaders};
use crate::language::Texts;
use crate::limits::Limits;
use crate::mapping::Mappings;
use crate::metrics::Metrics;
use crate::mirror::Mirrors;
use crate::records::Records;
use crate::sync::{Rights, Tails};
use bridge_model::migration::RulePacks;
use bridge_model::{Clock, Entropy};
use bridge_store::Store;
use std::ops::Deref;
use std::sync::Arc;

/// The service's parts, passed to every function that needs them. A clone is one more hold on the same parts.
#[derive(Debug, Clone)]
pub struct Context(Arc<Parts>);

/// The parts themselves.
#[derive(Debug, Clone)]
pub struct Parts {
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
    /// Who is told when something needs a person.
    pub alerts: Arc<Alerts>,
    /// How far the ERPs have been told of the devices.
    pub mirrors: Arc<Mirrors>,
    /// The newest changes, written.
    pub tails: Arc<Tails>,
    /// How the readers of databases' logs are doing.
    pub wal_readers: Arc<WalReaders>,
    /// What ERP users may read, as last learned.
    pub rights: Arc<Rights>,
    /// What reading and writing records remembers.
    pub records: Arc<Records>,
    /// Where the service itself keeps files.
    pub storages: Arc<Storages>,
    /// How often somebody may ask for something.
    pub limits: Arc<Limits>,
    /// Passwords, tokens and keys.
    pub auth: Arc<Auth>,
    /// What people are told, in each language.
    pub texts: Arc<Texts>,
    /// The words for records that are the same for every system.
    pub mappings: Arc<Mappings>,
    /// What the versions of Odoo changed.
    pub rule_packs: Arc<RulePacks>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// The settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Context {
    /// The same parts with another store, such as one whose appends settle a dead letter.
    pub fn with_store(&self, store: Store) -> Self {
        Parts { store, ..Parts::clone(self) }.into()
    }
}

impl From<Parts> for Context {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Context {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
