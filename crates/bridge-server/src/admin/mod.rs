//! Managing a tenant: its users and its systems.

mod fields;
pub mod systems;
pub mod users;
