//! What a lookup answers.

use super::places::ON_HAND;
use crate::records::Record;
use bridge_model::barcode::{Barcode, Element, Gtin};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What a barcode stands for.
#[derive(Debug, Serialize, ToSchema)]
pub struct BarcodeAnswer {
    /// Always true; failures have the error shape.
    pub success: bool,
    /// By what the product was found.
    pub matched: Matched,
    /// The product, one variant of it where it has several.
    pub product: BarcodeProduct,
    /// The packaging that the barcode is on.
    pub packaging: Option<BarcodePackaging>,
    /// The lot or serial number that the barcode names, if the system has it.
    pub lot: Option<BarcodeLot>,
    /// How the barcode was read.
    pub barcode: ReadBarcode,
    /// Other products that the same barcode stands for, as can be where a system has several companies.
    pub other_product_ids: Vec<i64>,
    /// The models that were not looked at, since they are not open to the caller.
    pub not_searched: Vec<String>,
}

/// By what a product was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matched {
    /// Its own barcode.
    Product,
    /// Its internal reference.
    Reference,
    /// The barcode of a packaging.
    Packaging,
    /// The name of a lot or a serial number.
    Lot,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BarcodeProduct {
    /// Its id, in `product.product`.
    pub id: i64,
    /// Its name.
    pub name: Option<String>,
    /// Its own barcode.
    pub barcode: Option<String>,
    /// Its internal reference.
    pub default_code: Option<String>,
    /// The sales price of one unit, in `currency`.
    pub price: Option<f64>,
    /// The currency of the price, where the system tells.
    pub currency: Option<String>,
    /// How much of it is on hand, in `unit`; null where the system keeps no stock, or the caller may not see it.
    pub quantity: Option<f64>,
    /// Its unit of measure.
    pub unit: Option<String>,
}

/// A packaging.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BarcodePackaging {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: Option<String>,
    /// Its barcode.
    pub barcode: Option<String>,
    /// How many units of the product it holds, where the caller may see that.
    pub quantity: Option<f64>,
}

/// A lot, or a single piece with a serial number.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BarcodeLot {
    /// Its id.
    pub id: i64,
    /// Its name, the number itself.
    pub name: Option<String>,
    /// How much of it is on hand.
    pub quantity: Option<f64>,
}

/// A barcode as it was read.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadBarcode {
    /// The barcode as it was sent, without white space around it.
    pub text: String,
    /// `ean8`, `upc_a`, `ean13`, `gtin14`, `gs1` for a GS1 element string, `own` for any other code.
    #[schema(pattern = "^(ean8|upc_a|ean13|gtin14|gs1|own)$")]
    pub form: &'static str,
    /// The number of the trade item with 14 digits, where the barcode has one.
    pub gtin: Option<String>,
    /// The elements of a GS1 string, in its order.
    pub elements: Vec<BarcodeElement>,
}

/// An element of a GS1 string.
#[derive(Debug, Serialize, ToSchema)]
pub struct BarcodeElement {
    /// The application identifier, `17`.
    pub identifier: String,
    /// What the value is, in one word, `expiry_date`.
    pub meaning: &'static str,
    /// The value: days as `2026-12-31`, measures with their decimal point.
    pub value: String,
    /// The unit of a measure, `kg`.
    pub unit: Option<&'static str>,
}

impl ReadBarcode {
    pub(super) fn of(text: &str, barcode: &Barcode) -> Self {
        let full = |gtin: &Gtin| gtin.at_full_length().to_owned();
        let (form, gtin, elements) = match barcode {
            Barcode::Gtin(gtin) => (gtin.form().as_str(), Some(full(gtin)), Vec::new()),
            Barcode::Elements(all) => ("gs1", all.gtin().as_ref().map(full), all.iter().map(element).collect()),
            Barcode::Own(_) => ("own", None, Vec::new()),
        };
        Self { text: text.trim().to_owned(), form, gtin, elements }
    }
}

fn element(element: &Element) -> BarcodeElement {
    let Element { identifier, meaning, value, unit } = element.clone();
    BarcodeElement { identifier, meaning, value, unit }
}

impl BarcodeProduct {
    pub(super) fn of(id: i64, row: &Record) -> Self {
        Self {
            id,
            name: text(row, "name"),
            barcode: text(row, "barcode"),
            default_code: text(row, "default_code"),
            // The price of this variant, or that of all variants.
            price: number(row, "lst_price").or_else(|| number(row, "list_price")),
            currency: linked(row, "currency_id").1,
            quantity: number(row, ON_HAND),
            unit: linked(row, "uom_id").1,
        }
    }
}

pub(super) fn text(row: &Record, field: &str) -> Option<String> {
    row.get(field).and_then(Value::as_str).map(str::to_owned)
}

pub(super) fn number(row: &Record, field: &str) -> Option<f64> {
    row.get(field).and_then(Value::as_f64)
}

pub(super) fn id(row: &Record) -> Option<i64> {
    row.get("id").and_then(Value::as_i64)
}

/// The id and the name of the record that a field leads to.
pub(super) fn linked(row: &Record, field: &str) -> (Option<i64>, Option<String>) {
    let pair = row.get(field).and_then(Value::as_array);
    let part = |at: usize| pair.and_then(|pair| pair.get(at));
    (part(0).and_then(Value::as_i64), part(1).and_then(Value::as_str).map(str::to_owned))
}
