//! `/api/v1/barcode…`

use super::records::RECORDS;
use crate::api::extract::Query;
use crate::api::openapi::{ERP, QUERY, Refuses as _, TOKEN};
use crate::auth::Caller;
use crate::barcode::{self, BarcodeAnswer, BarcodeQuery};
use crate::context::Context;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new().routes(routes!(lookup).refusing(&[TOKEN, QUERY, ERP, RECORDS]))
}

/// Look a barcode up
///
/// Products by their barcode, in every form that the same number can be written in; then packagings, and lots and serial
/// numbers by their name. A GS1 element string is looked up by its item, and its lot among those of the product. Any
/// other code is looked up as it is, also as a product's internal reference. A number whose check digit is wrong is
/// refused, unless the system has just that number.
///
/// The rights are those for records: products must be open to the caller; packagings and lots that are not are named in
/// `not_searched`.
#[utoipa::path(
    get,
    path = "/api/v1/barcode/lookup",
    operation_id = "lookUpBarcode",
    tag = "Records",
    params(BarcodeQuery),
    responses((
        status = 200,
        description = "What the barcode stands for.",
        body = BarcodeAnswer,
        example = json!({
            "success": true, "matched": "product",
            "product": {
                "id": 456, "name": "Product XYZ", "barcode": "6281000000120", "default_code": "XYZ", "price": 99.99,
                "currency": "SAR", "quantity": 150.0, "unit": "Units"
            },
            "packaging": null, "lot": null,
            "barcode": { "text": "6281000000120", "form": "ean13", "gtin": "06281000000120", "elements": [] },
            "other_product_ids": [], "not_searched": []
        })
    ))
)]
async fn lookup(
    State(cx): State<Context>,
    caller: Caller,
    Query(query): Query<BarcodeQuery>,
) -> Result<Json<BarcodeAnswer>, Problem> {
    barcode::lookup(&cx, &caller, &query).await.map(Json)
}
