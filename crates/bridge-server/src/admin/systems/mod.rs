//! The business systems of a tenant. How to connect to one comes in and never goes out again.

mod allowed;
mod check;
mod delete;
mod detection;
mod list;
mod models;
mod register;
mod status;
mod test;
mod update;

pub use allowed::{Allowed, SetAllowed, allowed, set_allowed};
pub use delete::delete;
pub use detection::{DetectionView, SetDetection, StrategyView, detection, set_detection};
pub use list::{SystemPage, get, list};
pub use models::{FieldPage, ModelPage, ModelView, ModelsQuery, fields, models};
pub use register::{RegisterSystem, register};
pub use status::{SystemStatus, status};
pub use test::{SystemTest, test};
pub use update::{UpdateSystem, update};

use crate::auth::Caller;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{AddressBlock, SystemId, SystemKey, TenantId, Timestamp};
use bridge_store::System;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// A system, as its tenant sees it.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = System)]
pub struct SystemView {
    /// The store's number of it.
    pub id: SystemKey,
    /// Its public name.
    pub system_id: SystemId,
    /// The kind of system, `odoo`.
    pub system_type: String,
    /// The version, as its owner wrote it.
    pub system_version: Option<String>,
    /// Its name, for people to read.
    pub name: String,
    /// What it is, for people to read.
    pub description: Option<String>,
    /// Whether it is read and may push.
    pub is_active: bool,
    /// Whether a request that names no system means this one.
    pub is_primary: bool,
    /// How it is reached, for admins only and without secrets; `null` for others.
    pub connection: Option<ConnectionView>,
    /// From where its push key may be used, for admins only; empty: from anywhere. `null` for others.
    pub push_allowed_addresses: Option<Vec<AddressBlock>>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The push key, in the one answer that follows its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_key: Option<String>,
}

impl fmt::Debug for SystemView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemView").field("id", &self.id).field("system_id", &self.system_id).finish_non_exhaustive()
    }
}

/// What is shown of a connection.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConnectionView {
    /// The base address.
    pub url: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The log-in name.
    pub username: Option<String>,
}

impl ConnectionView {
    /// What is shown of this one.
    fn of(connection: &Value) -> Self {
        let shown = |field: &str| connection.get(field).and_then(Value::as_str).map(str::to_owned);
        Self { url: shown("url"), database: shown("database"), username: shown("username") }
    }
}

impl SystemView {
    /// The view for the tenant's admins.
    fn for_admin(system: System) -> Self {
        let connection = Some(ConnectionView::of(&system.connection));
        let push_allowed_addresses = Some(system.push_addresses.clone());
        Self { connection, push_allowed_addresses, ..Self::for_user(system) }
    }

    /// The view for the tenant's other users.
    fn for_user(system: System) -> Self {
        Self {
            id: system.key,
            system_id: system.system_id,
            system_type: system.system_type,
            system_version: system.system_version,
            name: system.name,
            description: system.description,
            is_active: system.is_active,
            is_primary: system.is_primary,
            connection: None,
            push_allowed_addresses: None,
            created_at: system.created_at,
            updated_at: system.updated_at,
            push_key: None,
        }
    }
}

/// How long a system is asked for its state before it counts as not answering; a person is waiting.
const PROBE_WAIT: Duration = Duration::from_secs(15);

/// A system of the tenant; `SystemNotFound` for any other, also one of another tenant.
pub(super) async fn find(cx: &Context, tenant: TenantId, system_id: &SystemId) -> Result<System, Problem> {
    cx.store.system(tenant, system_id).await?.ok_or_else(|| Problem::no_such_system(system_id))
}

/// A tenant's systems never are without a primary one: requests that name no system would mean none.
fn stays_primary(system: &System) -> Problem {
    Problem::new(ProblemKind::Conflict, Message::system_stays_primary(&system.system_id))
        .with("system_id", system.system_id.as_str())
}

/// Makes the rest of the service see that a system was registered or changed.
fn announce_change(cx: &Context, system: SystemKey) {
    cx.auth.forget_push_keys();
    cx.erps.forget(system);
    cx.records.rights_changed();
    cx.hub.systems_changed();
    cx.hub.nudge_all(system);
}

/// A problem as a fact inside an answer to `reader`, in the documented shape of errors.
fn as_fact(cx: &Context, reader: &Caller, problem: &Problem) -> Value {
    json!({
        "error": problem.kind.exception(),
        "message": cx.texts.say(reader.speaks(), &problem.message),
        "code": problem.kind.code(),
        "details": problem.details,
    })
}

/// Whether something answered at the system's address, to judge by the problem that a call had.
fn was_reached(problem: &Problem) -> bool {
    matches!(problem.kind, ProblemKind::ErpAuthentication | ProblemKind::ErpFailed)
}

/// The problem of a system that took longer than [`PROBE_WAIT`].
fn too_slow() -> Problem {
    Problem::new(ProblemKind::ErpTimeout, Message::system_too_slow(PROBE_WAIT.as_secs()))
}
