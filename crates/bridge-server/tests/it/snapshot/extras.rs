use crate::ingest::pusher::Pusher;
use crate::support::{Answer, App, Client, Setup, eventually, on_both_databases};
use crate::sync::device::{Device, EMPTY, positions, token_of};
use serde_json::json;
use std::time::Duration;

on_both_databases!(a_pull_that_waits_is_answered_at_the_first_change_it_may_see);

async fn stage(setup: Setup) -> (App, Client, Pusher) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    (app, admin, source)
}

async fn a_pull_that_waits_is_answered_at_the_first_change_it_may_see(setup: Setup) {
    let (app, admin, source) = stage(setup).await;
    source.writes("sale.order", 1..=2).await;
    let phone = Device::new(&admin, "phone-1").with(&json!({ "models_filter": ["sale.order"], "wait_s": 20 }));
    // What is there comes at once.
    assert_eq!(positions(&phone.pull_after("0").await), [1, 2]);
    let waiting = tokio::spawn({
        let phone = phone.clone();
        async move { phone.pull_after("2").await }
    });
    // Changes that are none of its business do not end the wait; one that is does.
    source.writes("res.partner", 3..=4).await;
    source.writes("sale.order", 5..=5).await;
    let answer = waiting.await.unwrap();
    assert_eq!((positions(&answer), token_of(&answer).as_str()), (vec![5], "5"));
    // The end of the patience is an ordinary empty answer.
    let answer = phone.with(&json!({ "wait_s": 1 })).pull_after("5").await;
    assert_eq!(
        (positions(&answer), &answer["has_updates"], token_of(&answer).as_str()),
        (EMPTY.to_vec(), &json!(false), "5")
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_is_bounded_by_the_config_and_by_the_requests_own_time() {
    for (wait_max_s, request_timeout_ms) in [(1, 30_000), (55, 12_000)] {
        let setup = Setup::sqlite().config(|config| {
            config.sync.wait_max_s = wait_max_s;
            config.server.request_timeout_ms = request_timeout_ms;
        });
        let (app, admin, _source) = stage(setup).await;
        let phone = Device::new(&admin, "phone-1").with(&json!({ "wait_s": 1_000_000 }));
        let answer = tokio::time::timeout(Duration::from_secs(40), phone.pull_after("0")).await.unwrap();
        assert_eq!(positions(&answer), EMPTY);
        app.stop().await;
    }
}

/// How long a client waits below, in seconds: longer than anything may take that has to happen meanwhile.
const WAIT_S: u64 = 50;

/// How long that may take.
const BEFORE_IT_ENDS: Duration = Duration::from_secs(40);

/// Takes the one place that there is, and waits in it; until it has it, others may have it.
fn takes_the_place(phone: Device) -> tokio::task::JoinHandle<Answer> {
    tokio::spawn(async move {
        loop {
            let answer = phone.try_pull(json!({ "last_sync_token": "1" })).await;
            if answer.status != 503 {
                return answer;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_stops_waiting() {
    let setup = Setup::sqlite().config(|config| {
        config.server.requests_at_once_max = 1;
        config.server.request_timeout_ms = 120_000;
        config.server.shutdown_ms = 600_000;
    });
    let (app, admin, source) = stage(setup).await;
    source.writes("sale.order", 1..=1).await;
    let phone = Device::new(&admin, "phone-1").with(&json!({ "wait_s": WAIT_S }));
    assert_eq!(phone.try_pull(json!({ "last_sync_token": "0" })).await.status, 200);
    let other = Device::new(&admin, "phone-2");
    let turns = async |what: &str, status: u16| {
        eventually(what, BEFORE_IT_ENDS, async || (other.try_pull(json!({})).await.status == status).then_some(()))
            .await;
    };
    let waiting = takes_the_place(phone.clone());
    turns("the one place is taken", 503).await;
    waiting.abort();
    turns("the one place is free", 200).await;

    // A service that stops does not wait for those who wait, and answers them.
    let waiting = takes_the_place(phone);
    turns("the one place is taken again", 503).await;
    tokio::time::timeout(BEFORE_IT_ENDS, app.stop()).await.unwrap();
    assert_eq!(positions(&waiting.await.unwrap().expect(200)), EMPTY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_tokens_gets_a_lost_answer_again_however_long_it_waited() {
    let (app, admin, source) = stage(Setup::sqlite().config(|config| config.sync.retry_window_ms = 8_000)).await;
    let phone = Device::new(&admin, "phone-1");
    phone.pull(json!({})).await;
    let waiting = tokio::spawn({
        let phone = phone.clone();
        async move { phone.pull(json!({ "wait_s": 24 })).await }
    });
    // Longer than the window.
    let before = app.context().clock.now();
    eventually("the window is over", Duration::from_mins(1), async || {
        (app.context().clock.now().since(before) > Duration::from_secs(9)).then_some(())
    })
    .await;
    source.writes("sale.order", 1..=1).await;
    assert_eq!(positions(&waiting.await.unwrap()), [1]);
    assert_eq!(positions(&phone.pull(json!({})).await), [1], "the answer was lost, this is the retry");
    app.stop().await;
}
