//! Field mapping: records in words that are the same for every system, and back.
//!
//! A universal entity (`contact`, `order_line`) has a map for each kind of system: which model it is there, and what each
//! of its fields is, version by version. The maps are data, compiled in; a tenant's own changes are laid over them. An
//! [`EntityMap`] is what holds for one entity in one version, with those changes: it turns records into universal ones
//! and back, and filters and orders into the system's. What it can't turn is an error that names the field and the
//! nearest ones that there are. [`Words`] are all the entities of a system, which lead to each other.

mod apply;
mod entity;
mod file;
mod filter;
mod nearest;
#[cfg(test)]
mod tests;
mod words;

pub use entity::{Access, Described, EntityMap, MapFlaw, Maps, MapsError, Override};
pub use words::{MappingError, MappingProblem, Words};
