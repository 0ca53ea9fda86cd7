//! Rules of which each stands for a kind.

use super::*;
use Version::{V13, V14, V15, V16, V17, V18, V19};

fn odoo(model: &str, from: Version, to: Version, record: Value) -> (Value, Vec<Warning>) {
    carried(PackName::Odoo, model, from, to, record)
}

#[test]
fn names_that_are_swapped_in_one_hop_do_not_overwrite_each_other() {
    let before = json!({ "total_amount": 119.0, "total_amount_company": 100.0 });
    let after = json!({ "total_amount_currency": 119.0, "total_amount": 100.0 });
    assert_eq!(odoo("hr.expense", V16, V17, before.clone()).0, after);
    assert_eq!(odoo("hr.expense", V17, V16, after).0, before);
    let before = json!({ "planned_revenue": 1000.0, "expected_revenue": 250.0 });
    let after = json!({ "expected_revenue": 1000.0, "prorated_revenue": 250.0 });
    assert_eq!(odoo("crm.lead", V13, V14, before).0, after);
}

#[test]
fn a_field_that_is_split_comes_together_again() {
    let (order, warnings) = odoo("sale.order", V16, V17, json!({ "name": "S1", "state": "done" }));
    assert_eq!(order, json!({ "name": "S1", "state": "sale", "locked": true }));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(odoo("sale.order", V17, V16, order).0, json!({ "name": "S1", "state": "done" }));
    assert_eq!(odoo("sale.order", V16, V17, json!({ "state": "sent" })).0, json!({ "state": "sent" }));
    let storable = json!({ "type": "consu", "is_storable": true });
    let (product, _) = odoo("product.template", V14, V18, json!({ "type": "product" }));
    assert_eq!(product, storable);
    assert_eq!(odoo("product.template", V18, V14, product).0, json!({ "type": "product" }));
    // A variant shows the fields of its template as its own.
    assert_eq!(odoo("product.product", V17, V18, json!({ "detailed_type": "product" })).0, storable);
}

#[test]
fn a_field_that_is_empty_is_no_reason_to_leave_what_is_there() {
    let both = json!({ "location_dest_id": 5, "location_final_id": 8 });
    assert_eq!(odoo("stock.move", V18, V17, both).0, json!({ "location_dest_id": 8 }));
    let one = json!({ "location_dest_id": 5, "location_final_id": null });
    assert_eq!(odoo("stock.move", V18, V17, one).0, json!({ "location_dest_id": 5 }));
    let done = json!({ "state": "done", "qty_done": 3.5 });
    assert_eq!(odoo("stock.move.line", V16, V17, done).0, json!({ "state": "done", "quantity": 3.5, "picked": true }));
}

#[test]
fn two_fields_that_are_merged_say_what_can_not_come_back() {
    let (task, warnings) = odoo("project.task", V16, V17, json!({ "kanban_state": "blocked", "is_closed": false }));
    assert_eq!(task, json!({ "state": "02_changes_requested" }));
    assert_eq!(
        kinds(&warnings),
        [(WarningKind::ValueNotKept, "kanban_state"), (WarningKind::ValueNotKept, "is_closed")]
    );
    assert!(
        warnings.iter().all(|warning| warning.records == 1),
        "one record, however many of its fields: {warnings:?}"
    );
    let (partner, warnings) = odoo("res.partner", V18, V19, json!({ "phone": "1", "mobile": "2" }));
    assert_eq!(partner, json!({ "phone": "1 // 2" }));
    assert_eq!(warnings.len(), 2);
    assert_eq!(odoo("res.partner", V19, V18, partner).0, json!({ "phone": "1", "mobile": "2" }));
    let (partner, warnings) = odoo("res.partner", V18, V19, json!({ "phone": "1", "mobile": null }));
    assert_eq!((partner, warnings), (json!({ "phone": "1" }), vec![]));
}

#[test]
fn values_and_forms_change_on_the_whole_way_and_back() {
    let before = json!({ "name": "T", "user_id": 5, "planned_hours": 2.5, "date_deadline": "2024-03-01" });
    let after =
        json!({ "name": "T", "user_ids": [5], "allocated_hours": 2.5, "date_deadline": "2024-03-01T00:00:00Z" });
    assert_eq!(odoo("project.task", V14, V19, before.clone()).0, after);
    assert_eq!(odoo("project.task", V19, V14, after).0, before);
    let before = json!({ "comment": "a < b\nc" });
    let after = json!({ "comment": "<p>a &lt; b<br>c</p>" });
    assert_eq!(odoo("res.partner", V13, V19, before.clone()).0, after);
    assert_eq!(odoo("res.partner", V19, V13, after).0, before);
    let (line, warnings) =
        odoo("account.move.line", V16, V15, json!({ "analytic_distribution": { "3": 60, "4": 40 } }));
    assert_eq!(line, json!({ "analytic_account_id": 3 }));
    assert_eq!(kinds(&warnings), [(WarningKind::ValueNotKept, "analytic_distribution")]);
}

