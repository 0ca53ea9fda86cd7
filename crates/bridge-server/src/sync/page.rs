//! Changes of the log as JSON, in the two forms that viewers see them in.

use super::event::EventOut;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::{Change, ModelName, Position, SystemId, SystemKey, TenantId};
use bridge_store::LogPage;
use moka::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;

/// How much of a change is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sight {
    /// What happened to which record.
    Outline,
    /// The contents as well: for admins only.
    Whole,
}

/// What the right to see a change depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) system: SystemKey,
    pub(super) model: ModelName,
}

/// A change as JSON.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) kind: Kind,
    pub(super) text: Arc<str>,
}

impl Written {
    /// Writes a change.
    pub(super) fn of(change: Change, names: &HashMap<SystemKey, SystemId>, sight: Sight) -> Self {
        let kind = Kind { system: change.body.system, model: change.body.model.clone() };
        let event = EventOut::of(change, names.get(&kind.system).cloned(), sight == Sight::Whole);
        // The type always serialises; the fallback keeps the shape all the same.
        let text = serde_json::to_string(&event).unwrap_or_else(|_| "{}".to_owned());
        Self { kind, text: text.into() }
    }
}

/// Part of the log.
#[derive(Debug)]
pub(super) struct Page {
    /// The changes, in the order of their positions.
    pub(super) events: Vec<Event>,
    /// Their kinds, each once.
    pub(super) kinds: Vec<Arc<Kind>>,
    /// The last position that was looked at.
    pub(super) scanned_to: Position,
    /// The log's end.
    pub(super) head: Position,
}

/// A change of a page.
#[derive(Debug)]
pub(super) struct Event {
    /// The place of its kind in the page's kinds.
    pub(super) kind: usize,
    pub(super) position: Position,
    pub(super) text: Arc<str>,
}

impl Page {
    /// A page as the store has read it.
    pub(super) async fn of(cx: &Context, tenant: TenantId, page: LogPage, sight: Sight) -> Result<Self, Problem> {
        let names = cx.tails.names.of(cx, tenant, &page.changes).await?;
        let mut kinds: Vec<Arc<Kind>> = Vec::new();
        let mut places: HashMap<Arc<Kind>, usize> = HashMap::new();
        let mut events = Vec::with_capacity(page.changes.len());
        for change in page.changes {
            let position = change.position;
            let written = Written::of(change, &names, sight);
            let kind = places.get(&written.kind).copied().unwrap_or_else(|| {
                let kind = Arc::new(written.kind);
                kinds.push(Arc::clone(&kind));
                places.insert(kind, kinds.len() - 1);
                kinds.len() - 1
            });
            events.push(Event { kind, position, text: written.text });
        }
        Ok(Self { events, kinds, scanned_to: page.scanned_to, head: page.head })
    }
}

/// The public names of systems, which never change.
#[derive(Debug)]
pub(super) struct Names {
    of_tenant: Cache<TenantId, Arc<HashMap<SystemKey, SystemId>>>,
}

/// The most tenants whose systems' names are kept.
const TENANTS_MAX: u64 = 10_000;

impl Default for Names {
    fn default() -> Self {
        Self { of_tenant: Cache::new(TENANTS_MAX) }
    }
}

impl Names {
    /// The names of a tenant's systems, those of these changes among them where they have one.
    pub(super) async fn of(
        &self,
        cx: &Context,
        tenant: TenantId,
        changes: &[Change],
    ) -> Result<Arc<HashMap<SystemKey, SystemId>>, Problem> {
        if let Some(known) = self.of_tenant.get(&tenant)
            && changes.iter().all(|change| known.contains_key(&change.body.system))
        {
            return Ok(known);
        }
        let names = Arc::new(cx.store.system_names(tenant).await?);
        self.of_tenant.insert(tenant, Arc::clone(&names));
        Ok(names)
    }
}
