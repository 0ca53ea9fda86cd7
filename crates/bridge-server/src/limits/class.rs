//! What kinds of request there are, and who makes them.

use crate::auth::Caller;
use crate::records::Action;
use bridge_model::entropy::hex;
use bridge_model::{SystemKey, TenantId, UserId};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::net::IpAddr;

/// A kind of request, each with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Log-ins, refreshed tokens, linked credentials.
    Authentication,
    /// Reading what has no class of its own.
    Reads,
    /// Creating, changing and calling.
    Writes,
    /// Deleting.
    Deletes,
    /// Many operations in one request.
    Batch,
    /// Files, in and out.
    Files,
    /// Asking for changes.
    WebhookEvents,
    /// Taking events from an ERP.
    WebhookReceive,
    /// Pulling.
    SyncPull,
    /// Asking how far a device is, and confirming.
    SyncState,
    /// Letting a device start over.
    SyncReset,
}

impl Class {
    /// All of them, in their order.
    pub(super) const ALL: [Self; 11] = [
        Self::Authentication,
        Self::Reads,
        Self::Writes,
        Self::Deletes,
        Self::Batch,
        Self::Files,
        Self::WebhookEvents,
        Self::WebhookReceive,
        Self::SyncPull,
        Self::SyncState,
        Self::SyncReset,
    ];

    /// What it is called in the settings, in answers and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Deletes => "deletes",
            Self::Batch => "batch",
            Self::Files => "files",
            Self::WebhookEvents => "webhook_events",
            Self::WebhookReceive => "webhook_receive",
            Self::SyncPull => "sync_pull",
            Self::SyncState => "sync_state",
            Self::SyncReset => "sync_reset",
        }
    }
}

impl From<Action> for Class {
    fn from(action: Action) -> Self {
        match action {
            Action::Read | Action::Search | Action::Count | Action::Fields => Self::Reads,
            // What a method does is not known: it may write.
            Action::Create | Action::Update | Action::Call => Self::Writes,
            Action::Delete => Self::Deletes,
        }
    }
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// A user.
    User(TenantId, UserId),
    /// The push key of a system.
    PushKey(TenantId, SystemKey),
    /// Whoever tries a name from an address; the hash of both, so that long names take no more memory than short ones.
    Login([u8; 16]),
}

impl Who {
    /// A name that is tried from an address, whether it exists or not; `None` is this process itself. Who does not know
    /// the password can keep themself out by it, and nobody who is elsewhere.
    pub fn login(username: &str, peer: Option<IpAddr>) -> Self {
        let mut hash = Sha256::new().chain_update(username).chain_update([0]);
        match peer.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => hash.update(ip.octets()),
            // A network of this size is one customer's, who can take any address in it.
            Some(IpAddr::V6(ip)) => hash.update(&ip.octets()[..8]),
            None => {}
        }
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Self::Login(half)
    }
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        Self::User(caller.tenant, caller.user)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(tenant, user) => write!(f, "user:{}:{}", tenant.0, user.0),
            Self::PushKey(tenant, system) => write!(f, "key:{}:{}", tenant.0, system.0),
            Self::Login(hash) => write!(f, "login:{}", hex(hash)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_counted_for_each_address_it_is_tried_from() {
        let from = |ip: &str| Who::login("admin", Some(ip.parse().unwrap()));
        assert_eq!(from("192.0.2.1"), from("::ffff:192.0.2.1"));
        assert_eq!(from("2001:db8:0:1::1"), from("2001:db8:0:1:ffff::7"));
        let apart = [
            from("192.0.2.1"),
            from("192.0.2.2"),
            from("2001:db8:0:1::1"),
            from("2001:db8:0:2::1"),
            Who::login("admin", None),
            Who::login("root", Some("192.0.2.1".parse().unwrap())),
        ];
        for (at, who) in apart.iter().enumerate() {
            assert!(!apart[..at].contains(who), "{at}");
        }
    }

    #[test]
    fn classes_stand_at_their_places() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
    }
}
