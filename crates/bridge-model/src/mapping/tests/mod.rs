//! The maps there and back, and what a tenant lays over them.

mod filters;
mod shipped;

use super::entity::Source;
use super::*;
use crate::entropy::{Entropy as _, SeededEntropy};
use crate::migration::Version;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn words(version: Version) -> Words {
    words_with(version, BTreeMap::new())
}

fn words_with(version: Version, changes: BTreeMap<String, Override>) -> Words {
    Words::new(Arc::new(Maps::new().unwrap()), "odoo", version, Arc::new(changes))
}

/// A tenant's changes to contacts.
fn contact_changes(fields: &Value) -> BTreeMap<String, Override> {
    let changes = serde_json::from_value(json!({ "fields": fields })).unwrap();
    BTreeMap::from([("contact".to_owned(), changes)])
}

fn effective(entity: &str, version: Version) -> EntityMap {
    words(version).entity(entity).unwrap().unwrap()
}

/// The record in the system's words.
fn native(entity: &str, version: Version, record: Value) -> Result<Value, MappingError> {
    effective(entity, version).to_system(&words(version), &object(record)).map(Value::Object)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// Universal values that a field may have.
fn values_of(source: &Source) -> Vec<Value> {
    let named = source.values();
    let plain = [json!("some text"), json!(42), json!(true), json!([1, 2]), json!(null)];
    if named.is_empty() { plain.to_vec() } else { named }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers"
)]
fn pick(entropy: &SeededEntropy, of: usize) -> usize {
    (entropy.fraction() * of as f64) as usize
}

