//! The business systems behind BridgeCore: one trait, one folder for each kind of system.
//!
//! A new kind of system is one folder and one line in [`connect`].

pub mod adapter;
pub mod error;
pub mod fake;
pub mod guard;
pub mod live;
pub mod odoo;
pub mod outbound;
pub mod pool;
mod tls;
#[cfg(test)]
mod wire;
pub mod write_key;
mod xmlrpc;

pub use adapter::{
    Adapter, Choice, Connection, DeviceState, ErpEvent, ErpField, ErpModel, FeedEvent, FeedInfo, FeedKind, Identity,
    KeptAnswer, NewKey, Protocol, SearchRead, ServerInfo, Work, Write,
};
pub use error::{ErpError, ErpErrorClass, ErpErrorKind};
pub use guard::{CircuitState, CircuitStatus, Entered, Guard, GuardOptions};
pub use outbound::{AddressKind, AddressRefused, Names, Outbound, OutboundRules, SystemNames};
pub use pool::{ClientOptions, SYSTEM_TYPES, connect};
pub use tls::tls_config;
