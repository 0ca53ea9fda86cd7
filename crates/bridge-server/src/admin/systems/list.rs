//! Reading systems.

use super::{SystemView, find};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::SystemId;
use bridge_store::System;
use serde::Serialize;
use utoipa::ToSchema;

/// The systems of a tenant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SystemPage {
    /// In the order in which they were registered.
    pub items: Vec<SystemView>,
    /// Always `null`: a tenant has so few systems that one page holds them.
    pub next_cursor: Option<String>,
}

/// All systems of the caller's tenant.
pub async fn list(cx: &Context, caller: &Caller) -> Result<SystemPage, Problem> {
    let systems = cx.store.systems(caller.tenant).await?;
    Ok(SystemPage { items: systems.into_iter().map(|system| view(system, caller)).collect(), next_cursor: None })
}

/// One system of the caller's tenant.
pub async fn get(cx: &Context, caller: &Caller, system_id: &SystemId) -> Result<SystemView, Problem> {
    Ok(view(find(cx, caller.tenant, system_id).await?, caller))
}

fn view(system: System, caller: &Caller) -> SystemView {
    if caller.is_admin() { SystemView::for_admin(system) } else { SystemView::for_user(system) }
}
