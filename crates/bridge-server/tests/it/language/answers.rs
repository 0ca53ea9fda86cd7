use super::{asking, expect_said, get_in, post_in};
use crate::support::{Setup, demo_erp, manual_clock, register_demo_system, registration};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_are_told_in_three_languages() {
    let setup = Setup::sqlite().limits(|limits| limits.per_minute.authentication = 2);
    let clock = manual_clock();
    let setup = setup.clock(clock).config(|config| config.server.body_bytes_max = 40_000);
    let app = setup.start().await;
    let (admin, nobody) = (app.admin().await, app.anonymous());

    for (accept, language, message) in [
        ("en", "en", "An access token is needed: Authorization: Bearer …"),
        ("ar-SA", "ar", "يلزم رمز وصول: Authorization: Bearer …"),
        ("fr", "fr", "Un jeton d’accès est nécessaire\u{a0}: Authorization: Bearer …"),
    ] {
        let answer = get_in(&nobody, "/api/v1/auth/me", accept).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        expect_said(answer, 401, "AUTHENTICATION_FAILED", language, message);
    }
    for (accept, language, message) in [
        ("en-GB", "en", "There is no such path"),
        ("ar", "ar", "لا يوجد مسار بهذا الاسم"),
        ("fr-CA, en;q=0.5", "fr", "Ce chemin n’existe pas"),
    ] {
        let problem = expect_said(get_in(&nobody, "/api/v1/x", accept).await, 404, "NOT_FOUND", language, message);
        assert_eq!(
            (&problem["error"], &problem["details"]),
            (&json!("NotFoundException"), &json!({"path": "/api/v1/x"}))
        );
    }
    for (accept, language, message) in [
        ("en", "en", "limit must be between 1 and 1000"),
        ("ar", "ar", "يجب أن يكون الحقل limit بين 1 و1000"),
        ("fr", "fr", "Le champ «\u{a0}limit\u{a0}» doit être compris entre 1 et 1000"),
    ] {
        let answer = get_in(&admin, "/api/v1/users?limit=0", accept).await;
        let problem = expect_said(answer, 400, "DATA_VALIDATION_FAILED", language, message);
        assert_eq!(problem["details"], json!({ "field": "limit" }), "details are for programs");
    }
    for (accept, language, message) in [
        ("en", "en", "password is missing"),
        ("ar", "ar", "الحقل password مفقود"),
        ("fr", "fr", "Le champ «\u{a0}password\u{a0}» est absent"),
    ] {
        let answer = post_in(&nobody, "/api/v1/auth/login", accept, &json!({ "username": "x" })).await;
        expect_said(answer, 400, "DATA_VALIDATION_FAILED", language, message);
    }
    let large = json!({ "username": "x".repeat(40_000), "password": "x" });
    for (accept, language, message) in [
        ("en", "en", "The body is larger than 40000 bytes"),
        ("ar", "ar", "نص الطلب أكبر من 40000 بايت"),
        ("fr", "fr", "Le corps de la requête dépasse 40000 octets"),
    ] {
        let answer = post_in(&nobody, "/api/v1/auth/login", accept, &large).await;
        let problem = expect_said(answer, 413, "PAYLOAD_TOO_LARGE", language, message);
        assert_eq!(problem["details"]["body_bytes_max"], 40_000);
    }
    let wrong = json!({ "username": "nobody", "password": "x" });
    for _ in 0..2 {
        let answer = post_in(&nobody, "/api/v1/auth/login", "fr", &wrong).await;
        let message = "Le nom d’utilisateur ou le mot de passe est incorrect";
        expect_said(answer, 401, "INVALID_CREDENTIALS", "fr", message);
    }
    for (accept, language, message) in [
        ("en", "en", "Too many log-ins; try again in 30 seconds"),
        ("ar", "ar", "محاولات تسجيل الدخول كثيرة جدًا؛ أعد المحاولة بعد 30 ثانيةً"),
        ("fr", "fr", "Trop de connexions\u{202f}; réessayez dans 30 secondes"),
    ] {
        let answer = post_in(&nobody, "/api/v1/auth/login", accept, &wrong).await;
        assert!(answer.headers.contains_key("retry-after"));
        expect_said(answer, 429, "RATE_LIMIT_EXCEEDED", language, message);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_accept_language_holds_there_is_an_answer() {
    let app = Setup::sqlite().start().await;
    let nobody = app.anonymous();
    let long = "xx;q=0.5,".repeat(2_000);
    for accept in ["", ",", "*", "de", "tlh-Qaak, x", "fr;q=0", "fr;q=nan", ";;;=,=;", "\t", &long] {
        let answer = get_in(&nobody, "/api/v1/x", accept).await;
        expect_said(answer, 404, "NOT_FOUND", "en", "There is no such path");
    }
    let bytes = nobody.request(Method::GET, "/api/v1/x").header("accept-language", &b"ar\xff\xfe"[..]);
    expect_said(nobody.send(bytes).await, 404, "NOT_FOUND", "en", "There is no such path");
    let plain = nobody.get("/api/v1/x").await;
    expect_said(plain, 404, "NOT_FOUND", "en", "There is no such path");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_succeeds_is_told_in_the_language_too() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let reset = asking(&admin, Method::POST, "/api/v2/sync/reset?device_id=phone-1&app_type=sales_app", "fr");
    let done = admin.send(reset).await.expect(200);
    assert_eq!(
        done["message"],
        "État de synchronisation réinitialisé\u{a0}: lisez les enregistrements actuels, puis reprenez à partir de \
         snapshot_position"
    );
    let out = post_in(&admin, "/api/v1/auth/logout", "ar", &json!({})).await.expect(200);
    assert_eq!(out, json!({ "success": true, "message": "تم تسجيل الخروج" }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_erp_says_is_wrapped_and_passed_on() {
    let (app, erp) = (Setup::sqlite().start().await, demo_erp().await);
    let admin = app.admin().await;
    let mut body = registration(&erp, "main");
    body["connection_config"]["password"] = json!("wrong");
    admin.post("/api/v1/systems", &body).await.expect(201);
    let mut said = Vec::new();
    for (accept, start) in
        [("en", ""), ("fr", "L’ERP a refusé les identifiants\u{a0}: "), ("ar", "رفض نظام ERP بيانات الدخول: ")]
    {
        let found = post_in(&admin, "/api/v1/systems/main/test", accept, &json!({})).await.expect(200);
        assert_eq!(found["error"]["code"], "ERP_AUTHENTICATION_FAILED", "{found}");
        said.push(found["error"]["message"].as_str().unwrap().strip_prefix(start).unwrap().to_owned());
    }
    assert!(!said[0].is_empty() && said.iter().all(|one| *one == said[0]), "{said:?}");
    app.stop().await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_refused_in_the_language_asked_for_and_kept_in_english() {
    let (app, erp) = (Setup::sqlite().start().await, demo_erp().await);
    let admin = app.admin().await;
    let key = register_demo_system(&admin, &erp, "main").await["push_key"].as_str().unwrap().to_owned();
    let source = app.anonymous().with_token(&key);
    let bad = json!({ "model": "sale.order", "record_id": -1, "event": "write" });
    let answer = post_in(&source, "/api/v1/webhooks/receive", "fr", &bad).await;
    let message = "Aucun événement de cette requête n’a pu être compris\u{a0}: record_id must be positive";
    let problem = expect_said(answer, 400, "DATA_VALIDATION_FAILED", "fr", message);
    assert_eq!(problem["details"]["rejected"][0]["reason"], "record_id must be positive");
    let letters = get_in(&admin, "/api/v1/webhooks/dead-letters", "fr").await.expect(200);
    assert_eq!(letters["items"][0]["reason"], "record_id must be positive");

    let text = asking(&source, Method::POST, "/api/v1/webhooks/receive", "ar").body("{\n  nothing");
    let message = "نص الطلب ليس JSON صالحًا: السطر 2، العمود 3";
    let problem = expect_said(source.send(text).await, 400, "MALFORMED_JSON", "ar", message);
    assert_eq!(problem["details"]["kept_as_dead_letter"], true);
    assert!(problem["details"]["reason"].as_str().unwrap().starts_with("key must be a string"), "{problem}");

    let good = json!({ "model": "sale.order", "record_id": 1, "event": "write" });
    let received: Value = post_in(&source, "/api/v1/webhooks/receive", "fr", &good).await.expect(200);
    assert_eq!(received["message"], "Event queued for processing", "which is for machines");
    app.stop().await;
    erp.stop().await;
}
