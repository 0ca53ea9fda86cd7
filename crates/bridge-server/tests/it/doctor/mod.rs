//! `bridgecore doctor`: the binary itself, on a service and systems that are broken one by one.

mod capture;
pub(crate) mod run;
mod service;
mod systems;
