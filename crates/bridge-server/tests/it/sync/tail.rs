//! What is answered from memory is what the log holds, for whoever may see it, within the bounds.

use super::device::{Device, positions, token_of};
use crate::ingest::pusher::{Pusher, event, log_of};
use crate::live::PATH;
use crate::support::{App, Client, Live, Setup, on_both_databases, register_demo_system};
use bridge_erp::fake::{Addon, DemoErp, Options};
use bridge_server::config::Config;
use serde_json::{Value, json};

on_both_databases!(
    below_the_tail_the_log_answers,
    a_tail_keeps_its_bounds,
    contents_are_for_admins_whoever_read_first,
    other_rights_show_at_once,
);

/// The demo ERP's salesperson, who may not read invoices, and its administrator, who may.
const SALES: i64 = 6;
const ADMINISTRATOR: i64 = 2;

const MODELS: [&str; 4] = ["sale.order", "res.partner", "account.move", "product.template"];

/// Two nodes append at the same time while devices follow on nodes with a tail, with a small one and with none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_node_the_tail_is_part_of_the_log() {
    const EVENTS: i64 = 120;
    let setup = Setup::postgres().await;
    let first = setup.start().await;
    let second = setup.clone().config(small(30, 12_000)).start().await;
    let third = setup.clone().config(small(0, 0)).start().await;
    let nodes = [&first, &second, &third];
    let admin = first.admin().await;
    let sources = [Pusher::register(&first, &admin, "one").await, Pusher::register(&second, &admin, "two").await];
    let push = async |source: &Pusher| {
        for (id, model) in (1..=EVENTS).zip(MODELS.iter().cycle()) {
            source.push(&event(id, model, id, "write")).await.expect(200);
        }
    };
    let follow = async |node: &App, name: &str| {
        let phone = Device::new(&node.admin().await, name).with(&json!({ "limit": 7, "wait_s": 5 }));
        let (mut token, mut seen) = ("0".to_owned(), Vec::new());
        while i64::try_from(seen.len()).unwrap() < 2 * EVENTS {
            let answer = phone.pull_after(&token).await;
            seen.extend(answer["events"].as_array().unwrap().iter().cloned());
            token = token_of(&answer);
        }
        seen
    };
    let (.., on_first, on_second, on_third) = tokio::join!(
        push(&sources[0]),
        push(&sources[1]),
        follow(&first, "phone-1"),
        follow(&second, "phone-2"),
        follow(&third, "phone-3"),
    );
    let log: Vec<i64> = log_of(&first, &admin).await.iter().map(|change| change.position.get()).collect();
    assert_eq!(log, (1..=2 * EVENTS).collect::<Vec<_>>());
    assert_eq!(on_first.iter().map(|event| event["id"].as_i64().unwrap()).collect::<Vec<_>>(), log);
    assert!(on_first == on_third && on_second == on_third);
    assert!(first.context().tails.bytes() > 0 && second.context().tails.bytes() > 0);
    assert_eq!(third.context().tails.bytes(), 0);
    // Whatever is asked for, it is the same page by page.
    for wish in [
        json!({ "limit": 1_000 }),
        json!({ "limit": 13 }),
        json!({ "limit": 9, "models_filter": ["res.partner", "account.move"] }),
        json!({ "limit": 5, "system_id": "two" }),
        json!({ "limit": 6, "system_id": "one", "models_filter": ["sale.order"], "compact": true }),
        json!({ "app_type": "sales_app", "limit": 11 }),
        json!({ "models_filter": ["no.such.model"] }),
    ] {
        let mut answers = Vec::new();
        for (node, name) in nodes.into_iter().zip(["tablet-1", "tablet-2", "tablet-3"]) {
            answers.push(pages(&Device::new(&node.admin().await, name).with(&wish)).await);
        }
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{wish}");
    }
    first.stop().await;
    second.stop().await;
    third.stop().await;
}

fn small(rows: usize, bytes: usize) -> impl FnOnce(&mut Config) {
    move |config| {
        config.sync.tail_rows_max = rows;
        config.sync.tail_bytes_max = bytes;
    }
}

/// Every answer from the start on, without the times of the device.
async fn pages(device: &Device) -> Vec<Value> {
    let (mut token, mut pages) = ("0".to_owned(), Vec::new());
    loop {
        let mut answer = device.pull_after(&token).await;
        answer["last_sync_time"].take();
        token = token_of(&answer);
        pages.push(answer);
        if pages.last().unwrap()["has_more"] == false {
            return pages;
        }
    }
}

