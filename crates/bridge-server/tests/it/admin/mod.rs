//! Users and systems.

mod bad_input;
mod probes;
mod systems;
mod users;
