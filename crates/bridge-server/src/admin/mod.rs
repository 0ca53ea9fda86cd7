//! Managing a tenant: its users and its systems.

pub mod cache;
mod fields;
pub mod systems;
pub mod users;
