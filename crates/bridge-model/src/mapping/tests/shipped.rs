//! The maps that come with the program, against what Odoo really has.

use super::*;
use crate::migration::{PackName, RulePack, RulePacks};
use std::collections::HashSet;

/// The fields that a running Odoo 17.0 and 19.0 told of the models (of `crm.lead`: some that its source declares), one
/// model a line.
const ODOO_FIELDS: &str = include_str!("odoo_fields.txt");

/// The fields that Odoo told of a model in this version.
fn told(version: Version, model: &str) -> Option<HashSet<&'static str>> {
    ODOO_FIELDS.lines().find_map(|line| {
        let mut words = line.split(' ');
        let is_it = words.next() == Some(version.as_str()) && words.next() == Some(model);
        is_it.then(|| words.collect())
    })
}

/// Whether a model of Odoo has a field in this version: by what Odoo told of it, and for the versions that told nothing by
/// what changed on the way to the nearest one that did.
fn has(odoo: &RulePack, model: &str, version: Version, field: &str) -> bool {
    if let Some(fields) = told(version, model) {
        return fields.contains(field);
    }
    // The nearest change of the field on either side has to take it from here, not to bring it there.
    for end in [Version::V13, Version::V19] {
        for step in odoo.plan(model, version, end).changes() {
            let is = |name: &String| name == field;
            let is_taken = step.removed_fields.iter().any(is)
                || step.converted_fields.iter().any(is)
                || step.renamed_fields.iter().any(|(before, _)| before == field);
            if is_taken {
                break;
            }
            if step.added_fields.iter().any(is) || step.renamed_fields.iter().any(|(_, after)| after == field) {
                return false;
            }
        }
    }
    let ends = [Version::V17, Version::V19].into_iter().filter_map(|end| Some((end, told(end, model)?)));
    ends.into_iter().any(|(end, fields)| {
        let names = odoo.plan(model, version, end).fate(field).names;
        // What some change takes away was there.
        names.is_empty() || names.iter().any(|name| fields.contains(name.as_str()))
    })
}

#[test]
fn every_field_of_the_maps_is_one_that_odoo_has_in_that_version() {
    let packs = RulePacks::new().unwrap();
    let odoo = packs.get(PackName::Odoo);
    let mut found = 0;
    for version in Version::ALL {
        let words = words(version);
        for entity in words.entities() {
            let map = words.entity(entity).unwrap().unwrap();
            for field in map.system_fields() {
                assert!(has(odoo, &map.model, version, field), "{version} {entity}: {} has no {field}", map.model);
                found += 1;
            }
        }
    }
    assert!(found > 1_200, "{found}");
    // What the test itself must see.
    for (model, version, field) in [
        ("sale.order.line", Version::V18, "tax_ids"),
        ("sale.order.line", Version::V19, "tax_id"),
        ("product.product", Version::V14, "priority"),
        ("res.partner", Version::V19, "mobile"),
        ("res.partner", Version::V16, "nickname"),
        ("account.move", Version::V13, "move_type"),
        ("project.task", Version::V16, "state"),
        ("project.task", Version::V18, "kanban_state"),
        ("crm.lead", Version::V13, "expected_revenues"),
    ] {
        assert!(!has(odoo, model, version, field), "{model} {version} {field}");
    }
}

#[test]
fn there_are_maps_for_the_entities_of_a_business() {
    let words = words(Version::V19);
    let entities: Vec<&String> = words.entities().collect();
    for entity in [
        "contact",
        "product",
        "order",
        "order_line",
        "invoice",
        "invoice_line",
        "payment",
        "purchase_order",
        "purchase_order_line",
        "stock_transfer",
        "stock_move",
        "employee",
        "task",
        "lead",
        "product_category",
        "user",
    ] {
        assert!(entities.iter().any(|known| *known == entity), "{entity}");
    }
    assert!(words.entity("spaceship").unwrap().is_none());
}
