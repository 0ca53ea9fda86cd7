//! What is kept, and dropping it.

use super::{ENTRY_BYTES, ReadCache};
use bridge_model::{ModelName, SystemKey, TenantId};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// What is kept for a tenant on this node.
#[derive(Debug, Clone, Default)]
pub struct Stock {
    /// By system and model.
    pub held: BTreeMap<(SystemKey, ModelName), Held>,
    /// Answers that were given from it.
    pub hits: u64,
    /// Those of them that another node had kept.
    pub shared_hits: u64,
    /// Answers that could have been, and had to be read.
    pub misses: u64,
}

/// What is kept of a model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    /// How many answers.
    pub entries: u64,
    /// How much memory they take, in bytes.
    pub bytes: u64,
}

impl ReadCache {
    /// What is kept for a tenant. Entries that a change has made worthless are in it until they are asked for again or
    /// their time is over.
    pub fn stock(&self, tenant: TenantId) -> Stock {
        let seen = self.seen(tenant);
        let (hits, misses) = (seen.hits.load(Ordering::Relaxed), seen.misses.load(Ordering::Relaxed));
        let shared_hits = seen.shared_hits.load(Ordering::Relaxed);
        let mut stock = Stock { hits, shared_hits, misses, ..Stock::default() };
        for (key, entry) in self.kept.iter().filter(|(key, _)| key.tenant == tenant) {
            let held = stock.held.entry((key.access.system, key.model.clone())).or_default();
            held.entries += 1;
            held.bytes += u64::try_from(key.asked.len() + entry.text.get().len() + ENTRY_BYTES).unwrap_or_default();
        }
        stock
    }

    /// Drops what is kept of these systems of a tenant, of one model or of all, and what is being read of them now.
    /// Answers how many entries that were.
    pub fn clear(&self, tenant: TenantId, systems: &[SystemKey], model: Option<&ModelName>) -> u64 {
        for system in systems {
            self.writes.count(*system, model);
        }
        let mut cleared = 0;
        for (key, _) in &self.kept {
            let is_meant = key.tenant == tenant
                && systems.contains(&key.access.system)
                && model.is_none_or(|model| *model == key.model);
            if is_meant {
                self.kept.invalidate(&*key);
                cleared += 1;
            }
        }
        cleared
    }
}
