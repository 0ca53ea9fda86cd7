//! Looking barcodes up through the API.

mod bad_input;
mod found;
mod rights;

use crate::records::Stage;
use crate::support::{Answer, Client, Setup};
use serde_json::json;
use url::form_urlencoded::byte_serialize;

/// What a lookup looks at.
const MODELS: [&str; 4] = ["product.product", "product.uom", "uom.uom", "stock.lot"];

/// The stage with everything opened that a lookup looks at.
async fn open(setup: Setup) -> Stage {
    let stage = Stage::new(setup).await;
    let read = json!({ "operations": ["read"] });
    stage.allow(MODELS.into_iter().map(|model| (model.to_owned(), read.clone())).collect()).await;
    stage
}

/// How often the system was asked for records of what a lookup looks at.
fn reads(stage: &Stage) -> u64 {
    MODELS.iter().map(|model| stage.erp.faults().calls(model, "search_read")).sum()
}

/// Asks for a barcode in the primary system.
async fn look_up(client: &Client, barcode: &str) -> Answer {
    let barcode: String = byte_serialize(barcode.as_bytes()).collect();
    client.get(&format!("/api/v1/barcode/lookup?barcode={barcode}")).await
}
