//! Webhooks v1: lists, counts, and trying dead letters again.

mod bad_input;
mod check_updates;
mod dead_letters;
mod events;
pub(crate) mod retry;
mod statistics;
mod visibility;

use serde_json::Value;

/// The path of the list.
const EVENTS: &str = "/api/v1/webhooks/events";

/// The positions of a page of the list.
fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect()
}

/// No positions.
const NONE: [i64; 0] = [];
