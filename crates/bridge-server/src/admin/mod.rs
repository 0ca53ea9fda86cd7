//! Managing a tenant: its users and its systems.

mod fields;
pub mod systems;
pub mod users;

pub use fields::PASSWORD_CHARS_MIN;
pub(crate) use fields::check_username;
