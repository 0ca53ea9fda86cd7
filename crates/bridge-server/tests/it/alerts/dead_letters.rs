//! Events that can't be understood, many of them, of several tenants.

use super::receiver::Receiver;
use super::{PATIENCE, alerts, telling, telling_all};
use crate::ingest::pusher::Pusher;
use crate::support::{Setup, eventually, on_both_databases};
use bridge_server::config::WebhookTarget;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

on_both_databases!(
    a_storm_is_one_alert_that_counts,
    nobody_is_told_of_another_tenants,
    only_admins_see_them_page_by_page
);

const SECRET_IN_BODY: &str = "what-a-record-holds-8462";

async fn a_storm_is_one_alert_that_counts(setup: Setup) {
    let receiver = Receiver::start().await;
    let app = telling(setup, &receiver).start().await;
    let admin = app.admin().await;
    let shop = Arc::new(Pusher::register(&app, &admin, "shop").await);
    let mut pushing = JoinSet::new();
    for _ in 0..10 {
        let shop = Arc::clone(&shop);
        pushing.spawn(async move {
            for _ in 0..100 {
                let body = format!("{{\"model\": {SECRET_IN_BODY:?}");
                shop.push_bytes(body).await.expect_problem(400, "MALFORMED_JSON");
            }
        });
    }
    pushing.join_all().await;
    let [alert] = &alerts(&admin, "state=open").await.into_iter().filter(of_letters).collect::<Vec<_>>()[..] else {
        panic!("not one alert");
    };
    assert_eq!((&alert["times"], &alert["system_id"]), (&json!(1_000), &json!("shop")));
    receiver.wait("alert.open", "dead_letters").await;
    // A second system's is told after it, and nothing more of the first.
    let depot = Pusher::register(&app, &admin, "depot").await;
    depot.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    eventually("the second is told of", PATIENCE, async || {
        let taken = receiver.of_kind("dead_letters");
        taken.iter().any(|taken| taken.body["data"]["system_id"] == "depot").then_some(())
    })
    .await;
    let taken = receiver.of_kind("dead_letters");
    assert_eq!(taken.len(), 2, "{taken:?}");
    for taken in receiver.taken() {
        let text = taken.body.to_string();
        assert!(!text.contains(SECRET_IN_BODY) && !text.contains(&shop.key), "{text}");
    }
    app.stop().await;
}

fn of_letters(alert: &Value) -> bool {
    alert["kind"] == "dead_letters"
}

async fn nobody_is_told_of_another_tenants(setup: Setup) {
    let (first, second, all) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let kinds = vec!["dead_letters".to_owned()];
    let targets = vec![
        WebhookTarget { tenants: vec![1], kinds: kinds.clone(), ..first.target("first") },
        WebhookTarget { tenants: vec![2], language: "fr".to_owned(), ..second.target("second") },
        WebhookTarget { kinds, ..all.target("all") },
    ];
    let app = telling_all(setup, targets).start().await;
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let (ours, theirs) =
        (Pusher::register(&app, &admin, "shop").await, Pusher::register(&app, &rival, "their-shop").await);
    ours.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    theirs.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    first.wait("alert.open", "dead_letters").await;
    let told = second.wait("alert.open", "dead_letters").await;
    let title = "Des événements de their-shop n’ont pas pu être compris et ont été mis de côté";
    assert_eq!((&told.body["data"]["title"], &told.body["data"]["tenant_name"]), (&json!(title), &json!("rival")));
    eventually("everybody is told of both", PATIENCE, async || (all.taken().len() >= 2).then_some(())).await;
    assert!(
        first
            .taken()
            .iter()
            .all(|taken| taken.body["data"]["tenant_id"] == 1 && taken.is("alert.open", "dead_letters"))
    );
    assert!(second.taken().iter().all(|taken| taken.body["data"]["tenant_id"] == 2));
    for (admin, system) in [(&admin, "shop"), (&rival, "their-shop")] {
        let seen = alerts(admin, "").await;
        assert!(seen.iter().any(of_letters) && seen.iter().all(|alert| alert["system_id"] == system), "{seen:?}");
    }
    app.stop().await;
}

async fn only_admins_see_them_page_by_page(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    for system in ["a", "b", "c"] {
        let shop = Pusher::register(&app, &admin, system).await;
        shop.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    }
    // Nobody is configured to be told, and an admin can look all the same.
    let all: Vec<_> = eventually("every alert is told to nobody", PATIENCE, async || {
        let all = alerts(&admin, "").await;
        let is_told = |alert: &&Value| alert["told_at"].is_string() && of_letters(alert);
        (all.iter().filter(is_told).count() == 3).then_some(all)
    })
    .await;
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("/api/v1/alerts?limit=1{cursor}")).await.expect(200);
        ids.extend(page["items"].as_array().unwrap().iter().map(|alert| alert["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    // Of a system that nobody can reach another alert may have come meanwhile.
    assert!(all.iter().all(|alert| ids.contains(&alert["id"])), "{ids:?}");
    assert!(ids.windows(2).all(|pair| pair[0].as_i64() > pair[1].as_i64()), "{ids:?}");
    for query in ["limit=0", "limit=201", "state=gone", "cursor=x", "cursor=-1"] {
        admin.get(&format!("/api/v1/alerts?{query}")).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    }
    let user = app.user("seller", None).await;
    user.get("/api/v1/alerts").await.expect_problem(403, "FORBIDDEN");
    app.anonymous().get("/api/v1/alerts").await.expect_problem(401, "AUTHENTICATION_FAILED");
    app.stop().await;
}
