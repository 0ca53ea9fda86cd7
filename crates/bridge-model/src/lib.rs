//! The words of BridgeCore's domain and its pure rules.
//!
//! Nothing here does input or output and nothing here is asynchronous: every
//! type can be used from the store, the adapters, the service and the tests
//! alike. Time and randomness come in through [`clock`] and [`entropy`].

pub mod access;
pub mod address;
pub mod barcode;
pub mod change;
pub mod clock;
pub mod detection;
pub mod domain;
pub mod entropy;
pub mod ids;
pub mod mapping;
pub mod migration;
#[cfg(feature = "openapi")]
mod openapi;
mod pattern;
pub mod position;
pub mod time;

pub use access::{AllowList, ModelAccess, Operation};
pub use address::AddressBlock;
pub use change::{Change, Event, NewChange, Origin, Priority, RecordId};
pub use clock::Clock;
pub use detection::{ModelClass, Strategy};
pub use entropy::Entropy;
pub use ids::{AppType, DeviceId, InvalidId, MethodName, ModelName, SystemId, SystemKey, TenantId, UserId};
pub use pattern::is_among;
pub use position::{Epoch, Position, SourceId};
pub use time::Timestamp;
