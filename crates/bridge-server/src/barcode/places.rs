//! Where systems keep what barcodes stand for: that differs between the versions of Odoo.

use crate::records::ModelFields;

/// The model of products, one record for each variant.
pub(super) const PRODUCT: &str = "product.product";

/// The fields of a product that are answered, where the system has them.
pub(super) const PRODUCT_FIELDS: [&str; 7] =
    ["name", "barcode", "default_code", "lst_price", "list_price", "uom_id", "currency_id"];

/// The field with how much of a product is on hand.
pub(super) const ON_HAND: &str = "qty_available";

/// The model of units of measure.
pub(super) const UNIT: &str = "uom.uom";

/// How packagings are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packagings {
    /// Up to Odoo 18: each names its quantity.
    OfTheirOwn,
    /// From Odoo 19 on: a barcode for a product in a unit of measure, whose size is the quantity.
    AsUnits,
}

impl Packagings {
    /// How a system keeps them, which its products show; `None` if it has none.
    pub(super) fn of(product: &ModelFields) -> Option<Self> {
        let has = |name: &str| product.get(name).is_some();
        if has("product_uom_ids") {
            return Some(Self::AsUnits);
        }
        has("packaging_ids").then_some(Self::OfTheirOwn)
    }

    /// Their model.
    pub(super) fn model(self) -> &'static str {
        match self {
            Self::OfTheirOwn => "product.packaging",
            Self::AsUnits => "product.uom",
        }
    }

    /// Their fields.
    pub(super) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::OfTheirOwn => &["name", "barcode", "product_id", "qty"],
            Self::AsUnits => &["barcode", "product_id", "uom_id"],
        }
    }
}

/// The model of lots in a version of Odoo.
pub(super) fn lots(version: u32) -> &'static str {
    if version >= 16 { "stock.lot" } else { "stock.production.lot" }
}

/// The fields of a lot.
pub(super) const LOT_FIELDS: [&str; 3] = ["name", "product_id", "product_qty"];
