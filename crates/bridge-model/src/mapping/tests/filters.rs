//! Filters, orders and fields in universal words.

use super::*;
use crate::domain::Domain;

fn filter(entity: &str, version: Version, domain: &Value) -> Result<Value, MappingError> {
    let domain = Domain::parse(domain).unwrap();
    Ok(effective(entity, version).filter(&words(version), &domain)?.to_odoo_json())
}

#[test]
fn filters_are_asked_in_the_words_of_each_version() {
    for (entity, version, asked, expected) in [
        ("contact", Version::V19, json!([["postal_code", "=", "20000"]]), json!([["zip", "=", "20000"]])),
        ("contact", Version::V19, json!([["kind", "=", "company"]]), json!([["is_company", "=", true]])),
        (
            "order",
            Version::V16,
            json!(["|", ["status", "in", ["confirmed", "locked"]], "!", ["customer_reference", "ilike", "a"]]),
            json!(["|", ["state", "in", ["sale", "done"]], "!", ["client_order_ref", "ilike", "a"]]),
        ),
        ("product", Version::V17, json!([["kind", "!=", "stock"]]), json!([["detailed_type", "!=", "product"]])),
        (
            "product",
            Version::V19,
            json!([["kind", "=", "stock"], ["name", "like", "x"]]),
            json!(["&", "&", ["is_storable", "=", true], ["type", "=", "consu"], ["name", "like", "x"]]),
        ),
        (
            "product",
            Version::V19,
            json!([["kind", "not in", ["service", "combo"]]]),
            json!([
                "!",
                "|",
                "&",
                ["is_storable", "=", false],
                ["type", "=", "service"],
                "&",
                ["is_storable", "=", false],
                ["type", "=", "combo"]
            ]),
        ),
        // Over relations, in the words of the entity that they lead to.
        (
            "order_line",
            Version::V18,
            json!([["order_id.customer_id.postal_code", "=", "1"], ["unit_id", "=", 2]]),
            json!(["&", ["order_id.partner_id.zip", "=", "1"], ["product_uom", "=", 2]]),
        ),
        (
            "order",
            Version::V19,
            json!([["line_ids", "any", [["tax_ids", "in", [1]]]]]),
            json!([["order_line", "any", [["tax_ids", "in", [1]]]]]),
        ),
        (
            "order",
            Version::V18,
            json!([["line_ids.product_id.kind", "=", "stock"]]),
            json!([["order_line.product_id", "any", [["is_storable", "=", true], ["type", "=", "consu"]]]]),
        ),
        (
            "order",
            Version::V19,
            json!([["line_ids.product_id.kind", "!=", "stock"]]),
            json!([["order_line.product_id", "any", ["!", "&", ["is_storable", "=", true], ["type", "=", "consu"]]]]),
        ),
        (
            "order",
            Version::V17,
            json!([["order_date.month_number", "=", 3]]),
            json!([["date_order.month_number", "=", 3]]),
        ),
        ("order", Version::V19, json!([["id", "in", [1, 2]]]), json!([["id", "in", [1, 2]]])),
        ("order", Version::V19, json!([]), json!([])),
    ] {
        let found = filter(entity, version, &asked).unwrap();
        let canonical = |domain: &Value| Domain::parse(domain).unwrap();
        assert_eq!(canonical(&found), canonical(&expected), "{asked} became {found}");
    }
}

#[test]
fn what_stands_for_several_fields_is_asked_field_by_field_of_a_version_without_any() {
    let case =
        |value: &str, one: i64, other: i64| json!({ "value": value, "when": { "x_one": one, "x_other": other } });
    let grade = json!({ "grade": { "cases": [case("gold", 1, 1), case("silver", 1, 2)] } });
    let asked = Domain::parse(&json!([["customer_id.grade", "!=", "gold"]])).unwrap();
    for (version, expected) in [
        (Version::V16, json!(["!", "&", ["partner_id.x_one", "=", 1], ["partner_id.x_other", "=", 1]])),
        (Version::V17, json!([["partner_id", "any", ["!", "&", ["x_one", "=", 1], ["x_other", "=", 1]]]])),
    ] {
        let words = words_with(version, contact_changes(&grade));
        let found = words.entity("order").unwrap().unwrap().filter(&words, &asked).unwrap();
        assert_eq!(found, Domain::parse(&expected).unwrap(), "{version}");
    }
}

#[test]
fn what_can_not_be_asked_is_named() {
    let near = |name: &str| MappingProblem::Unknown(vec![name.to_owned()]);
    for (entity, asked, place, problem) in [
        ("contact", json!([["zip_code", "=", "1"]]), "zip_code", MappingProblem::Unknown(vec![])),
        ("contact", json!([["webside", "=", "1"]]), "webside", near("website")),
        ("order", json!([["customer_id.phnoe", "=", "1"]]), "customer_id.phnoe", near("phone")),
        ("order", json!([["line_ids", "any", [["qantity", ">", 1]]]]), "line_ids.qantity", near("quantity")),
        ("contact", json!([["full_address", "ilike", "x"]]), "full_address", MappingProblem::NotSearched),
        ("product", json!([["kind", "ilike", "sto"]]), "kind", MappingProblem::NotSearched),
        ("contact", json!([["state_id.code", "=", "x"]]), "state_id", MappingProblem::NotARelation),
        ("contact", json!([["email", "any", [["x", "=", 1]]]]), "email", MappingProblem::NotARelation),
        (
            "contact",
            json!([["kind", "in", ["company", "robot"]]]),
            "kind",
            MappingProblem::Value(vec![json!("company"), json!("person")]),
        ),
    ] {
        let error = filter(entity, Version::V19, &asked).unwrap_err();
        assert_eq!((error.place.as_str(), error.problem), (place, problem));
    }
}

#[test]
fn orders_and_fields_have_the_words_of_the_system() {
    let contact = effective("contact", Version::V19);
    assert_eq!(contact.order("postal_code desc,  name , id").unwrap(), "zip desc, name, id");
    assert_eq!(contact.order("").unwrap(), "");
    assert_eq!(contact.order("full_address").unwrap_err().problem, MappingProblem::NotSearched);
    assert!(matches!(contact.order("nmae asc").unwrap_err().problem, MappingProblem::Unknown(_)));
    assert_eq!(contact.made_of("kind").unwrap(), ["is_company"]);
    assert_eq!(contact.made_of("full_address").unwrap(), ["street", "street2", "zip", "city"]);
    assert_eq!(effective("product", Version::V19).made_of("kind").unwrap(), ["is_storable", "type"]);
    assert!(matches!(contact.made_of("nmae").unwrap_err().problem, MappingProblem::Unknown(_)));
}
