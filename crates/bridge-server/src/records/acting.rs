//! As whom records are worked on, and what that allows.

use super::keyed::Keyed;
use crate::auth::Caller;
use crate::config::ms;
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{Adapter, ErpError, Guard};
use bridge_model::{AllowList, MethodName, ModelName, Operation, SystemId, SystemKey, Timestamp, UserId};
use bridge_store::{ErpLink, System};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A caller at work in a system.
#[derive(Debug, Clone)]
pub struct Acting {
    pub(super) cx: Context,
    pub(super) system: Arc<System>,
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) rights: Rights,
    pub(super) access: Access,
    guard: Arc<Guard>,
    /// When the work has to have ended, so that the request is answered by us and not ended from outside.
    ends_at: Timestamp,
    /// The user's own credential, if that is used.
    link: Option<Arc<ErpLink>>,
    /// The key of the write, if it has one.
    pub(super) keyed: Option<Arc<Keyed>>,
    /// Who acts.
    pub(super) by: Arc<Caller>,
    /// Whether a write is in the audit.
    pub(super) is_noted: Arc<AtomicBool>,
}

/// Where the answers come from and whose rights they show. What was answered to one need not hold for another: whatever
/// is remembered of a system has this in its key, so that new settings or a new credential begin with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Access {
    pub(super) system: SystemKey,
    /// When the system's settings were saved, its credential among them.
    pub(super) settings_at: Timestamp,
    /// The user with a credential of their own, and when that was saved; `None`: the system's.
    pub(super) own: Option<(UserId, Timestamp)>,
}

/// What holds for who acts.
#[derive(Debug, Clone)]
pub(super) enum Rights {
    /// The user's own credential: the system itself judges everything.
    Own,
    /// The system's credential, and what an admin has opened.
    Listed {
        list: Arc<AllowList>,
        /// Whether everything that the credential may read is open: for admins, as in snapshots.
        reads_all: bool,
    },
}

/// The caller at work in a system of their tenant: with their own credential where they have linked one, otherwise with
/// the system's own.
pub async fn acting(cx: &Context, caller: &Caller, system_id: &SystemId) -> Result<Acting, Problem> {
    let system = cx.erps.system_of(&cx.store, caller.tenant, Some(system_id)).await?;
    if !system.is_active {
        return Err(Problem::new(ProblemKind::Forbidden, Message::system_not_active(system_id))
            .with("system_id", system_id.as_str()));
    }
    let now = cx.clock.now();
    let ends_at = now.plus(ms(cx.config.server.request_timeout_ms) * 9 / 10);
    let (by, is_noted) = (Arc::new(caller.clone()), Arc::default());
    let key = (caller.tenant, caller.user, system.key);
    let load = async { Ok(Some(cx.store.erp_link(key.0, key.1, key.2).await?.map(Arc::new))) };
    let link = cx.records.links.get(&key, now, load).await?.flatten();
    if let Some(link) = link
        && let Some(adapter) = cx.erps.linked_adapter(&system, &link)?
    {
        let access = Access::to(&system, Some((caller.user, link.updated_at)));
        let (rights, guard) = (Rights::Own, cx.erps.guard(system.key));
        let (cx, link) = (cx.clone(), Some(link));
        return Ok(Acting { cx, system, adapter, rights, access, guard, ends_at, link, keyed: None, by, is_noted });
    }
    let key = (caller.tenant, system.key);
    let load = async { Ok(Some(Arc::new(cx.store.allow_list(key.0, key.1).await?))) };
    let list = cx.records.allow_lists.get(&key, now, load).await?.unwrap_or_default();
    let adapter = cx.erps.adapter(&system)?;
    let rights = Rights::Listed { list, reads_all: caller.is_admin() };
    let (access, guard) = (Access::to(&system, None), cx.erps.guard(system.key));
    Ok(Acting {
        cx: cx.clone(),
        system,
        adapter,
        rights,
        access,
        guard,
        ends_at,
        link: None,
        keyed: None,
        by,
        is_noted,
    })
}

impl Access {
    fn to(system: &System, own: Option<(UserId, Timestamp)>) -> Self {
        Self { system: system.key, settings_at: system.updated_at, own }
    }

    /// The same with the system's own credential.
    pub(super) fn of_system(self) -> Self {
        Self { own: None, ..self }
    }
}

impl Acting {
    /// The same with work that has to have ended at this time, if it is the earlier one.
    pub(super) fn until(self, ends_at: Option<Timestamp>) -> Self {
        Self { ends_at: ends_at.map_or(self.ends_at, |end| end.min(self.ends_at)), ..self }
    }

    /// The system's number.
    pub fn system(&self) -> SystemKey {
        self.system.key
    }

    /// The system's public name.
    pub fn system_id(&self) -> &SystemId {
        &self.system.system_id
    }

    /// The user whose own credential is used, if one is.
    pub fn own_user(&self) -> Option<UserId> {
        self.access.own.map(|(user, _)| user)
    }

    /// As whom the system is called.
    pub(super) fn identity(&self) -> Result<String, Problem> {
        self.cx.erps.identity(&self.system, self.link.as_deref())
    }

    /// Waits for what the system answers, if its guard lets the caller in.
    pub(super) async fn asked<T>(
        &self,
        model: &ModelName,
        answer: impl Future<Output = Result<T, ErpError>>,
    ) -> Result<T, Problem> {
        self.tried(answer).await.map_err(|error| self.problem(model, error))
    }

    /// The same with the error as it is.
    pub(super) async fn tried<T>(&self, answer: impl Future<Output = Result<T, ErpError>>) -> Result<T, ErpError> {
        // Held until there is an outcome.
        let _entered = self.guard.enter()?;
        answer.await
    }

    /// Waits no longer than the request may take; `None` if that was not long enough.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.time_left(), work).await.ok()
    }

    /// How much longer the request may take.
    pub(super) fn time_left(&self) -> Duration {
        self.ends_at.since(self.cx.clock.now())
    }

    /// `Forbidden` if this is not open; with one's own credential the system itself judges.
    pub fn check(&self, model: &ModelName, operation: Operation) -> Result<(), Problem> {
        let is_open = match &self.rights {
            Rights::Own => true,
            Rights::Listed { reads_all: true, .. } if operation == Operation::Read => true,
            Rights::Listed { list, .. } => list.permits(model, operation),
        };
        if is_open {
            return Ok(());
        }
        let message = Message::operation_not_allowed(operation, model);
        Err(Problem::new(ProblemKind::Forbidden, message)
            .with("model", model.as_str())
            .with("operation", operation.as_str()))
    }

    /// The same for a method.
    pub(super) fn check_method(&self, model: &ModelName, method: &MethodName) -> Result<(), Problem> {
        match &self.rights {
            Rights::Listed { list, .. } if !list.permits_method(model, method) => {
                let message = Message::method_not_allowed(method, model);
                let problem = Problem::new(ProblemKind::Forbidden, message);
                Err(problem.with("model", model.as_str()).with("method", method.as_str()))
            }
            _ => Ok(()),
        }
    }
}
