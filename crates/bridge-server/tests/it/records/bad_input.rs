//! Requests that can't be understood.

use super::{Stage, crud};
use crate::support::{Setup, on_both_databases};
use serde_json::json;

on_both_databases!(each_mistake_is_named,);

async fn each_mistake_is_named(setup: Setup) {
    let stage = Stage::open(setup).await;
    for (body, field) in [
        (json!({ "model": "res.partner" }), "action"),
        (json!({ "action": "read" }), "model"),
        (json!({ "action": "fly", "model": "res.partner" }), "action"),
        (json!({ "action": "read", "model": "res partner" }), "model"),
        (json!({ "action": "read", "model": "res.partner", "filds": [] }), "filds"),
        (json!({ "action": "read", "model": "res.partner", "limit": 0 }), "limit"),
        (json!({ "action": "read", "model": "res.partner", "limit": 1_001 }), "limit"),
        (json!({ "action": "read", "model": "res.partner", "offset": -1 }), "offset"),
        (json!({ "action": "read", "model": "res.partner", "fields": ["no_such"] }), "fields"),
        (json!({ "action": "read", "model": "res.partner", "order": "no_such" }), "order"),
        (json!({ "action": "read", "model": "res.partner", "order": "name sideways" }), "order"),
        (json!({ "action": "read", "model": "res.partner", "order": "name; drop table" }), "order"),
        (json!({ "action": "read", "model": "res.partner", "record_id": 1, "record_ids": [1] }), "record_ids"),
        (json!({ "action": "read", "model": "res.partner", "record_ids": [] }), "record_ids"),
        (json!({ "action": "read", "model": "res.partner", "record_id": 1, "domain": [] }), "domain"),
        (json!({ "action": "read", "model": "res.partner", "record_ids": [1], "limit": 1 }), "limit"),
        (json!({ "action": "read", "model": "res.partner", "data": {} }), "data"),
        (json!({ "action": "read", "model": "res.partner", "context": { "su": true } }), "context.su"),
        (
            json!({ "action": "read", "model": "res.partner", "context": { "active_test": "no" } }),
            "context.active_test",
        ),
        (
            json!({ "action": "read", "model": "res.partner", "context": { "allowed_company_ids": 1 } }),
            "context.allowed_company_ids",
        ),
        (json!({ "action": "read", "model": "res.partner", "context": { "tz": "a b" } }), "context.tz"),
        (json!({ "action": "read", "model": "res.partner", "lang": "../x" }), "lang"),
        (json!({ "action": "create", "model": "res.partner" }), "data"),
        (json!({ "action": "create", "model": "res.partner", "data": [] }), "data"),
        (json!({ "action": "create", "model": "res.partner", "data": { "id": 7 } }), "data.id"),
        (
            json!({ "action": "create", "model": "res.partner", "data": [{ "name": "x" }, { "no_such": 1 }] }),
            "data[1].no_such",
        ),
        (json!({ "action": "create", "model": "res.partner", "data": { "name": 7 } }), "data.name"),
        (
            json!({ "action": "create", "model": "res.partner", "data": { "name": "x", "active": "yes" } }),
            "data.active",
        ),
        (
            json!({ "action": "create", "model": "res.partner", "data": { "name": "x", "customer_rank": 1.5 } }),
            "data.customer_rank",
        ),
        (
            json!({ "action": "create", "model": "res.partner", "data": { "name": "x", "country_id": "MA" } }),
            "data.country_id",
        ),
        (
            json!({ "action": "create", "model": "sale.order", "data": { "partner_id": 1, "date_order": "soon" } }),
            "data.date_order",
        ),
        (json!({ "action": "update", "model": "res.partner", "data": { "name": "x" } }), "record_id"),
        (json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": {} }), "data"),
        (json!({ "action": "update", "model": "res.partner", "record_id": 1, "data": [{}] }), "data"),
        (
            json!({ "action": "update", "model": "res.partner", "record_id": 1, "domain": [], "data": { "name": "x" } }),
            "domain",
        ),
        (json!({ "action": "delete", "model": "res.partner", "domain": [] }), "domain"),
        (json!({ "action": "delete", "model": "res.partner" }), "record_id"),
        (json!({ "action": "call", "model": "sale.order", "record_id": 1 }), "method"),
        (
            json!({ "action": "call", "model": "sale.order", "method": "action_confirm", "kwargs": { "context": {} } }),
            "kwargs.context",
        ),
    ] {
        let refused = crud(&stage.admin, body.clone()).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field, "{body}: {refused}");
    }
    crud(&stage.admin, json!({ "action": "read", "model": "res.partner", "record_id": "x" }))
        .await
        .expect_problem(400, "DATA_VALIDATION_FAILED");
    stage.end().await;
}
