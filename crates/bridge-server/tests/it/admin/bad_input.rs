//! Whatever is sent to the routes of accounts and systems, the answer is a problem in the documented shape, and
//! never one of ours.

use crate::support::{ADMIN_PASSWORD, Client, Setup, demo_erp, on_both_databases, register_demo_system, registration};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

on_both_databases!(
    bodies_that_are_not_what_they_should_be,
    a_list_is_no_body,
    what_is_wrong_is_named_without_our_types,
    log_ins_with_fields_that_break_their_rules,
    users_with_fields_that_break_their_rules,
    systems_with_fields_that_break_their_rules,
    paths_and_queries_that_lead_nowhere,
    no_route_opens_without_a_token,
);

/// The routes that take a body.
const WITH_BODY: [(Method, &str); 6] = [
    (Method::POST, "/api/v1/auth/login"),
    (Method::POST, "/api/v1/auth/refresh"),
    (Method::POST, "/api/v1/users"),
    (Method::PUT, "/api/v1/users/1"),
    (Method::POST, "/api/v1/systems"),
    (Method::PUT, "/api/v1/systems/demo"),
];

async fn bodies_that_are_not_what_they_should_be(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let too_deep = "[".repeat(100_000);
    for (method, path) in WITH_BODY {
        let send = async |body: &[u8]| admin.send_bytes(method.clone(), path, body.to_vec()).await;
        for malformed in ["{", "{\"username\":", "nonsense", "{'a': 1}", "\u{feff}{}"] {
            send(malformed.as_bytes()).await.expect_problem(400, "MALFORMED_JSON");
        }
        // Wrong in two ways: which of them is seen first does not matter.
        for wrong in ["{\"username\": 7} x", &too_deep] {
            let answer = send(wrong.as_bytes()).await;
            let code =
                if answer.body["code"] == "MALFORMED_JSON" { "MALFORMED_JSON" } else { "DATA_VALIDATION_FAILED" };
            answer.expect_problem(400, code);
        }
        send(b"\xff\xfe{}").await.expect_problem(400, "MALFORMED_JSON");
        for wrong in ["[1]", "7", "\"text\"", "null", "true"] {
            let answer = send(wrong.as_bytes()).await;
            answer.expect_problem(400, "DATA_VALIDATION_FAILED");
        }
        let large = json!({ "username": "x".repeat(10 * 1024 * 1024) }).to_string();
        send(large.as_bytes()).await.expect_problem(413, "PAYLOAD_TOO_LARGE");
        if path != "/api/v1/auth/refresh" {
            send(b"").await.expect_problem(400, "MALFORMED_JSON");
            for kind in ["text/plain", "application/x-www-form-urlencoded", "nonsense"] {
                let request = admin.request(method.clone(), path).header(CONTENT_TYPE, kind).body("{}");
                admin.send(request).await.expect_problem(415, "UNSUPPORTED_MEDIA_TYPE");
            }
        }
    }
    expect_untouched(&admin).await;
    app.stop().await;
    erp.stop().await;
}

async fn a_list_is_no_body(setup: Setup) {
    let app = setup.start().await;
    // The fields of a log-in in their order.
    let body = json!(["admin", ADMIN_PASSWORD]);
    let refused = app.anonymous().post("/api/v1/auth/login", &body).await;
    let refused = refused.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["message"], "The body must be a JSON object");
    app.stop().await;
}

async fn what_is_wrong_is_named_without_our_types(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let pull = "/api/v2/sync/pull";
    for (answer, field, message) in [
        (admin.post("/api/v1/auth/login", &json!({ "username": 7 })).await, "username", "username must be a text"),
        (admin.post("/api/v1/auth/login", &json!({ "username": "x" })).await, "password", "password is missing"),
        (
            admin.post(pull, &json!({ "device_id": "phone", "app_type": "sales_app", "limit": "x" })).await,
            "limit",
            "limit must be a whole number",
        ),
        (admin.post(pull, &json!({ "device_id": ["phone"] })).await, "device_id", "device_id must be a text"),
        (
            admin.put("/api/v1/users/1", &json!({ "odoo_user_id": "x" })).await,
            "odoo_user_id",
            "odoo_user_id must be a whole number",
        ),
        (admin.put("/api/v1/users/1", &json!({ "role": "root" })).await, "role", "role must be 'admin' or 'user'"),
        (admin.get("/api/v1/users/abc").await, "user_id", "user_id must be a whole number"),
        (admin.get("/api/v1/systems/a%00b").await, "system_id", "system_id must "),
        (admin.get("/api/v1/users?limit=many").await, "limit", "limit must be a whole number"),
        (admin.get("/api/v2/sync/state").await, "device_id", "device_id is missing"),
    ] {
        let problem = answer.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(problem["details"]["field"], field, "{problem}");
        let told = problem["message"].as_str().unwrap();
        assert!(told.starts_with(message), "{problem}");
        for ours in ["i64", "u32", "struct", "enum", "line 1"] {
            assert!(!told.contains(ours), "{problem}");
        }
    }
    app.stop().await;
}

