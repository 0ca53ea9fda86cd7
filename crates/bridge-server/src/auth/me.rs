//! What a caller may know about themself.

use super::{Caller, ended};
use crate::audit::{Change, audited};
use crate::context::Context;
use crate::language::{Language, Reason};
use crate::problem::Problem;
use bridge_model::{RecordId, SystemId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// The caller, as they see themself.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Me {
    /// BridgeCore's id of the user.
    pub id: UserId,
    /// The name the user logs in with.
    pub username: String,
    /// `admin` or `user`.
    pub role: &'static str,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The user's id in the ERP, if linked.
    pub odoo_user_id: Option<i64>,
    /// The system in which they have that id.
    pub odoo_system_id: Option<SystemId>,
    /// The language of messages, if chosen.
    pub language: Option<String>,
    /// When the access token runs out.
    pub expires_at: Timestamp,
}

/// What a caller may change of themself.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct UpdateMe {
    /// The language of messages; `null` means as the client asks.
    #[serde(deserialize_with = "Option::deserialize")]
    pub language: Option<String>,
}

/// The longest language, in bytes.
const LANGUAGE_BYTES_MAX: usize = 32;

/// Checks the choice of a language: one that messages are in, also with a region (`ar_001`), as ERPs name them.
pub fn check_language(language: &str) -> Result<(), Problem> {
    let fits = language.len() <= LANGUAGE_BYTES_MAX
        && language.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@'));
    if fits && Language::of_tag(language).is_some() {
        Ok(())
    } else {
        Err(Problem::field("language", Reason::language()))
    }
}

/// Changes the caller. This session sees it at once, the user's others within `security.session_cache_ms`.
pub async fn update_me(cx: &Context, caller: Caller, request: UpdateMe) -> Result<Me, Problem> {
    request.language.as_deref().map_or(Ok(()), check_language)?;
    if request.language != caller.language {
        let change = Change::new("user", "update")
            .of(RecordId::Number(caller.user.0))
            .from(json!({ "language": caller.language }))
            .set("language", Some(&request.language));
        audited(cx, &caller, change, async {
            let language = request.language.as_deref();
            if cx.store.set_user_language(caller.tenant, caller.user, language).await? { Ok(()) } else { Err(ended()) }
        })
        .await?;
        cx.auth.sessions.forget(&*caller.session);
    }
    me(cx, Caller { language: request.language, ..caller }).await
}

/// The facts of a verified caller.
pub async fn me(cx: &Context, caller: Caller) -> Result<Me, Problem> {
    let odoo_system_id = match caller.odoo_system {
        Some(system) => cx.store.system_names(caller.tenant).await?.remove(&system),
        None => None,
    };
    Ok(Me {
        id: caller.user,
        username: caller.username.to_string(),
        role: caller.role.as_str(),
        tenant_id: caller.tenant,
        odoo_user_id: caller.odoo_user_id,
        odoo_system_id,
        language: caller.language,
        expires_at: caller.expires_at,
    })
}
