//! The BridgeCore service: everything between the sockets of the apps and the business systems.
//!
//! [`app`] puts the parts together; `main` and the tests start the same thing.

pub mod admin;
pub mod alerts;
pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod backoff;
pub mod barcode;
pub mod batch;
pub mod cli;
pub mod config;
pub mod context;
pub mod demo;
pub mod detection;
pub mod devices;
pub mod erps;
pub mod files;
pub mod fresh;
pub mod hub;
pub mod ingest;
pub mod jobs;
pub mod language;
pub mod limits;
pub mod mapping;
pub mod metrics;
pub mod migration;
pub mod mirror;
pub mod problem;
pub mod records;
pub mod redis;
pub mod serve;
pub mod supervise;
pub mod sync;
pub mod tasks;
pub mod telemetry;
pub mod webhooks;

pub use context::Context;
pub use problem::{Problem, ProblemKind};