#[test]
fn what_a_version_does_not_have_is_told_with_field_model_and_version() {
    let (partner, warnings) = odoo("res.partner", V17, V18, json!({ "name": "A", "team_id": 3, "date": null }));
    assert_eq!(partner, json!({ "name": "A" }));
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert_eq!(warning.kind, WarningKind::FieldMissing);
    assert_eq!(
        (warning.field.as_deref(), warning.model.as_str(), warning.version),
        (Some("team_id"), "res.partner", V18)
    );
    assert_eq!(warning.records, 1);
    let (partner, warnings) = odoo("res.partner", V18, V17, json!({ "name": "A", "autopost_bills": "ask" }));
    assert_eq!(partner, json!({ "name": "A" }));
    assert_eq!(kinds(&warnings), [(WarningKind::FieldMissing, "autopost_bills")]);
}

#[test]
fn a_model_under_a_new_name_keeps_its_records_and_one_that_is_gone_does_not() {
    let packs = packs();
    let plan = packs.get(PackName::Odoo).plan("stock.production.lot", V13, V19);
    assert_eq!(plan.target_model, "stock.lot");
    let lot = plan.apply(json!({ "name": "L1", "product_id": 4 }).as_object().unwrap().clone(), &mut Tally::default());
    assert_eq!(Value::Object(lot.unwrap()), json!({ "name": "L1", "product_id": 4 }));
    assert_eq!(packs.get(PackName::Odoo).plan("stock.lot", V19, V14).target_model, "stock.production.lot");
    let plan = packs.get(PackName::Odoo).plan("hr.expense.sheet", V17, V19);
    assert_eq!(plan.missing_in, Some(V19));
    assert_eq!(packs.get(PackName::Odoo).plan("stock.lot", V13, V19).missing_in, Some(V15), "no such name yet");
    assert_eq!(packs.get(PackName::Odoo).plan("hr.expense.sheet", V19, V17).missing_in, Some(V19));
    for (from, to) in [(V18, V17), (V17, V18)] {
        let plan = packs.get(PackName::Odoo).plan("hr.candidate", from, to);
        assert_eq!(plan.missing_in, Some(V17), "there is such a model from 18.0 on");
    }
    let missing = plan.apply(Record::new(), &mut Tally::default()).unwrap_err();
    assert_eq!((missing.model.as_str(), missing.version), ("hr.expense.sheet", V19));
    assert!(plan.warnings.iter().any(|warning| warning.kind == WarningKind::ModelMissing && warning.note.is_some()));
}

#[test]
fn a_new_name_that_is_in_use_does_not_overwrite_what_is_there() {
    let both = json!({ "list_price": 10.0, "standard_price": 7.0 });
    let (after, warnings) = carried(PackName::Documented, "product.product", V13, V14, both.clone());
    assert_eq!(after, both);
    assert!(kinds(&warnings).contains(&(WarningKind::Conflict, "list_price")), "{warnings:?}");
}

#[test]
fn a_model_that_the_pack_does_not_know_passes_with_a_warning() {
    let (record, warnings) = odoo("x_own.model", V15, V16, json!({ "x_name": 1 }));
    assert_eq!(record, json!({ "x_name": 1 }));
    assert_eq!(kinds(&warnings), [(WarningKind::NoRules, "*")]);
}

#[test]
fn a_pack_whose_rules_contradict_each_other_is_refused() {
    let hop = |models: &str| format!(r#"{{"from": "13.0", "to": "14.0", "models": {{"m": {models}}}}}"#);
    let read = |models: &str| RulePack::read(PackName::Odoo, &[&hop(models)]).unwrap_err().to_string();
    assert!(read(r#"{"renamed": {"a": "b"}, "removed": ["a"]}"#).contains("two rules take a"));
    assert!(read(r#"{"renamed": {"a": "c", "b": "c"}}"#).contains("two rules"));
    let stray = r#"{"rules": [{"rule": "table", "from": ["a"], "to": ["b"], "up": [{"set": {"c": 1}}]}]}"#;
    assert!(read(stray).contains("sets c"));
    assert!(read("{}").contains("one file for each hop"));
}
