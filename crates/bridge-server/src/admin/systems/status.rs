//! The state of a system.

use super::{PROBE_WAIT, as_fact, find, too_slow, was_reached};
use crate::auth::Caller;
use crate::context::Context;
use crate::ingest::{PollStatus, ReaderStatus, WalStatus};
use crate::jobs;
use crate::mirror::MirrorStatus;
use crate::problem::Problem;
use bridge_erp::{CircuitStatus, FeedKind};
use bridge_model::{Strategy, SystemId, Timestamp};
use bridge_store::System;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The state of a system at this moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SystemStatus {
    /// The system.
    pub system_id: SystemId,
    /// Whether it is read and may push.
    pub is_active: bool,
    /// Whether something answers at its address.
    pub reachable: bool,
    /// The version that it tells.
    pub version: Option<String>,
    /// The protocol in use.
    pub protocol: Option<String>,
    /// How its changes are seen; `null` if only pushes bring them, or if it can't be asked.
    pub detection: Option<Strategy>,
    /// The add-on that keeps its changes.
    pub addon: Option<FeedKind>,
    /// How far the event table has been read, and how much that lags.
    pub reader: ReaderStatus,
    /// The same for every strategy that the system is read by: `addon` always, others where this node runs them.
    pub readers: BTreeMap<Strategy, ReaderStatus>,
    /// How polling goes on the node that answers.
    pub poll: PollStatus,
    /// How far it shows the devices of its users; `null` where it can't, and on nodes that do not tell it.
    pub mirror: Option<MirrorStatus>,
    /// How far the log of its database has been read, if this node reads it.
    pub wal: Option<WalStatus>,
    /// When its API key ends, if it is reached by one and the end is known.
    pub credential_expires_at: Option<Timestamp>,
    /// Why that key can't be renewed, while its end is near and it can't.
    pub credential_problem: Option<String>,
    /// The circuit breaker of the node that answers.
    pub circuit_breaker: CircuitStatus,
    /// What went wrong while asking, in the shape of errors.
    #[schema(value_type = Option<Problem>)]
    pub error: Option<Value>,
}

/// Asks a system of the caller's tenant how it is. What does not work is a fact in the answer.
pub async fn status(cx: &Context, caller: &Caller, system_id: &SystemId) -> Result<SystemStatus, Problem> {
    let system = find(cx, caller.tenant, system_id).await?;
    let readers = crate::ingest::reader_statuses(cx, &system).await?;
    let (credential_expires_at, credential_problem) = jobs::key_end(cx, &system).await?;
    let mut status = SystemStatus {
        system_id: system.system_id.clone(),
        is_active: system.is_active,
        reachable: false,
        version: None,
        protocol: None,
        detection: None,
        addon: None,
        reader: readers.get(&Strategy::Addon).cloned().unwrap_or_default(),
        readers,
        poll: crate::ingest::poll_status(cx, &system),
        mirror: cx.mirrors.get(system.key),
        wal: cx.wal_readers.get(system.key),
        credential_expires_at,
        credential_problem,
        circuit_breaker: cx.erps.guard(system.key).circuit_status(),
        error: None,
    };
    let verdict = tokio::time::timeout(PROBE_WAIT, ask(cx, &system, &mut status)).await;
    if let Err(problem) = verdict.unwrap_or_else(|_| Err(too_slow())) {
        status.reachable = status.reachable || was_reached(&problem);
        status.error = Some(as_fact(cx, caller, &problem));
    }
    // After asking, which may have opened or closed it.
    status.circuit_breaker = cx.erps.guard(system.key).circuit_status();
    Ok(status)
}

async fn ask(cx: &Context, system: &System, status: &mut SystemStatus) -> Result<(), Problem> {
    let adapter = cx.erps.adapter(system)?;
    let server = adapter.server_info().await?;
    status.reachable = true;
    status.version = Some(server.version);
    status.protocol = Some(server.protocol);
    status.addon = adapter.feed_info().await?.map(|feed| feed.kind);
    status.detection = status.addon.as_ref().map(|_| Strategy::Addon);
    Ok(())
}