async fn log_ins_with_fields_that_break_their_rules(setup: Setup) {
    let app = setup.start().await;
    let client = app.anonymous();
    for body in [
        json!({}),
        json!({ "username": "admin" }),
        json!({ "password": "x" }),
        json!({ "username": 7, "password": "x" }),
        json!({ "username": "admin", "password": ["x"] }),
        json!({ "username": null, "password": null }),
    ] {
        expect_invalid(&client, Method::POST, "/api/v1/auth/login", &body).await;
    }
    for body in [json!({ "refresh_token": 7 }), json!({ "rotate": "yes" })] {
        expect_invalid(&client, Method::POST, "/api/v1/auth/refresh", &body).await;
    }
    app.stop().await;
}

async fn users_with_fields_that_break_their_rules(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let long = "x".repeat(1_001);
    for (field, values) in [
        ("username", json!(["", " ", "a ", "a\u{0}b", "a\nb", long, 7, null])),
        ("password", json!(["", "1234567", long, 12_345_678, null])),
        ("role", json!(["root", "Admin", 1, null])),
        ("odoo_user_id", json!([0, -7, 1.5, "7", 9_223_372_036_854_775_808_u64])),
        ("language", json!(["", "x", "ar 001", "ar\u{0}", long, 7])),
    ] {
        for value in values.as_array().unwrap() {
            let mut body = json!({ "username": "new", "password": "12345678" });
            body[field] = value.clone();
            expect_invalid(&admin, Method::POST, "/api/v1/users", &body).await;
            // In a partial change, null for what can't be removed means that it is left out.
            if !value.is_null() {
                expect_invalid(&admin, Method::PUT, "/api/v1/users/1", &json!({ field: value })).await;
            }
        }
    }
    expect_invalid(&admin, Method::PUT, "/api/v1/users/1", &json!({ "is_active": "no" })).await;
    expect_untouched(&admin).await;
    app.stop().await;
    erp.stop().await;
}

async fn systems_with_fields_that_break_their_rules(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    for (field, values) in [
        ("system_id", json!(["", "-x", "a b", "a/b", "x".repeat(65), 7, null])),
        ("system_type", json!(["", "Odoo", "oracle", 7, null])),
        ("connection_config", json!([null])),
    ] {
        for value in values.as_array().unwrap() {
            let mut body = registration(&erp, "new");
            body[field] = value.clone();
            expect_invalid(&admin, Method::POST, "/api/v1/systems", &body).await;
        }
    }
    for (field, values) in [
        ("system_version", json!(["", 19, "19\u{0}", "x".repeat(33)])),
        ("name", json!(["", "a\u{0}b", "x".repeat(129), 7])),
        ("description", json!(["a\u{0}b", "x".repeat(2_001), 7])),
        ("connection_config", json!([{}, [], "http://x", 7])),
    ] {
        for value in values.as_array().unwrap() {
            let mut body = registration(&erp, "new");
            body[field] = value.clone();
            expect_invalid(&admin, Method::POST, "/api/v1/systems", &body).await;
            expect_invalid(&admin, Method::PUT, "/api/v1/systems/demo", &json!({ field: value })).await;
        }
    }
    for (field, values) in [
        (
            "url",
            json!(["", "localhost", "file:///etc/passwd", "http://user:secret@localhost", "http://localhost/?x=1", 7]),
        ),
        ("database", json!(["", "a\u{0}b", null])),
        ("username", json!(["", "a\u{0}b"])),
        ("password", json!(["", 7])),
        ("timeout_ms", json!([0, -1, 1.5, "1"])),
        ("surprise", json!([1])),
    ] {
        for value in values.as_array().unwrap() {
            let mut body = registration(&erp, "new");
            body["connection_config"][field] = value.clone();
            expect_invalid(&admin, Method::POST, "/api/v1/systems", &body).await;
        }
    }
    for body in [json!({ "is_active": 1 }), json!({ "is_primary": "yes" }), json!({ "rotate_push_key": 1 })] {
        expect_invalid(&admin, Method::PUT, "/api/v1/systems/demo", &body).await;
    }
    expect_untouched(&admin).await;
    app.stop().await;
    erp.stop().await;
}

