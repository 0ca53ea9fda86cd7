//! The documented app types and their models.

use std::collections::BTreeMap;

/// The documented table; `mobile_app` has an empty list, which means all tracked models.
pub(super) fn documented() -> BTreeMap<String, Vec<String>> {
    let table: [(&str, &[&str]); 5] = [
        ("sales_app", &["sale.order", "sale.order.line", "res.partner", "product.template", "product.product"]),
        ("delivery_app", &["stock.picking", "stock.move", "stock.move.line", "res.partner"]),
        ("warehouse_app", &["stock.picking", "stock.move", "stock.quant", "product.product", "stock.location"]),
        ("manager_app", &["sale.order", "purchase.order", "account.move", "hr.expense", "project.project"]),
        ("mobile_app", &[]),
    ];
    table.iter().map(|(app, models)| ((*app).to_owned(), models.iter().map(|m| (*m).to_owned()).collect())).collect()
}