async fn below_the_tail_the_log_answers(setup: Setup) {
    let app = setup.config(small(20, 1_000_000)).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=50).await;
    let phone = Device::new(&admin, "phone-1").with(&json!({ "limit": 7 }));
    // The tail begins at 40, and others then draw it down to 30 and no further.
    assert_eq!(positions(&Device::new(&admin, "other").pull_after("0").await).len(), 50);
    assert_eq!(positions(&Device::new(&admin, "other").pull_after("40").await), (41..=50).collect::<Vec<_>>());
    let all = phone.pull_all_after("0").await;
    assert_eq!(all.iter().map(|event| event["id"].as_i64().unwrap()).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    source.writes("sale.order", 51..=80).await;
    for after in [0, 25, 59, 60, 61, 80] {
        let found = Device::new(&admin, "other").pull(json!({ "last_sync_token": after.to_string() })).await;
        assert_eq!(positions(&found), (after + 1..=80).collect::<Vec<_>>());
    }
    // A position that was never given is refused as before, and what is gone is said to be gone.
    phone.try_pull(json!({ "last_sync_token": "81" })).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    app.stop().await;
}

async fn a_tail_keeps_its_bounds(setup: Setup) {
    let app = setup.config(small(1_000, 6_000)).start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let tails = &app.context().tails;
    let sources = [Pusher::register(&app, &admin, "shop").await, Pusher::register(&app, &rival, "shop").await];
    let phones = [Device::new(&admin, "phone-1"), Device::new(&rival, "phone-1")];
    let mut tokens = ["0".to_owned(), "0".to_owned()];
    let mut seen = [0, 0];
    for round in 0..30 {
        for (n, (source, phone)) in sources.iter().zip(&phones).enumerate() {
            source.writes("sale.order", round * 5 + 1..=round * 5 + 5).await;
            let answer = phone.pull_after(&tokens[n]).await;
            seen[n] += positions(&answer).len();
            tokens[n] = token_of(&answer);
            assert!(tails.bytes() <= 6_000, "{}", tails.bytes());
        }
    }
    assert_eq!((seen, tokens), ([150, 150], ["150".to_owned(), "150".to_owned()]));
    assert!(tails.bytes() > 2_000, "it is used: {}", tails.bytes());
    app.stop().await;
}

async fn erp_and_source(app: &App, admin: &Client) -> (DemoErp, Pusher) {
    let erp = DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap();
    let system = register_demo_system(admin, &erp, "main").await;
    (erp, Pusher::with_key(app, system["push_key"].as_str().unwrap()))
}

async fn contents_are_for_admins_whoever_read_first(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let (erp, source) = erp_and_source(&app, &admin).await;
    let ann = app.user("ann", Some(SALES)).await;
    let (theirs, ours) = (Device::new(&ann, "phone-1"), Device::new(&admin, "phone-2"));
    let mut live = Live::connect(&app, PATH, Some(ann.token())).await;
    live.next_of("authenticated").await;
    live.send(json!({ "type": "subscribe", "channel": "events", "since": "0" })).await;
    let (mut id, mut at) = (0, ["0".to_owned(), "0".to_owned()]);
    for users_first in [true, false, true] {
        for happened in ["write", "unlink"] {
            id += 1;
            let mut event = event(id, "sale.order", id, happened);
            event["payload"] = json!({ "hidden": "payload" });
            event["old_data"] = json!({ "hidden": "before" });
            event["new_data"] = json!({ "hidden": "after" });
            event["changed_fields"] = json!(["name"]);
            event["idempotency_key"] = json!("hidden-key");
            source.push(&event).await.expect(200);
        }
        for is_user in [users_first, !users_first] {
            let (device, token) = if is_user { (&theirs, &mut at[0]) } else { (&ours, &mut at[1]) };
            let answer = device.pull_after(token).await;
            assert_eq!(positions(&answer), [id - 1, id]);
            *token = token_of(&answer);
            let text = answer.to_string();
            assert_eq!(text.contains(r#""hidden":"#), !is_user, "{text}");
            assert_eq!(answer["events"][1]["idempotency_key"], if is_user { Value::Null } else { json!("hidden-key") });
            if is_user {
                for known in [live.next_of("notification").await, live.next_of("notification").await] {
                    assert!(!known.to_string().contains(r#""hidden":"#), "{known}");
                }
            } else {
                assert_eq!(answer["events"][0]["old_data"], json!({ "hidden": "before" }));
            }
        }
    }
    assert!(app.context().tails.bytes() > 0);
    app.stop().await;
    erp.stop().await;
}

async fn other_rights_show_at_once(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let (erp, source) = erp_and_source(&app, &admin).await;
    let ann = app.user("ann", Some(SALES)).await;
    let phone = Device::new(&ann, "phone-1");
    let events: Vec<Value> =
        (1..=8).zip(MODELS.iter().cycle()).map(|(id, model)| event(id, model, id, "write")).collect();
    source.push(&json!(events)).await.expect(200);
    assert_eq!(positions(&phone.pull_after("0").await), [1, 2, 4, 5, 6, 8]);
    let id = ann.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let link = async |erp_user: i64| {
        admin.put(&format!("/api/v1/users/{id}"), &json!({ "odoo_user_id": erp_user })).await.expect(200);
    };
    link(ADMINISTRATOR).await;
    assert_eq!(positions(&phone.pull_after("0").await), (1..=8).collect::<Vec<_>>());
    link(SALES).await;
    assert_eq!(positions(&phone.pull_after("0").await), [1, 2, 4, 5, 6, 8]);
    app.stop().await;
    erp.stop().await;
}
