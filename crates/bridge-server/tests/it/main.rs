//! The service's tests, through its front door.

mod admin;
mod auth;
mod support;
