//! Barcodes: which product, packaging or lot of a system a code stands for.

mod answer;
mod lookup;
mod places;
mod refused;

pub use answer::{BarcodeAnswer, BarcodeElement, BarcodeLot, BarcodePackaging, BarcodeProduct, Matched, ReadBarcode};
pub use lookup::{BarcodeQuery, lookup};