async fn paths_and_queries_that_lead_nowhere(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    for id in ["0", "-1", "999999", "9223372036854775807", "-9223372036854775808"] {
        let path = format!("/api/v1/users/{id}");
        admin.get(&path).await.expect_problem(404, "NOT_FOUND");
        admin.put(&path, &json!({})).await.expect_problem(404, "NOT_FOUND");
        admin.delete(&path).await.expect_problem(404, "NOT_FOUND");
    }
    for id in ["abc", "1.5", "9223372036854775808", "%00", "%ff", "1%20OR%201"] {
        let path = format!("/api/v1/users/{id}");
        for answer in [admin.get(&path).await, admin.put(&path, &json!({})).await, admin.delete(&path).await] {
            answer.expect_problem(400, "DATA_VALIDATION_FAILED");
        }
    }
    for (id, status, code) in [
        ("nobody", 404, "SYSTEM_NOT_FOUND"),
        ("1", 404, "SYSTEM_NOT_FOUND"),
        ("..%2f..", 400, "DATA_VALIDATION_FAILED"),
        ("a%00b", 400, "DATA_VALIDATION_FAILED"),
        ("%ff", 400, "DATA_VALIDATION_FAILED"),
        ("%D8%A3", 400, "DATA_VALIDATION_FAILED"),
    ] {
        let path = format!("/api/v1/systems/{id}");
        for answer in [
            admin.get(&path).await,
            admin.put(&path, &json!({})).await,
            admin.delete(&path).await,
            admin.post(&format!("{path}/test"), &json!({})).await,
            admin.get(&format!("{path}/status")).await,
        ] {
            answer.expect_problem(status, code);
        }
    }
    for query in
        ["limit=0", "limit=-1", "limit=1001", "limit=many", "cursor=-1", "cursor=x", "cursor=%00", "limit=99999999999"]
    {
        admin.get(&format!("/api/v1/users?{query}")).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    admin.get("/api/v1/auth/nothing").await.expect_problem(404, "NOT_FOUND");
    admin.get("/api/v1/auth/login").await.expect_problem(405, "METHOD_NOT_ALLOWED");
    admin.post("/api/v1/users/1", &json!({})).await.expect_problem(405, "METHOD_NOT_ALLOWED");
    admin.delete("/api/v1/systems").await.expect_problem(405, "METHOD_NOT_ALLOWED");
    app.stop().await;
}

async fn no_route_opens_without_a_token(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let nobody = app.anonymous();
    for (method, path) in [
        (Method::GET, "/api/v1/auth/me"),
        (Method::POST, "/api/v1/auth/logout"),
        (Method::GET, "/api/v1/users"),
        (Method::POST, "/api/v1/users"),
        (Method::GET, "/api/v1/users/1"),
        (Method::PUT, "/api/v1/users/1"),
        (Method::DELETE, "/api/v1/users/1"),
        (Method::GET, "/api/v1/systems"),
        (Method::POST, "/api/v1/systems"),
        (Method::GET, "/api/v1/systems/demo"),
        (Method::PUT, "/api/v1/systems/demo"),
        (Method::DELETE, "/api/v1/systems/demo"),
        (Method::POST, "/api/v1/systems/demo/test"),
        (Method::GET, "/api/v1/systems/demo/status"),
    ] {
        // Before anything else is looked at: a stranger does not even learn that the body is wrong.
        for body in [b"{}".to_vec(), b"{".to_vec(), vec![b'x'; 10 * 1024 * 1024]] {
            let answer = nobody.send_bytes(method.clone(), path, body).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answer.expect_problem(401, "AUTHENTICATION_FAILED");
        }
    }
    expect_untouched(&admin).await;
    app.stop().await;
    erp.stop().await;
}

async fn expect_invalid(client: &Client, method: Method, path: &str, body: &Value) {
    let answer = client.send_bytes(method, path, body.to_string().into_bytes()).await;
    assert_eq!(answer.status, 400, "{body} got {}", answer.body);
    answer.expect_problem(400, "DATA_VALIDATION_FAILED");
}

/// Nothing of all this was taken.
async fn expect_untouched(admin: &Client) {
    let users = admin.get("/api/v1/users").await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "{users}");
    assert_eq!(users["items"][0]["username"], "admin");
    let systems = admin.get("/api/v1/systems").await.expect(200);
    assert_eq!(systems["items"].as_array().unwrap().len(), 1, "{systems}");
    assert_eq!(systems["items"][0]["name"], "Demo ERP");
}
