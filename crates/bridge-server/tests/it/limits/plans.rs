use super::{retry_after, told};
use crate::ingest::pusher::tenant_of;
use crate::support::{Client, Setup, manual_clock, on_both_databases};
use serde_json::json;
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

on_both_databases!(the_plan_of_a_tenant_decides_over_the_hour, a_new_tenant_has_the_plan_of_the_settings);

async fn pull(client: &Client) -> crate::support::Answer {
    client.post("/api/v2/sync/pull", &json!({ "device_id": "phone-1", "app_type": "mobile_app" })).await
}

/// Runs `bridgecore tenants …` on the setup's database.
async fn tenants(setup: &Setup, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bridgecore"));
    command.arg("tenants").args(arguments).env_remove("RUST_LOG").envs(setup.environment());
    command.output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn the_plan_of_a_tenant_decides_over_the_hour(setup: Setup) {
    let clock = manual_clock();
    let setup = setup.clock(clock.clone()).limits(|limits| {
        limits.per_minute.sync_pull = 5;
        limits.sync_pull_per_hour.insert("free".to_owned(), 3);
        limits.webhook_events_per_hour.insert("free".to_owned(), 2);
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let tenant = tenant_of(&admin).await.0.to_string();
    // The plan that it has names no limit of the hour: that of the minute is told of.
    assert_eq!(told(&pull(&admin).await), [5, 4, 12]);
    let set = |plan: &'static str| ["plan", tenant.as_str(), plan].map(str::to_owned);
    let give = async |setup: &Setup, plan: &'static str| {
        let arguments = set(plan);
        tenants(setup, &arguments.each_ref().map(String::as_str)).await
    };
    let (app, admin) = if app.context().store.kind() == "sqlite" {
        let refused = give(app.setup(), "free").await;
        assert!(!refused.status.success() && text(&refused.stderr).contains("must be stopped"), "{refused:?}");
        // It may be looked at meanwhile.
        let listed = text(&tenants(app.setup(), &["list"]).await.stdout);
        assert_eq!(listed, format!("{tenant}\tenterprise\tdefault\n"));
        let setup = app.stop().await;
        let given = give(&setup, "free").await;
        assert!(given.status.success(), "{given:?}");
        let app = setup.start().await;
        let admin = app.admin().await;
        (app, admin)
    } else {
        let given = give(app.setup(), "free").await;
        assert!(given.status.success(), "{given:?}");
        clock.advance(Duration::from_secs(6));
        (app, admin)
    };
    let listed = text(&tenants(app.setup(), &["list"]).await.stdout);
    assert_eq!(listed, format!("{tenant}\tfree\tdefault\n"));
    clock.advance(Duration::from_mins(1));
    // Of the two limits the nearest is told of.
    assert_eq!(told(&pull(&admin).await), [3, 2, 1_200]);
    assert_eq!(told(&pull(&admin).await), [3, 1, 2_400]);
    assert_eq!(told(&pull(&admin).await), [3, 0, 3_600]);
    let refused = pull(&admin).await;
    assert_eq!(retry_after(&refused), 1_200);
    let problem = refused.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(problem["details"], json!({ "limit": 3, "window_s": 3_600, "class": "sync_pull" }));
    // Each user has the allowance of the plan, and each tenant the plan of its own.
    let amina = app.user("amina", None).await;
    assert_eq!(told(&pull(&amina).await), [3, 2, 1_200]);
    let stranger = app.other_tenant("stranger").await;
    assert_eq!(told(&pull(&stranger).await), [5, 4, 12]);
    for path in ["/api/v1/webhooks/events", "/api/v1/webhooks/check-updates?since=0"] {
        admin.get(path).await.expect(200);
    }
    let refused = admin.get("/api/v1/webhooks/events").await;
    assert_eq!(retry_after(&refused), 1_800);
    refused.expect_problem(429, "RATE_LIMIT_EXCEEDED");
    // The other lists are reads as any other.
    admin.get("/api/v1/webhooks/statistics").await.expect(200);
    app.stop().await;
}

async fn a_new_tenant_has_the_plan_of_the_settings(setup: Setup) {
    // A database that no service has made yet is not made.
    for _ in 0..2 {
        let refused = tenants(&setup, &["plan", "1", "free"]).await;
        let errors = text(&refused.stderr);
        let said = ["the database has the schema 0", "open the database"].iter().any(|said| errors.contains(said));
        assert!(!refused.status.success() && said && !errors.contains("there is no tenant"), "{refused:?}");
    }
    let app = setup.config(|config| "premium".clone_into(&mut config.limits.plan_default)).start().await;
    let admin = app.admin().await;
    let tenant = tenant_of(&admin).await;
    assert_eq!(app.context().store.tenant(tenant).await.unwrap().unwrap().plan, "premium");
    let setup = app.stop().await;
    for (arguments, said) in [
        (["plan", "1", "gold"], "does not name the plan \"gold\""),
        (["plan", "999", "free"], "there is no tenant 999"),
    ] {
        let refused = tenants(&setup, &arguments).await;
        assert!(!refused.status.success() && text(&refused.stderr).contains(said), "{refused:?}");
    }
}