#[test]
fn every_universal_record_comes_back_as_it_was_in_every_version() {
    let entropy = SeededEntropy::new(30);
    let mut compared = 0;
    for version in Version::ALL {
        let words = words(version);
        for entity in words.entities() {
            let map = words.entity(entity).unwrap().unwrap();
            for _ in 0..20 {
                let mut record = Map::new();
                for (field, source) in map.fields.iter().filter(|(_, source)| source.access() == Access::ReadWrite) {
                    let values = values_of(source);
                    if entropy.fraction() < 0.7 {
                        record.insert(field.clone(), values[pick(&entropy, values.len())].clone());
                    }
                }
                let native = map.to_system(&words, &record).unwrap();
                let back = map.from_system(&native);
                for (field, value) in &record {
                    assert_eq!(Some(value), back.get(field), "{entity} {version} {field}: {native:?}");
                    compared += 1;
                }
                // And the other way round: what the system has is what is written there again.
                let mut writable = back.clone();
                writable.retain(|field, _| map.fields[field].access() == Access::ReadWrite);
                assert_eq!(map.to_system(&words, &writable).unwrap(), native, "{entity} {version}");
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn the_same_universal_record_is_written_in_the_words_of_each_version() {
    let line = json!({ "product_id": 7, "quantity": 2, "unit_id": 1, "tax_ids": [3], "line_type": "item" });
    let at = |version| native("order_line", version, line.clone()).unwrap();
    let common = json!({ "product_id": 7, "product_uom_qty": 2, "display_type": null });
    let with = |unit: &str, taxes: &str| {
        let mut native = common.clone();
        native[unit] = json!(1);
        native[taxes] = json!([3]);
        native
    };
    assert_eq!(at(Version::V13), with("product_uom", "tax_id"));
    assert_eq!(at(Version::V19), with("product_uom_id", "tax_ids"));
    let kind = |version| native("product", version, json!({ "kind": "stock" })).unwrap();
    assert_eq!(kind(Version::V14), json!({ "type": "product" }));
    assert_eq!(kind(Version::V17), json!({ "detailed_type": "product" }));
    assert_eq!(kind(Version::V19), json!({ "type": "consu", "is_storable": true }));
}

#[test]
fn lines_are_written_in_the_words_of_their_own_entity() {
    let order = json!({ "customer_id": 3, "line_ids": [
        { "action": "create", "data": { "product_id": 7, "tax_ids": [1] } },
        { "action": "update", "record_id": 9, "data": { "unit_id": 2 } },
        [0, 0, { "line_type": "section", "description": "Extras" }],
        { "action": "unlink", "record_id": 8 },
    ] });
    let at = |version| native("order", version, order.clone()).unwrap();
    let expected = |unit: &str, taxes: &str| {
        json!({ "partner_id": 3, "order_line": [
            { "action": "create", "data": { "product_id": 7, taxes: [1] } },
            { "action": "update", "record_id": 9, "data": { unit: 2 } },
            [0, 0, { "display_type": "line_section", "name": "Extras" }],
            { "action": "unlink", "record_id": 8 },
        ] })
    };
    assert_eq!(at(Version::V18), expected("product_uom", "tax_id"));
    assert_eq!(at(Version::V19), expected("product_uom_id", "tax_ids"));
    let wrong = json!({ "line_ids": [[4, 7], { "action": "create", "data": { "qantity": 7 } }] });
    let error = native("order", Version::V19, wrong).unwrap_err();
    assert_eq!((error.place.as_str(), error.entity.as_str()), ("line_ids[1].data.qantity", "order_line"));
    assert_eq!(error.problem, MappingProblem::Unknown(vec!["quantity".to_owned()]));
}

#[test]
fn computed_fields_are_read_and_never_written() {
    let contact = effective("contact", Version::V18);
    let record = json!({ "street": "1 Main Street", "street2": null, "zip": "123", "city": "Town", "x": 1 });
    let read = contact.from_system(&object(record));
    assert_eq!(read["full_address"], "1 Main Street, 123, Town");
    assert!(!read.contains_key("x") && !read.contains_key("any_phone"));
    for (phones, first) in [
        (json!({ "phone": "1", "mobile": "2" }), json!("1")),
        (json!({ "phone": null, "mobile": "2" }), json!("2")),
        (json!({ "phone": "", "mobile": null }), json!(null)),
    ] {
        assert_eq!(contact.from_system(&object(phones))["any_phone"], first);
    }
    for field in ["full_address", "any_phone", "id"] {
        let error = native("contact", Version::V18, json!({ field: "x" })).unwrap_err();
        assert_eq!((error.field.as_str(), error.problem), (field, MappingProblem::ReadOnly));
    }
}

#[test]
fn an_unknown_field_names_the_nearest_and_a_wrong_value_those_that_there_are() {
    let error = native("contact", Version::V19, json!({ "phnoe": "1" })).unwrap_err();
    assert_eq!(error.problem, MappingProblem::Unknown(vec!["phone".to_owned()]));
    // There is one phone number from 19.0 on.
    let error = native("contact", Version::V19, json!({ "mobile": "1" })).unwrap_err();
    assert!(matches!(error.problem, MappingProblem::Unknown(_)), "{error:?}");
    assert!(native("contact", Version::V18, json!({ "mobile": "1" })).is_ok());
    let known = |kinds: &[&str]| MappingProblem::Value(kinds.iter().map(|kind| json!(kind)).collect());
    let error = native("product", Version::V19, json!({ "kind": "gas" })).unwrap_err();
    assert_eq!(error.problem, known(&["stock", "consumable", "service", "combo"]));
    // Neither a word that there is not, nor the system's own.
    for kind in [json!("robot"), json!(true)] {
        let error = native("contact", Version::V19, json!({ "kind": kind })).unwrap_err();
        assert_eq!(error.problem, known(&["company", "person"]));
    }
    // A module may add values to a selection: those that have no word stay what they are.
    assert_eq!(
        native("product", Version::V17, json!({ "kind": "event" })).unwrap(),
        json!({ "detailed_type": "event" })
    );
    let error = native("product", Version::V17, json!({ "kind": "consu" })).unwrap_err();
    assert_eq!(error.problem, known(&["stock", "consumable"]));
}

#[test]
fn a_tenants_changes_lie_over_the_map() {
    let fields = json!({
        "loyalty": "x_loyalty",
        "phone": { "field": "x_phone" },
        "website": null,
        "grade": { "field": "x_grade", "values": [["gold", "1"], ["silver", "2"]] },
    });
    let words = words_with(Version::V17, contact_changes(&fields));
    let contact = words.entity("contact").unwrap().unwrap();
    let record = object(json!({ "name": "A", "loyalty": 5, "phone": "1", "grade": "gold" }));
    let native = contact.to_system(&words, &record).unwrap();
    assert_eq!(Value::Object(native), json!({ "name": "A", "x_loyalty": 5, "x_phone": "1", "x_grade": "1" }));
    assert!(contact.to_system(&words, &object(json!({ "website": "x" }))).is_err());
    assert_eq!(serde_json::to_value(words.changes("contact")).unwrap(), json!({ "fields": fields }));
}

#[test]
fn changes_that_can_not_hold_are_refused_with_the_reason() {
    let maps = Maps::new().unwrap();
    let case = |value: &str, when: Value| json!({ "value": value, "when": when });
    let cases = |one: Value, other: Value| json!({ "cases": [case("a", one), case("b", other)] });
    for (other, reason) in [
        (json!("email"), "same place"),
        (json!({}), "exactly one of"),
        (json!({ "field": "x", "join": ["y"] }), "exactly one of"),
        (json!({ "first": ["x"], "values": [["a", 1]] }), "exactly one of"),
        (json!("no name"), "letters"),
        (json!({ "join": ["a-b"] }), "letters"),
        (json!({ "field": "x", "values": [["a", 1], ["b", 1]] }), "two of its pairs"),
        (json!({ "field": "x", "values": [["a", 1], ["a", 2]] }), "two of its pairs"),
        (cases(json!({ "x": 1 }), json!({ "x": 1 })), "two of its cases"),
        (cases(json!({ "x": 1 }), json!({ "x": 1, "y": 2 })), "same fields"),
        (cases(json!({}), json!({})), "same fields"),
        (json!([{ "until": "15.0", "field": "x" }, { "from": "15.0", "field": "y" }]), "same version"),
        (json!({ "from": "18.0", "field": "email" }), "same place"),
        (json!({ "field": "x", "entity": "spaceship" }), "no entity"),
    ] {
        let changes = contact_changes(&json!({ "other": other }));
        let flaw = maps.check("odoo", "contact", changes.get("contact")).unwrap_err();
        assert!(flaw.reason.contains(reason), "{other}: {flaw}");
    }
    assert!(!maps.check("odoo", "spaceship", None).unwrap());
    assert!(!maps.check("sap", "contact", None).unwrap());
}

#[test]
fn a_map_tells_what_its_fields_are() {
    let described = effective("contact", Version::V19).describe();
    let kind = described.iter().find(|field| field.name == "kind").unwrap();
    assert_eq!((kind.access, kind.system_fields.as_slice()), (Access::ReadWrite, &["is_company".to_owned()][..]));
    let contact = effective("contact", Version::V19);
    assert!(contact.system_fields().contains("street2"));
    assert_eq!(contact.named_after("zip"), Some("postal_code"));
    assert_eq!(contact.named_after("x"), None);
}
