//! What a device asks for, and as whom it looks.

use super::page::Kind;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::{Language, Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_model::DeviceId;
use bridge_model::{AppType, ModelName, SystemId, SystemKey, TenantId, UserId};
use bridge_store::{CursorKey, Role};

/// As whom the log is read.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The tenant whose log it is.
    pub tenant: TenantId,
    /// Whose cursors are used.
    pub user: UserId,
    /// Admins see every model, and payloads.
    pub is_admin: bool,
    /// The linked ERP user.
    pub erp_user_id: Option<i64>,
    /// The system which that user is in. In other systems the same number is another person, and nothing is shown.
    /// `None` if the link was made before there was a system.
    pub erp_system: Option<SystemKey>,
    /// The language of whoever gets the answer.
    pub reader: Language,
}

/// The viewer for a request that names `user_id`: the caller, or for an admin any user of the tenant.
pub async fn viewer_for(cx: &Context, caller: &Caller, user_id: Option<i64>) -> Result<Viewer, Problem> {
    let own = Viewer {
        tenant: caller.tenant,
        user: caller.user,
        is_admin: caller.role == Role::Admin,
        erp_user_id: caller.odoo_user_id,
        erp_system: caller.odoo_system,
        reader: caller.speaks(),
    };
    match user_id {
        None => Ok(own),
        Some(id) if id == caller.user.0 => Ok(own),
        Some(id) if own.is_admin => {
            let Some(user) = cx.store.user(caller.tenant, UserId(id)).await? else {
                return Err(Problem::new(ProblemKind::NotFound, Message::no_such_user()).with("user_id", id));
            };
            Ok(Viewer {
                tenant: caller.tenant,
                user: user.id,
                is_admin: user.role == Role::Admin,
                erp_user_id: user.odoo_user_id,
                erp_system: user.odoo_system,
                reader: own.reader,
            })
        }
        Some(id) => Err(Problem::new(ProblemKind::Forbidden, Message::not_ones_own_user_id()).with("user_id", id)),
    }
}

/// What of the log a device asks for.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The kind of app.
    pub app_type: AppType,
    /// The models that the request narrows it to, if any.
    pub models_filter: Option<Vec<ModelName>>,
    /// The one system that the request narrows it to, if any.
    pub system: Option<SystemKey>,
    /// The models to read: those of the app type that the filter lets through; `None` means all.
    pub models: Option<Vec<ModelName>>,
}

/// The most models that a filter may name.
const FILTER_MODELS_MAX: usize = 200;

impl Scope {
    /// Checks what a request asks for against the config and the tenant's systems.
    pub async fn resolve(
        cx: &Context,
        tenant: TenantId,
        app_type: AppType,
        models_filter: Option<Vec<ModelName>>,
        system_id: Option<&SystemId>,
    ) -> Result<Self, Problem> {
        let Some(of_app) = cx.config.sync.app_types.get(app_type.as_str()) else {
            let known: Vec<&String> = cx.config.sync.app_types.keys().collect();
            return Err(Problem::field("app_type", Reason::unknown_app_type())
                .with("app_types", serde_json::to_value(known).unwrap_or_default()));
        };
        // An empty filter is how some clients write 'no filter'.
        let models_filter = models_filter.filter(|models| !models.is_empty());
        if models_filter.as_ref().is_some_and(|models| models.len() > FILTER_MODELS_MAX) {
            return Err(Problem::field("models_filter", Reason::models_at_most(FILTER_MODELS_MAX)));
        }
        let system = match system_id {
            None => None,
            Some(id) => Some(system_key(cx, tenant, id).await?),
        };
        let models = match (of_app.is_empty(), &models_filter) {
            (true, None) => None,
            (true, Some(filter)) => Some(filter.clone()),
            (false, filter) => Some(
                of_app
                    .iter()
                    .filter_map(|name| ModelName::parse(name.as_str()).ok())
                    .filter(|model| filter.as_ref().is_none_or(|filter| filter.contains(model)))
                    .collect(),
            ),
        };
        Ok(Self { app_type, models_filter, system, models })
    }

    /// Whether changes of this kind are asked for.
    pub(super) fn asks_for(&self, kind: &Kind) -> bool {
        self.system.is_none_or(|system| system == kind.system)
            && self.models.as_ref().is_none_or(|models| models.contains(&kind.model))
    }

    /// The key of the device's cursor for this scope: a narrower one has a cursor of its own, so that confirming it
    /// never skips what it did not ask for.
    pub fn cursor_key(&self, viewer: &Viewer, device: DeviceId) -> CursorKey {
        CursorKey::new(
            viewer.tenant,
            viewer.user,
            device,
            self.app_type.clone(),
            self.system,
            self.models_filter.clone(),
        )
    }
}

async fn system_key(cx: &Context, tenant: TenantId, id: &SystemId) -> Result<SystemKey, Problem> {
    match cx.store.system(tenant, id).await? {
        Some(system) => Ok(system.key),
        None => Err(Problem::no_such_system(id)),
    }
}
