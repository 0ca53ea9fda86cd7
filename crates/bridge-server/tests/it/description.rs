//! `/openapi.json`, and the page that shows it.

use crate::files;
use crate::support::{ADMIN_PASSWORD, Client, Setup, demo_erp, register_demo_system, registration};
use flate2::read::GzDecoder;
use reqwest::Method;
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Read as _;

#[tokio::test]
async fn the_description_is_that_of_docs_and_needs_no_login() {
    let app = Setup::sqlite().start().await;
    let client = app.anonymous();
    let answer = client.get("/openapi.json").await;
    let tag = answer.headers[ETAG].clone();
    assert_eq!(answer.headers[CACHE_CONTROL], "public, max-age=300");
    let kept = include_str!("../../../../docs/openapi.json");
    assert_eq!(answer.expect(200), serde_json::from_str::<Value>(kept).unwrap());

    let known = client.request(Method::GET, "/openapi.json").header(IF_NONE_MATCH, tag.clone());
    let known = client.send(known).await;
    assert_eq!((known.status, &known.headers[ETAG]), (304, &tag));
    let other = client.request(Method::GET, "/openapi.json").header(IF_NONE_MATCH, "\"another\"");
    assert_eq!(client.send(other).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn the_page_and_all_that_it_loads_come_from_here() {
    let app = Setup::sqlite().start().await;
    let client = app.anonymous();
    // The client follows to `/docs/`.
    let page = file(&client, "/docs").await;
    let mut names = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        names.extend(page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()));
    }
    assert!(names.len() >= 5, "{page}");
    for name in names {
        assert!(!name.contains("//") && !name.starts_with('/'), "{name}");
        let text = file(&client, &format!("/docs/{name}")).await;
        if name.ends_with("swagger-initializer.js") {
            assert!(text.contains("\"url\": \"../openapi.json\""), "{text}");
            assert!(!text.contains("://"), "{text}");
        }
    }
    client.get("/docs/no-such-file.js").await.expect_problem(404, "NOT_FOUND");
    client.get("/docs/..%2f..%2fetc%2fpasswd").await.expect_problem(404, "NOT_FOUND");
    app.stop().await;
}

