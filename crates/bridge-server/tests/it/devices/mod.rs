//! The devices of users.

mod clean_up;
mod list;

use crate::support::Client;
use serde_json::Value;

/// The path of the list.
const DEVICES: &str = "/api/v1/devices";

/// The ids of a user's devices.
async fn names(client: &Client, query: &str) -> Vec<String> {
    let page = client.get(&format!("{DEVICES}{query}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(name).collect()
}

fn name(device: &Value) -> String {
    device["device_id"].as_str().unwrap().to_owned()
}
