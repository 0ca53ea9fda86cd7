//! The description of the API, `/openapi.json`: made from the same table of routes that requests are matched against.
//!
//! What is served is the checked-in `docs/openapi.json`. A test makes the description and compares the two: making it at
//! every start would cost each service time, and memory that it would not give back.

#[cfg(test)]
mod describe;
#[cfg(test)]
mod finish;
mod problems;

#[cfg(test)]
pub(super) use describe::described;
pub(super) use problems::{ADMIN, BODY, ERP, QUERY, Refuses, TOKEN};

/// The whole description of the operations.
pub(super) const DESCRIPTION: &str = include_str!("../../../../../docs/openapi.json");

#[cfg(test)]
mod tests;
