//! Whatever is sent to the routes of accounts and systems, the answer is a problem in the documented shape, and
//! never one of ours.

use crate::support::{Client, Setup, demo_erp, on_both_databases, register_demo_system, registration};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

on_both_databases!(
    bodies_that_are_not_what_they_should_be,
    fields_that_break_their_rules,
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
    untouched(&admin).await;
    app.stop().await;
    erp.stop().await;
}

async fn fields_that_break_their_rules(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "demo").await;
    let invalid = async |method: Method, path: &str, body: &Value| {
        let answer = admin.send_bytes(method, path, body.to_string().into_bytes()).await;
        assert_eq!(answer.status, 400, "{body} got {}", answer.body);
        answer.expect_problem(400, "DATA_VALIDATION_FAILED");
    };

    for body in [
        json!({}),
        json!({ "username": "admin" }),
        json!({ "password": "x" }),
        json!({ "username": 7, "password": "x" }),
        json!({ "username": "admin", "password": ["x"] }),
        json!({ "username": null, "password": null }),
    ] {
        invalid(Method::POST, "/api/v1/auth/login", &body).await;
    }
    for body in [json!({ "refresh_token": 7 }), json!({ "rotate": "yes" })] {
        invalid(Method::POST, "/api/v1/auth/refresh", &body).await;
    }

    let long = "x".repeat(1_001);
    for (field, values) in [
        (
            "username",
            vec![
                json!(""),
                json!(" "),
                json!("a "),
                json!("a\u{0}b"),
                json!("a\nb"),
                json!(long),
                json!(7),
                Value::Null,
            ],
        ),
        ("password", vec![json!(""), json!("1234567"), json!(long), json!(12_345_678), Value::Null]),
        ("role", vec![json!("root"), json!("Admin"), json!(1), Value::Null]),
        ("odoo_user_id", vec![json!(0), json!(-7), json!(1.5), json!("7"), json!(9_223_372_036_854_775_808_u64)]),
        ("language", vec![json!(""), json!("x"), json!("ar 001"), json!("ar\u{0}"), json!(long), json!(7)]),
    ] {
        for value in values {
            let mut body = json!({ "username": "new", "password": "12345678" });
            body[field] = value.clone();
            invalid(Method::POST, "/api/v1/users", &body).await;
            // In a partial change, null for what can't be removed means that it is left out.
            if !value.is_null() {
                invalid(Method::PUT, "/api/v1/users/1", &json!({ field: value })).await;
            }
        }
    }
    invalid(Method::PUT, "/api/v1/users/1", &json!({ "is_active": "no" })).await;

    for (field, values) in [
        (
            "system_id",
            vec![json!(""), json!("-x"), json!("a b"), json!("a/b"), json!("x".repeat(65)), json!(7), Value::Null],
        ),
        ("system_type", vec![json!(""), json!("Odoo"), json!("oracle"), json!(7), Value::Null]),
    ] {
        for value in values {
            let mut body = registration(&erp, "new");
            body[field] = value;
            invalid(Method::POST, "/api/v1/systems", &body).await;
        }
    }
    for (field, values) in [
        ("system_version", vec![json!(""), json!(19), json!("19\u{0}"), json!("x".repeat(33))]),
        ("name", vec![json!(""), json!("a\u{0}b"), json!("x".repeat(129)), json!(7)]),
        ("description", vec![json!("a\u{0}b"), json!("x".repeat(2_001)), json!(7)]),
        ("connection_config", vec![json!({}), json!([]), json!("http://x"), json!(7)]),
    ] {
        for value in values {
            let mut body = registration(&erp, "new");
            body[field] = value.clone();
            invalid(Method::POST, "/api/v1/systems", &body).await;
            invalid(Method::PUT, "/api/v1/systems/demo", &json!({ field: value })).await;
        }
    }
    for (field, value) in [
        ("url", json!("")),
        ("url", json!("localhost")),
        ("url", json!("file:///etc/passwd")),
        ("url", json!("http://user:secret@localhost")),
        ("url", json!("http://localhost/?x=1")),
        ("url", json!(7)),
        ("database", json!("")),
        ("database", json!("a\u{0}b")),
        ("username", json!("")),
        ("password", json!("")),
        ("password", json!(7)),
        ("timeout_ms", json!(0)),
        ("timeout_ms", json!(-1)),
        ("surprise", json!(1)),
    ] {
        let mut body = registration(&erp, "new");
        body["connection_config"][field] = value;
        invalid(Method::POST, "/api/v1/systems", &body).await;
    }
    for body in [json!({ "is_active": 1 }), json!({ "is_primary": "yes" }), json!({ "rotate_push_key": 1 })] {
        invalid(Method::PUT, "/api/v1/systems/demo", &body).await;
    }
    untouched(&admin).await;
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
        for body in [b"{}".to_vec(), b"{".to_vec()] {
            let answer = nobody.send_bytes(method.clone(), path, body).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answer.expect_problem(401, "AUTHENTICATION_FAILED");
        }
    }
    untouched(&admin).await;
    app.stop().await;
    erp.stop().await;
}

/// Nothing of all this was taken.
async fn untouched(admin: &Client) {
    let users = admin.get("/api/v1/users").await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "{users}");
    assert_eq!(users["items"][0]["username"], "admin");
    let systems = admin.get("/api/v1/systems").await.expect(200);
    assert_eq!(systems["items"].as_array().unwrap().len(), 1, "{systems}");
    assert_eq!(systems["items"][0]["name"], "Demo ERP");
}
