//! The rules for how a system may be reached.

use crate::context::Context;
use crate::erps::parse_connection;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_erp::odoo::database::DatabaseError;
use bridge_erp::pool::SYSTEM_TYPES;
use bridge_erp::{AddressKind, AddressRefused, Connection};
use bridge_model::AddressBlock;
use serde_json::Value;
use url::Url;

/// Checks that this kind of system is known.
pub(super) fn check_system_type(system_type: &str) -> Result<(), Problem> {
    if SYSTEM_TYPES.contains(&system_type) {
        return Ok(());
    }
    Err(Problem::field("system_type", Reason::one_of(SYSTEM_TYPES.join(", "))))
}

/// The most blocks of addresses that a push key can be bound to.
const PUSH_ADDRESSES_MAX: usize = 100;

/// The blocks of addresses that a push key shall be bound to, each once.
pub(super) fn push_addresses(mut blocks: Vec<AddressBlock>) -> Result<Vec<AddressBlock>, Problem> {
    if blocks.len() > PUSH_ADDRESSES_MAX {
        return Err(Problem::field("push_allowed_addresses", Reason::items(0, PUSH_ADDRESSES_MAX)));
    }
    blocks.sort_unstable();
    blocks.dedup();
    Ok(blocks)
}

/// Checks a `connection_config` without connecting to anything.
pub(super) fn check_connection(config: &Value) -> Result<(), Problem> {
    let connection = parse_connection(config)?;
    check_url(&connection.url)?;
    let Connection { database, username, password, api_key, timeout_ms, postgres_url, .. } = &connection;
    for (field, value) in [("database", database), ("username", username)] {
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(Problem::field(&format!("connection_config.{field}"), Reason::not_empty()));
        }
    }
    if password.is_empty() && api_key.as_deref().is_none_or(str::is_empty) {
        return Err(Problem::field("connection_config.password", Reason::password_or_key()));
    }
    if let Some(url) = postgres_url {
        let refused = |error: DatabaseError| {
            Problem::field("connection_config.postgres_url", Reason::connection_unusable(error.message))
        };
        bridge_erp::odoo::database::check_url(url).map_err(refused)?;
    }
    if *timeout_ms == Some(0) {
        return Err(Problem::field("connection_config.timeout_ms", Reason::greater_than_0()));
    }
    Ok(())
}

/// Checks that a system may be connected to at its addresses, as far as that is known now: names are looked up, for a short
/// time, and those that are not found may be later. What they lead to is checked again whenever a connection is made.
pub(super) async fn check_addresses(cx: &Context, config: &Value) -> Result<(), Problem> {
    let Connection { url, postgres_url, .. } = parse_connection(config)?;
    let outbound = cx.erps.outbound();
    let refused = |field: &str, refused: AddressRefused| {
        let kind = refused.kind.as_str();
        let reason = match refused.kind {
            AddressKind::Private => Reason::address_private(),
            _ => Reason::address_refused(kind),
        };
        Err(Problem::field(field, reason).with("address_kind", kind).caused_by(refused))
    };
    let url = Url::parse(url.trim()).ok();
    if let Some(told) = async { outbound.refusal(url.as_ref()?).await }.await {
        return refused("connection_config.url", told);
    }
    if let Some(told) = async { bridge_erp::odoo::database::refusal(postgres_url.as_deref()?, outbound).await }.await {
        return refused("connection_config.postgres_url", told);
    }
    Ok(())
}

/// The address is shown to admins and appears in logs, so that no secret may be in it.
fn check_url(text: &str) -> Result<(), Problem> {
    let refuse = |reason| Err(Problem::field("connection_config.url", reason));
    let Ok(url) = Url::parse(text) else { return refuse(Reason::url()) };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse(Reason::url_scheme());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse(Reason::url_host());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(Reason::url_without_secret());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(Reason::url_base());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{Message, Texts};

    #[test]
    fn addresses_that_are_no_base_address_are_refused_with_the_reason() {
        for (url, reason) in [
            ("odoo.example.com", Reason::url()),
            ("ftp://odoo.example.com", Reason::url_scheme()),
            ("https://", Reason::url()),
            ("https://admin:hush@odoo.example.com", Reason::url_without_secret()),
            ("https://odoo.example.com/?db=x", Reason::url_base()),
        ] {
            let problem = check_url(url).unwrap_err();
            assert_eq!(problem.message, Message::about("connection_config.url", reason), "{url}");
        }
        check_url("http://127.0.0.1:8069").unwrap();
        check_url("https://example.com/odoo").unwrap();
    }

    #[test]
    fn the_address_of_the_database_is_checked_and_not_quoted() {
        let config = |postgres_url: &str| {
            serde_json::json!({
                "url": "https://odoo.example.com", "database": "odoo", "username": "bridge", "password": "p",
                "postgres_url": postgres_url,
            })
        };
        check_connection(&config("postgres://capture:hush@db.example.com/odoo")).unwrap();
        let problem = check_connection(&config("postgres://capture:hush@db.example.com")).unwrap_err();
        let told = Texts::new().unwrap().english(&problem.message);
        assert!(told.contains("names no database"), "{told}");
        assert_eq!(problem.details["field"], "connection_config.postgres_url");
        assert!(!format!("{problem:?}").contains("hush"));
    }
}
