//! Users and systems.

mod bad_input;
mod clean_up;
mod encryption;
mod front_door;
mod keys;
mod outbound;
mod probes;
mod systems;
mod users;
