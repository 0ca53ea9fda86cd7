//! Several nodes, which count together where there is a Redis.

use super::told;
use crate::cache::redis_url;
use crate::support::{Client, Setup, eventually};
use crate::torture::proxy::{Net, Proxy};
use bridge_model::Entropy as _;
use bridge_model::entropy::OsEntropy;
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(2);

/// With a limit whose places become free so late that no test waits for one.
fn three_an_hour(setup: Setup, redis: &str) -> Setup {
    let setup = setup.limits(|limits| {
        limits.per_hour.sync_reset = 3;
        limits.redis_prefix = format!("it:{}:", OsEntropy::new().unwrap().hex(8));
    });
    setup.config(|config| redis.clone_into(&mut config.cache.redis_url))
}

/// What remains after a request; `None` if it was refused.
async fn remains(client: &Client) -> Option<u64> {
    let path = "/api/v2/sync/reset?device_id=phone-1&app_type=mobile_app";
    let answer = client.post(path, &json!({})).await;
    let [limit, remaining, reset_s] = told(&answer);
    assert_eq!(limit, 3);
    // Twenty minutes for each that is used; no test takes a minute of that.
    let used = 3 - remaining;
    assert!((used * 1_200 - 60..=used * 1_200).contains(&reset_s), "{answer:?}");
    (answer.status == 200).then_some(remaining)
}

async fn metric(client: &Client, line: &str) -> bool {
    client.get("/metrics").await.expect(200).as_str().unwrap().contains(&format!("{line}\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_count_together() {
    let setup = three_an_hour(Setup::postgres().await, &redis_url());
    let (one, two) = (setup.start().await, setup.start().await);
    let (here, there) = (one.admin().await, two.admin().await);
    assert_eq!(remains(&here).await, Some(2));
    assert_eq!(remains(&there).await, Some(1));
    assert_eq!(remains(&here).await, Some(0));
    assert_eq!((remains(&here).await, remains(&there).await), (None, None));
    // Others have their own.
    let amina = one.user("amina", None).await;
    assert_eq!(remains(&amina).await, Some(2));
    assert!(metric(&one.anonymous(), "rate_limits_alone_total 0").await);
    assert!(metric(&one.anonymous(), "redis_up{use=\"limits\"} 1").await);
    one.stop().await;
    // A node that starts anew knows what was counted.
    let again = two.setup().start().await;
    assert_eq!(remains(&again.admin().await).await, None);
    again.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_do_not_share_count_for_themselves() {
    let setup = three_an_hour(Setup::postgres().await, &redis_url()).config(|config| config.limits.shared = false);
    let (one, two) = (setup.start().await, setup.start().await);
    for app in [&one, &two] {
        let admin = app.admin().await;
        for left in [Some(2), Some(1), Some(0), None] {
            assert_eq!(remains(&admin).await, left);
        }
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_node_goes_on_by_itself() {
    let redis = url::Url::parse(&redis_url()).unwrap();
    let proxy = Proxy::start(format!("{}:{}", redis.host_str().unwrap(), redis.port().unwrap())).await;
    let setup = three_an_hour(Setup::postgres().await, &format!("redis://{}", proxy.address));
    // Long enough for a slow machine not to be taken for a Redis that is away.
    let setup = setup.config(|config| config.cache.redis_timeout_ms = 5_000);
    let (one, two) = (setup.start().await, setup.start().await);
    let (here, there) = (one.admin().await, two.admin().await);
    assert_eq!((remains(&here).await, remains(&there).await, remains(&here).await), (Some(2), Some(1), Some(0)));
    assert_eq!(remains(&there).await, None);
    proxy.set(Net::Cut);
    for admin in [&here, &there] {
        for left in [Some(2), Some(1), Some(0), None] {
            assert_eq!(remains(admin).await, left, "each counts for itself");
        }
        assert!(metric(&admin.anonymous(), "redis_up{use=\"limits\"} 0").await);
        assert!(!metric(&admin.anonymous(), "rate_limits_alone_total 0").await);
    }
    proxy.set(Net::Open);
    let (amina, omar) = (one.user("amina", None).await, one.user("omar", None).await);
    for app in [&one, &two] {
        let amina = app.anonymous().with_token(amina.token());
        eventually("Redis is asked again", PATIENCE, async || {
            remains(&amina).await;
            metric(&amina.anonymous(), "redis_up{use=\"limits\"} 1").await.then_some(())
        })
        .await;
    }
    assert_eq!(remains(&omar).await, Some(2));
    assert_eq!(remains(&two.anonymous().with_token(omar.token())).await, Some(1));
    one.stop().await;
    two.stop().await;
}
