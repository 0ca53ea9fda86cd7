use super::{retry_after, told};
use crate::ingest::pusher::{Pusher, event};
use crate::records::{Stage, crud};
use crate::support::{ADMIN_PASSWORD, Answer, App, Client, Live, Setup, manual_clock, on_both_databases};
use bridge_server::config::Limits;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Error;

on_both_databases!(
    the_documented_limits_hold_by_default,
    an_allowance_comes_back_piece_by_piece,
    what_is_asked_decides_what_is_counted,
    users_and_tenants_have_their_own,
    a_push_key_has_its_own,
    log_ins_behind_a_proxy_are_counted_by_client,
    refreshing_is_limited_and_leaving_is_not,
    a_live_connection_is_one_read,
);

const ME: &str = "/api/v1/auth/me";

/// Asks until it is refused, and answers how often it was let in, with the last answer.
async fn until_refused(ask: impl AsyncFn() -> Answer) -> (usize, Answer) {
    for let_in in 0..1_000 {
        let answer = ask().await;
        if answer.status == 429 {
            return (let_in, answer);
        }
    }
    panic!("nothing was refused");
}

async fn metrics(app: &App) -> String {
    app.anonymous().get("/metrics").await.expect(200).as_str().unwrap().to_owned()
}

async fn the_documented_limits_hold_by_default(setup: Setup) {
    let setup = setup.clock(manual_clock()).config(|config| config.limits = Limits::default());
    let stage = Stage::new(setup).await;
    let (app, admin) = (&stage.app, &stage.admin);
    let user = app.user("amina", None).await;
    let post = async |path: &str, body: Value| admin.post(path, &body).await;
    let pull = json!({ "device_id": "phone-1", "app_type": "mobile_app" });
    let device = "device_id=phone-1&app_type=mobile_app";
    let nothing = json!({ "system_id": "demo", "operations": [{ "model": "res.partner", "action": "count" }] });
    let pusher = Pusher::register(app, admin, "shop").await;

    let mut seen = Vec::new();
    let mut note = |of: (usize, Answer)| {
        let (let_in, refused) = of;
        let details = refused.expect_problem(429, "RATE_LIMIT_EXCEEDED")["details"].clone();
        seen.push((details["class"].as_str().unwrap().to_owned(), let_in, details["window_s"].clone()));
    };
    note(until_refused(async || user.get(ME).await).await);
    note(until_refused(async || user.put(ME, &json!({ "language": "fr" })).await).await);
    note(until_refused(async || user.delete("/api/v1/devices/phone-9").await).await);
    note(until_refused(async || post("/api/v1/batch/execute", nothing.clone()).await).await);
    note(until_refused(async || admin.get("/api/v1/files/download/demo-1").await).await);
    note(until_refused(async || admin.get("/api/v1/webhooks/events").await).await);
    note(until_refused(async || post("/api/v2/sync/pull", pull.clone()).await).await);
    note(until_refused(async || admin.get(&format!("/api/v2/sync/state?{device}")).await).await);
    note(until_refused(async || post(&format!("/api/v2/sync/reset?{device}"), json!({})).await).await);
    note(until_refused(async || pusher.push(&event(1, "sale.order", 1, "write")).await).await);
    let wrong = json!({ "username": "nobody", "password": "wrong" });
    note(until_refused(async || app.anonymous().post("/api/v1/auth/login", &wrong).await).await);
    let of = |class: &str, let_in: usize, window_s: u64| (class.to_owned(), let_in, json!(window_s));
    let documented = [
        of("reads", 100, 60),
        of("writes", 50, 60),
        of("deletes", 20, 60),
        of("batch", 10, 60),
        of("files", 30, 60),
        of("webhook_events", 100, 60),
        of("sync_pull", 200, 60),
        of("sync_state", 100, 60),
        of("sync_reset", 10, 3_600),
        of("webhook_receive", 200, 60),
        of("authentication", 10, 60),
    ];
    assert_eq!(seen, documented);
    let metrics = metrics(app).await;
    for (class, ..) in documented {
        let line = format!("rate_limited_total{{class=\"{class}\"}} 1\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert!(!metrics.contains("rate_limit_entries 0\n"), "{metrics}");
    stage.end().await;
}

async fn an_allowance_comes_back_piece_by_piece(setup: Setup) {
    let clock = manual_clock();
    let app = setup.clock(clock.clone()).limits(|limits| limits.per_minute.reads = 3).start().await;
    let admin = app.admin().await;
    let ask = async || admin.get(ME).await;
    for left in [[3, 2, 20], [3, 1, 40], [3, 0, 60]] {
        let answer = ask().await;
        assert_eq!((answer.status, told(&answer)), (200, left));
    }
    let refused = ask().await;
    assert_eq!((told(&refused), retry_after(&refused)), ([3, 0, 60], 20));
    let problem = refused.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(problem["error"], "RateLimitException");
    assert_eq!(problem["message"], "Too many requests of this kind; try again in 20 seconds");
    assert_eq!(problem["details"], json!({ "limit": 3, "window_s": 60, "class": "reads" }));
    clock.advance(Duration::from_millis(19_500));
    let refused = ask().await;
    assert_eq!((refused.status, told(&refused), retry_after(&refused)), (429, [3, 0, 41], 1));
    clock.advance(Duration::from_millis(500));
    let answer = ask().await;
    assert_eq!((answer.status, told(&answer)), (200, [3, 0, 60]));
    assert_eq!(ask().await.status, 429);
    // What goes wrong is told of as well, and was counted.
    clock.advance(Duration::from_mins(1));
    let unknown = admin.get("/api/v1/systems/none").await;
    assert_eq!((unknown.status, told(&unknown)), (404, [3, 2, 20]));
    // Requests of nobody are not of a user.
    let nobody = app.anonymous().get(ME).await;
    assert!(nobody.status == 401 && !nobody.headers.contains_key("ratelimit-limit"));
    // What has no limit says nothing of one.
    let free = admin.put(ME, &json!({ "language": null })).await;
    assert!(free.status == 200 && !free.headers.contains_key("ratelimit-limit"));
    app.stop().await;
}

async fn what_is_asked_decides_what_is_counted(setup: Setup) {
    let setup = setup.clock(manual_clock()).limits(|limits| {
        let minute = &mut limits.per_minute;
        (minute.reads, minute.writes, minute.deletes, minute.batch) = (40, 30, 20, 10);
    });
    let stage = Stage::open(setup).await;
    let admin = &stage.admin;
    // Some were used to set the stage.
    let asked = async |body: Value| {
        let [limit, remaining, _] = told(&crud(admin, body).await);
        (limit, remaining)
    };
    let partner = |action: &str| json!({ "action": action, "model": "res.partner", "record_id": 7 });
    let (_, mut reads) = asked(partner("read")).await;
    for action in ["read", "search", "count", "fields"] {
        let body = json!({ "action": action, "model": "res.partner" });
        reads -= 1;
        assert_eq!(asked(body).await, (40, reads), "{action}");
    }
    let mut update = partner("update");
    update["data"] = json!({ "city": "Safi" });
    let (limit, mut writes) = asked(update.clone()).await;
    assert_eq!(limit, 30);
    let mut call = partner("call");
    call["method"] = json!("message_post");
    for body in [update, call, json!({ "action": "create", "model": "res.partner", "data": { "name": "Atlas" } })] {
        writes -= 1;
        assert_eq!(asked(body.clone()).await, (30, writes), "{body}");
    }
    assert_eq!(asked(json!({ "action": "delete", "model": "res.partner", "record_id": 999_999 })).await, (20, 19));
    // The same in the words that every system shares.
    let contacts = "/api/v1/systems/demo/entities/contact/crud";
    let read = admin.post(contacts, &json!({ "action": "read", "limit": 1 })).await;
    assert_eq!(told(&read)[..2], [40, reads - 1]);
    let delete = admin.post(contacts, &json!({ "action": "delete", "record_id": 999_999 })).await;
    assert_eq!(told(&delete)[..2], [20, 18]);
    // A batch is one, whatever it holds.
    let delete = json!({ "model": "res.partner", "action": "delete", "record_id": 999_999 });
    let batch = json!({ "system_id": "demo", "operations": [delete, delete, delete] });
    let answer = admin.post("/api/v1/batch/execute", &batch).await;
    assert_eq!((answer.status, told(&answer)[..2].to_vec()), (200, vec![10, 9]));
    let delete = admin.post(contacts, &json!({ "action": "delete", "record_id": 999_999 })).await;
    assert_eq!(told(&delete)[..2], [20, 17]);
    stage.end().await;
}

async fn users_and_tenants_have_their_own(setup: Setup) {
    let app = setup.clock(manual_clock()).limits(|limits| limits.per_minute.reads = 2).start().await;
    let (admin, amina) = (app.admin().await, app.user("amina", None).await);
    let stranger = app.other_tenant("stranger").await;
    for client in [&admin, &amina, &stranger] {
        let (let_in, _) = until_refused(async || client.get(ME).await).await;
        assert_eq!(let_in, 2);
    }
    // Another session of the same user is nobody else.
    let again = app.admin().await;
    assert_ne!(again.token(), admin.token());
    again.get(ME).await.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    app.stop().await;
}

async fn a_push_key_has_its_own(setup: Setup) {
    let setup = setup.clock(manual_clock()).limits(|limits| {
        limits.per_minute.webhook_receive = 3;
        // What plans allow is not for what ERPs push.
        limits.webhook_events_per_hour.insert("enterprise".to_owned(), 1);
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let (shop, store) = (Pusher::register(&app, &admin, "shop").await, Pusher::register(&app, &admin, "store").await);
    for number in 1..=3 {
        // However many events are in one.
        let events =
            json!([event(number * 2, "sale.order", 1, "write"), event(number * 2 + 1, "sale.order", 2, "write")]);
        let answer = shop.push(&events).await;
        assert_eq!((answer.status, told(&answer)), (200, [3, 3 - number.cast_unsigned(), 20 * number.cast_unsigned()]));
    }
    let refused = shop.push(&event(9, "sale.order", 1, "write")).await;
    assert_eq!(retry_after(&refused), 20);
    assert_eq!(refused.expect_problem(429, "RATE_LIMIT_EXCEEDED")["details"]["class"], "webhook_receive");
    store.writes("sale.order", 1..=1).await;
    app.stop().await;
}

async fn log_ins_behind_a_proxy_are_counted_by_client(setup: Setup) {
    let setup = setup.clock(manual_clock()).limits(|limits| limits.per_minute.authentication = 2);
    let proxies = vec![bridge_model::AddressBlock::parse("127.0.0.1").unwrap()];
    let app = setup.config(|config| config.server.trusted_proxies = proxies).start().await;
    let wrong = json!({ "username": "admin", "password": "a guess" });
    let from = async |client: &str| {
        let request = app.anonymous().request(Method::POST, "/api/v1/auth/login").json(&wrong);
        app.anonymous().send(request.header("x-forwarded-for", client)).await.status
    };
    for (client, status) in [
        ("203.0.113.7", 401),
        ("203.0.113.7", 401),
        ("203.0.113.7", 429),
        // What the client writes before its own address makes nobody else of it.
        ("198.51.100.1, 203.0.113.7", 429),
        ("198.51.100.1", 401),
    ] {
        assert_eq!(from(client).await, status, "{client}");
    }
    app.stop().await;
}

async fn refreshing_is_limited_and_leaving_is_not(setup: Setup) {
    let clock = manual_clock();
    let setup = setup.clock(clock.clone()).limits(|limits| {
        (limits.per_minute.authentication, limits.per_minute.reads) = (2, 1);
    });
    let app = setup.start().await;
    let tokens = app.tokens("admin", ADMIN_PASSWORD).await;
    let client = |name: &str| app.anonymous().with_token(tokens[name].as_str().unwrap());
    let (refresh_token, user) = (client("refresh_token"), client("access_token"));
    let refresh = async |client: &Client| client.send(client.request(Method::POST, "/api/v1/auth/refresh")).await;
    // What is no refresh token is nobody's.
    for _ in 0..3 {
        refresh(&user).await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    for remaining in [1, 0] {
        let answer = refresh(&refresh_token).await;
        assert_eq!((answer.status, told(&answer)[1]), (200, remaining));
    }
    refresh(&refresh_token).await.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    // Log-ins are counted by name and address, and not with the user's refreshes.
    let other = app.tokens("admin", ADMIN_PASSWORD).await;
    user.get(ME).await.expect(200);
    user.get(ME).await.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    user.send(user.request(Method::POST, "/api/v1/auth/logout")).await.expect(200);
    // The token of a session that has ended uses nothing up.
    clock.advance(Duration::from_secs(30));
    for _ in 0..3 {
        refresh(&refresh_token).await.expect_problem(401, "AUTHENTICATION_FAILED");
    }
    let other = app.anonymous().with_token(other["refresh_token"].as_str().unwrap());
    refresh(&other).await.expect(200);
    app.stop().await;
}

async fn a_live_connection_is_one_read(setup: Setup) {
    let app = setup.clock(manual_clock()).limits(|limits| limits.per_minute.reads = 2).start().await;
    let admin = app.admin().await;
    let mut first = Live::connect(&app, "/ws/webhooks", Some(admin.token())).await;
    first.next_of("authenticated").await;
    // What is subscribed to on it, and what comes, is not counted.
    for _ in 0..5 {
        first.send(json!({ "type": "subscribe", "channel": "events", "since": "0" })).await;
        first.next_of("subscribed").await;
        first.send(json!({ "type": "unsubscribe", "channel": "events" })).await;
        first.next_of("unsubscribed").await;
    }
    let mut second = Live::connect(&app, "/ws/webhooks", None).await;
    second.send(json!({ "type": "auth", "token": admin.token() })).await;
    second.next_of("authenticated").await;
    let Err(Error::Http(refused)) = Live::try_connect(&app, "/ws/webhooks", Some(admin.token())).await else {
        panic!("a third connection was opened");
    };
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"30".parse().unwrap()));
    let mut third = Live::connect(&app, "/ws/webhooks", None).await;
    third.send(json!({ "type": "auth", "token": admin.token() })).await;
    let (code, reason) = third.closed().await;
    assert!(code == 4429 && reason.starts_with("RATE_LIMIT_EXCEEDED"), "{code} {reason}");
    admin.get(ME).await.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    first.close().await;
    second.close().await;
    app.stop().await;
}
