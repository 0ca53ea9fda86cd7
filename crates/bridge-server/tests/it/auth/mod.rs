//! Log-in, tokens, sessions and push keys.

mod first_admin;
mod login;
mod push_addresses;
mod push_key;
mod refresh;
mod tokens;