/// A file of the page, which may load and ask for nothing that is elsewhere.
async fn file(client: &Client, path: &str) -> String {
    let response = client.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let headers = response.headers().clone();
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("//"), "{policy}");
    let bytes = response.bytes().await.unwrap();
    let mut plain = Vec::new();
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend(&bytes);
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The operation, the method, the path and a body, if there is one.
type Call<'a> = (&'a str, &'a str, &'a str, Option<Value>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one line for each operation that there is")]
async fn every_operation_answers_as_it_is_described() {
    let (app, erp) = (Setup::sqlite().start().await, demo_erp().await);
    let admin = app.admin().await;
    let system = register_demo_system(&admin, &erp, "demo").await;
    let push = app.anonymous().with_token(system["push_key"].as_str().unwrap());
    let refresh = app.tokens("admin", ADMIN_PASSWORD).await["refresh_token"].as_str().unwrap().to_owned();
    let event = json!({ "model": "sale.order", "record_id": 1, "event": "write", "payload": { "state": "sale" } });
    push.post("/api/v1/webhooks/receive", &json!([event, { "model": "sale.order" }])).await.expect(200);
    let letters = admin.get("/api/v1/webhooks/dead-letters").await.expect(200);
    let letter = letters["items"][0]["id"].clone();
    let device = json!({ "device_id": "my-phone", "app_type": "sales_app" });
    let with = |more: Value| {
        let mut body = device.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(body)
    };
    let none = || None::<Value>;
    let migration =
        json!({ "model": "res.partner", "from_version": "13.0", "to_version": "19.0", "data": { "name": "Amina" } });
    let link = json!({ "system_id": "demo", "username": "sales", "password": "sales" });
    let turned = json!({ "direction": "to_system", "data": { "kind": "company" } });
    let opened = json!({ "models": { "res.partner": { "operations": ["update"] } } });
    // In this order: some need what another has made.
    let calls: Vec<Call<'_>> = vec![
        ("logIn", "POST", "/api/v1/auth/login", Some(json!({ "username": "admin", "password": ADMIN_PASSWORD }))),
        ("refreshTokens", "POST", "/api/v1/auth/refresh", Some(json!({ "refresh_token": refresh, "rotate": true }))),
        ("whoAmI", "GET", "/api/v1/auth/me", none()),
        ("chooseLanguage", "PUT", "/api/v1/auth/me", Some(json!({ "language": "fr" }))),
        ("createUser", "POST", "/api/v1/users", Some(json!({ "username": "amina", "password": "long enough" }))),
        ("listUsers", "GET", "/api/v1/users?limit=1", none()),
        ("readUser", "GET", "/api/v1/users/2", none()),
        ("changeUser", "PUT", "/api/v1/users/2", Some(json!({ "language": "ar" }))),
        ("deleteUser", "DELETE", "/api/v1/users/2", none()),
        ("registerSystem", "POST", "/api/v1/systems", Some(registration(&erp, "second"))),
        ("listSystems", "GET", "/api/v1/systems", none()),
        ("readSystem", "GET", "/api/v1/systems/demo", none()),
        ("changeSystem", "PUT", "/api/v1/systems/second", Some(json!({ "rotate_push_key": true }))),
        ("testSystem", "POST", "/api/v1/systems/demo/test", none()),
        ("readSystemStatus", "GET", "/api/v1/systems/demo/status", none()),
        ("listModels", "GET", "/api/v1/systems/demo/models?class=critical", none()),
        ("listFields", "GET", "/api/v1/systems/demo/models/res.partner/fields", none()),
        ("readDetection", "GET", "/api/v1/systems/demo/detection", none()),
        ("chooseDetection", "PUT", "/api/v1/systems/demo/detection", Some(json!({ "default": "auto" }))),
        ("listAlerts", "GET", "/api/v1/alerts?limit=1", none()),
        ("deleteSystem", "DELETE", "/api/v1/systems/second", none()),
        ("chooseAllowed", "PUT", "/api/v1/systems/demo/allowed", Some(opened)),
        ("readAllowed", "GET", "/api/v1/systems/demo/allowed", none()),
        ("linkUser", "POST", "/api/v1/users/1/links", Some(link)),
        ("listUserLinks", "GET", "/api/v1/users/1/links", none()),
        (
            "workWithRecords",
            "POST",
            "/api/v1/systems/demo/crud",
            Some(json!({ "action": "read", "model": "res.partner" })),
        ),
        (
            "executeBatch",
            "POST",
            "/api/v1/batch/execute",
            Some(json!({ "operations": [{ "action": "count", "model": "res.partner" }] })),
        ),
        (
            "executeBatch",
            "POST",
            "/api/v1/batch/execute",
            Some(json!({ "operations": [{ "action": "count", "model": "res.partner" }], "async": true })),
        ),
        ("listTasks", "GET", "/api/v1/tasks", none()),
        ("readTask", "GET", "/api/v1/tasks/1", none()),
        ("cancelTask", "DELETE", "/api/v1/tasks/1", none()),
        ("listAudit", "GET", "/api/v1/audit?limit=1", none()),
        ("readCacheStatistics", "GET", "/api/v1/cache", none()),
        ("clearCache", "DELETE", "/api/v1/cache?system_id=demo", none()),
        ("unlinkUser", "DELETE", "/api/v1/users/1/links/demo", none()),
        ("planMigration", "POST", "/api/v1/systems/demo/migrate/plan", Some(migration.clone())),
        ("migrateRecords", "POST", "/api/v1/systems/demo/migrate", Some(migration)),
        ("uploadFile", "POST", "/api/v1/files/upload", none()),
        ("downloadFile", "GET", "/api/v1/files/download/demo-1", none()),
        ("deleteFile", "DELETE", "/api/v1/files/demo-1", none()),
        ("lookUpBarcode", "GET", "/api/v1/barcode/lookup?barcode=6110000000017&system_id=demo", none()),
        ("listMappings", "GET", "/api/v1/mappings", none()),
        ("readMapping", "GET", "/api/v1/mappings/contact", none()),
        ("changeMapping", "PUT", "/api/v1/mappings/contact", Some(json!({ "fields": { "website": null } }))),
        ("resetMapping", "DELETE", "/api/v1/mappings/contact", none()),
        ("applyMapping", "POST", "/api/v1/mappings/contact/apply", Some(turned)),
        (
            "workWithEntity",
            "POST",
            "/api/v1/systems/demo/entities/contact/crud",
            Some(json!({ "action": "read", "fields": ["kind"] })),
        ),
        ("pullChanges", "POST", "/api/v2/sync/pull", with(json!({ "include": true, "compact": true }))),
        ("confirmChanges", "POST", "/api/v2/sync/ack", with(json!({ "last_sync_token": 0 }))),
        ("readSnapshot", "POST", "/api/v2/sync/snapshot", with(json!({ "limit": 2 }))),
        ("readSyncState", "GET", "/api/v2/sync/state?device_id=my-phone", none()),
        ("resetSyncState", "POST", "/api/v2/sync/reset?device_id=my-phone", none()),
        ("isSyncHealthy", "GET", "/api/v2/sync/health", none()),
        ("listDevices", "GET", "/api/v1/devices", none()),
        ("forgetDevice", "DELETE", "/api/v1/devices/my-phone", none()),
        ("listChanges", "GET", "/api/v1/webhooks/events", none()),
        ("checkUpdates", "GET", "/api/v1/webhooks/check-updates?since=0", none()),
        ("listDeadLetters", "GET", "/api/v1/webhooks/dead-letters", none()),
        ("retryDeadLetter", "POST", "/api/v1/webhooks/retry", Some(json!({ "dead_letter_id": letter }))),
        ("retryDeadLetters", "POST", "/api/v1/webhooks/retry/bulk", Some(json!({ "ids": [letter, 999_999] }))),
        ("readStatistics", "GET", "/api/v1/webhooks/statistics", none()),
        ("areWebhooksHealthy", "GET", "/api/v1/webhooks/health", none()),
        ("receiveEvents", "POST", "/api/v1/webhooks/receive", Some(event)),
        ("isHealthy", "GET", "/health", none()),
        ("isReady", "GET", "/health/ready", none()),
        ("isLive", "GET", "/health/live", none()),
        ("readMetrics", "GET", "/metrics", none()),
        ("readDescription", "GET", "/openapi.json", none()),
        ("showPage", "GET", "/docs/", none()),
        ("loadFileOfPage", "GET", "/docs/swagger-ui.css", none()),
        ("logOut", "POST", "/api/v1/auth/logout", none()),
    ];
    let mut called: BTreeSet<&str> = ["findPage"].into();
    for (id, method, path, body) in calls {
        let method: Method = method.parse().unwrap();
        let needs_token = path.starts_with("/api/") && !path.ends_with("/health") && !path.contains("/auth/log");
        if needs_token && id != "refreshTokens" {
            let mut request = app.anonymous().request(method.clone(), path);
            if let Some(body) = &body {
                request = request.json(body);
            }
            app.anonymous().send(request).await.expect_problem(401, "AUTHENTICATION_FAILED");
        }
        let client = if id == "receiveEvents" { &push } else { &admin };
        let mut request = client.request(method, path);
        if let Some(body) = &body {
            request = request.json(body);
        }
        if id == "uploadFile" {
            let onto = [("model", "res.partner"), ("record_id", "1")];
            request = files::form(Some(("a.txt", "text/plain", b"hello")), &onto).sent_with(request);
        }
        // Sending it holds the answer to the description.
        let answer = client.send(request).await;
        assert!((200..300).contains(&answer.status), "{id}: {} {}", answer.status, answer.body);
        called.insert(id);
    }
    let description: Value = serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
    let items = description["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap());
    let described: BTreeSet<_> =
        items.flat_map(|item| item.values()).map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(called, described);
    app.stop().await;
    erp.stop().await;
}
