//! Users' own credentials in business systems. They come in and never go out again.

use super::find;
use crate::audit::{Change, audited};
use crate::auth::Caller;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use bridge_erp::{ErpError, ErpErrorKind};
use bridge_model::{RecordId, SystemId, SystemKey, Timestamp, UserId};
use bridge_store::{ErpLink, LinkSecret, System, User};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The body of the request.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkUser {
    /// The system.
    pub system_id: SystemId,
    /// The log-in name there.
    #[schema(min_length = 1, max_length = 256)]
    pub username: String,
    /// The password there; an API key works in its place.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub password: Option<String>,
    /// An API key, where the protocol has its own place for it.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub api_key: Option<String>,
}

impl fmt::Debug for LinkUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkUser").field("system_id", &self.system_id).finish_non_exhaustive()
    }
}

/// A link, without its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = UserLink)]
pub struct LinkView {
    /// The system.
    pub system_id: SystemId,
    /// The log-in name there.
    pub username: String,
    /// The user's id there, as the system itself says.
    pub odoo_user_id: i64,
    /// When the system was linked first.
    pub created_at: Timestamp,
    /// When the credential was given last.
    pub updated_at: Timestamp,
}

/// A user's links.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkPage {
    /// In the order in which the systems were registered.
    pub items: Vec<LinkView>,
    /// Always `null`: one page holds them all.
    pub next_cursor: Option<String>,
}

/// The longest name, password or key, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// How long the system may take to say who it is; a person is waiting.
const ASK_WAIT: Duration = Duration::from_secs(15);

/// Links a user to themself in a system of the tenant, after the system has accepted the credential: from then on they
/// act there with their own rights. `ErpLinkRefused` if it refuses.
pub async fn link(cx: &Context, caller: &Caller, id: UserId, request: LinkUser) -> Result<LinkView, Problem> {
    let change = Change::new("link", "create")
        .of(RecordId::Number(id.0))
        .in_system(&request.system_id)
        .set("username", Some(&request.username))
        .without("password", request.password.is_some())
        .without("api_key", request.api_key.is_some());
    audited(cx, caller, change, add(cx, caller, id, request)).await
}

async fn add(cx: &Context, caller: &Caller, id: UserId, request: LinkUser) -> Result<LinkView, Problem> {
    let user = linkable(cx, caller, id).await?;
    let system = system(cx, &user, &request.system_id).await?;
    let secret = secret(&request, cx.erps.address(&system)?)?;
    let adapter = cx.erps.connect_as(&system, &request.username, &secret)?;
    let answer = tokio::time::timeout(ASK_WAIT, adapter.authenticate()).await;
    let is_refused = |error: &ErpError| error.kind == ErpErrorKind::Authentication;
    let erp_user_id = match answer {
        Ok(Ok(identity)) => identity.erp_user_id,
        Ok(Err(error)) if is_refused(&error) => {
            let message = Message::erp_link_refused(&error.message);
            return Err(Problem::of_erp(ProblemKind::ErpLinkRefused, message, error));
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => {
            let message = Message::system_too_slow(ASK_WAIT.as_secs());
            return Err(Problem::new(ProblemKind::ErpTimeout, message));
        }
    };
    let saved =
        cx.store.save_erp_link(user.tenant, user.id, system.key, &request.username, &secret, erp_user_id).await?;
    cx.records.rights_changed();
    Ok(view(saved, system.system_id.clone()))
}

/// A user's links: everybody may see their own, an admin everybody's.
pub async fn links(cx: &Context, caller: &Caller, id: UserId) -> Result<LinkPage, Problem> {
    let user = linkable(cx, caller, id).await?;
    let mut names: HashMap<SystemKey, SystemId> = cx.store.system_names(user.tenant).await?;
    let links = cx.store.erp_links(user.tenant, user.id).await?;
    let items = links.into_iter().filter_map(|link| names.remove(&link.system).map(|name| view(link, name))).collect();
    Ok(LinkPage { items, next_cursor: None })
}

/// Forgets a user's credential in a system; `NotFound` if there is none.
pub async fn unlink(cx: &Context, caller: &Caller, id: UserId, system_id: &SystemId) -> Result<(), Problem> {
    let change = Change::new("link", "delete").of(RecordId::Number(id.0)).in_system(system_id);
    audited(cx, caller, change, remove(cx, caller, id, system_id)).await
}

async fn remove(cx: &Context, caller: &Caller, id: UserId, system_id: &SystemId) -> Result<(), Problem> {
    let user = linkable(cx, caller, id).await?;
    let system = system(cx, &user, system_id).await?;
    if !cx.store.delete_erp_link(user.tenant, user.id, system.key).await? {
        return Err(Problem::new(ProblemKind::NotFound, Message::no_such_link()));
    }
    cx.records.rights_changed();
    Ok(())
}

async fn linkable(cx: &Context, caller: &Caller, id: UserId) -> Result<User, Problem> {
    if caller.user != id && !caller.is_admin() {
        return Err(Problem::new(ProblemKind::Forbidden, Message::others_for_admins_only()));
    }
    find(cx, caller.tenant, id).await
}

async fn system(cx: &Context, user: &User, system_id: &SystemId) -> Result<Arc<System>, Problem> {
    cx.erps.system_of(&cx.store, user.tenant, Some(system_id)).await
}

fn secret(request: &LinkUser, address: String) -> Result<LinkSecret, Problem> {
    let LinkUser { username, password, api_key, .. } = request;
    if username.is_empty() || username.len() > TEXT_BYTES_MAX || username.chars().any(char::is_control) {
        return Err(Problem::field("username", Reason::printable(TEXT_BYTES_MAX)));
    }
    let given = [("password", password), ("api_key", api_key)];
    for (field, text) in given {
        if text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(Problem::field(field, Reason::chars(1, TEXT_BYTES_MAX)));
        }
    }
    let api_key = api_key.clone().filter(|key| !key.is_empty());
    let password = password.clone().unwrap_or_default();
    if password.is_empty() && api_key.is_none() {
        return Err(Problem::field("password", Reason::password_or_key()));
    }
    Ok(LinkSecret { password, api_key, address })
}

fn view(link: ErpLink, system_id: SystemId) -> LinkView {
    LinkView {
        system_id,
        username: link.username,
        odoo_user_id: link.erp_user_id,
        created_at: link.created_at,
        updated_at: link.updated_at,
    }
}
