//! Our own writes, which their writers have to see at once, before the log tells of them.

use bridge_model::{ModelName, SystemKey};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How often this node began or ended a write. Nothing is ever forgotten in a way that makes a count smaller.
#[derive(Debug, Default)]
pub(super) struct Writes(Mutex<HashMap<SystemKey, OfSystem>>);

#[derive(Debug, Default)]
struct OfSystem {
    all: u64,
    models: HashMap<ModelName, u64>,
}

/// The most models of a system that are counted one by one.
const MODELS_MAX: usize = 10_000;

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    all: u64,
    model: u64,
}

impl Counted {
    /// Whether no write began or ended after these counts and before `earlier` were taken.
    pub(super) fn covers(self, earlier: Self) -> bool {
        self.all >= earlier.all && self.model >= earlier.model
    }
}

impl Writes {
    /// The counts that matter to a model.
    pub(super) fn counted(&self, system: SystemKey, model: &ModelName) -> Counted {
        let systems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        systems.get(&system).map_or(Counted { all: 0, model: 0 }, |of_system| Counted {
            all: of_system.all,
            model: of_system.models.get(model).copied().unwrap_or_default(),
        })
    }

    /// Counts what makes everything of this model worthless, or of the whole system.
    pub(super) fn count(&self, system: SystemKey, model: Option<&ModelName>) {
        let mut systems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_system = systems.entry(system).or_default();
        match model {
            Some(model) if of_system.models.len() < MODELS_MAX || of_system.models.contains_key(model) => {
                *of_system.models.entry(model.clone()).or_default() += 1;
            }
            _ => of_system.all += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_ends_what_was_read_before_it_and_while_it_went_on() {
        let (writes, system) = (Writes::default(), SystemKey(1));
        let [partner, order] = ["res.partner", "sale.order"].map(|name| ModelName::parse(name).unwrap());
        let before = writes.counted(system, &partner);
        writes.count(system, Some(&partner));
        let during = writes.counted(system, &partner);
        writes.count(system, Some(&partner));
        let after = writes.counted(system, &partner);
        assert!(!before.covers(after) && !during.covers(after) && after.covers(after) && after.covers(before));
        let of_order = writes.counted(system, &order);
        assert!(before.covers(of_order), "another model");
        writes.count(system, None);
        assert!(!of_order.covers(writes.counted(system, &order)), "the whole system");
        assert!(of_order.covers(writes.counted(SystemKey(2), &order)), "another system");
    }
}
