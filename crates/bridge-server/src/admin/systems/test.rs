//! Trying a system's connection out.

use super::{PROBE_WAIT, as_fact, find, too_slow, was_reached};
use crate::auth::Admin;
use crate::context::Context;
use crate::erps::parse_connection;
use crate::problem::Problem;
use bridge_erp::{Adapter, FeedKind};
use bridge_model::SystemId;
use bridge_store::System;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What was found, step by step.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SystemTest {
    /// Whether every step went well.
    pub success: bool,
    /// The system.
    pub system_id: SystemId,
    /// Whether something answered at its address.
    pub reachable: bool,
    /// The version that it tells.
    pub version: Option<String>,
    /// The protocol in use.
    pub protocol: Option<String>,
    /// Whether it takes the credential.
    pub authenticated: bool,
    /// The user there whom the credential belongs to.
    pub erp_user_id: Option<i64>,
    /// The add-on that keeps its changes; `null` if there is none, and then only pushes bring changes.
    pub addon: Option<FeedKind>,
    /// What went wrong first, in the shape of errors.
    #[schema(value_type = Option<Problem>)]
    pub error: Option<Value>,
}

/// Connects to a system of the admin's tenant with its stored settings. What does not work is a fact in the answer,
/// not an error of the request.
pub async fn test(cx: &Context, admin: &Admin, system_id: &SystemId) -> Result<SystemTest, Problem> {
    let system = find(cx, admin.0.tenant, system_id).await?;
    let mut found = SystemTest {
        success: false,
        system_id: system.system_id.clone(),
        reachable: false,
        version: None,
        protocol: None,
        authenticated: false,
        erp_user_id: None,
        addon: None,
        error: None,
    };
    let verdict = tokio::time::timeout(PROBE_WAIT, try_out(cx, &system, &mut found)).await;
    match verdict.unwrap_or_else(|_| Err(too_slow())) {
        Ok(()) => found.success = true,
        Err(problem) => {
            found.reachable = found.reachable || was_reached(&problem);
            found.error = Some(as_fact(cx, &admin.0, &problem));
        }
    }
    Ok(found)
}

async fn try_out(cx: &Context, system: &System, found: &mut SystemTest) -> Result<(), Problem> {
    // A new adapter: the kept one remembers sessions and refusals, and a person who has just mended something there
    // wants to know whether it works now.
    let adapter = new_adapter(cx, system)?;
    let server = adapter.server_info().await?;
    found.reachable = true;
    found.version = Some(server.version);
    found.protocol = Some(server.protocol);
    found.erp_user_id = Some(adapter.authenticate().await?.erp_user_id);
    found.authenticated = true;
    found.addon = adapter.feed_info().await?.map(|feed| feed.kind);
    Ok(())
}

fn new_adapter(cx: &Context, system: &System) -> Result<std::sync::Arc<dyn Adapter>, Problem> {
    if let Some(error) = &system.connection_error {
        return Err(error.clone().into());
    }
    cx.erps.connect(&system.system_type, &parse_connection(&system.connection)?)
}
