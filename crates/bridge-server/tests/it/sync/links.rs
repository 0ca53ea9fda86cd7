//! To which system a user's ERP user belongs.

use super::device::{Device, positions};
use crate::ingest::pusher::{Pusher, event};
use crate::support::{App, Client, Setup, on_both_databases, register_demo_system};
use bridge_erp::fake::{Addon, DemoErp, Options};
use serde_json::json;

/// The demo ERP's salesperson.
const SALES: i64 = 6;

on_both_databases!(
    a_link_stays_with_its_system_when_another_becomes_primary,
    a_link_to_nobody_passes_nothing_over,
    a_device_whose_cursor_is_gone_starts_over,
);

async fn source(app: &App, admin: &Client, erp: &DemoErp, system_id: &str) -> Pusher {
    let system = register_demo_system(admin, erp, system_id).await;
    Pusher::with_key(app, system["push_key"].as_str().unwrap())
}

async fn a_link_stays_with_its_system_when_another_becomes_primary(setup: Setup) {
    let app = setup.start().await;
    let erp = DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap();
    let admin = app.admin().await;
    // Linked before there is any system: bound to the primary one at its first use.
    let early = Device::new(&app.user("early", Some(SALES)).await, "early-phone");
    let first = source(&app, &admin, &erp, "first").await;
    let second = source(&app, &admin, &erp, "second").await;
    let late = Device::new(&app.user("late", Some(SALES)).await, "late-phone");
    first.push(&event(1, "sale.order", 101, "write")).await.expect(200);
    second.push(&event(2, "sale.order", 102, "write")).await.expect(200);
    for device in [&early, &late] {
        assert_eq!(positions(&device.pull_after("0").await), [1]);
    }
    admin.put("/api/v1/systems/second", &json!({ "is_primary": true })).await.expect(200);
    second.push(&event(3, "sale.order", 103, "write")).await.expect(200);
    first.push(&event(4, "sale.order", 104, "write")).await.expect(200);
    for device in [&early, &late] {
        assert_eq!(
            positions(&device.pull_after("1").await),
            [4],
            "user {SALES} of the second system is another person"
        );
    }
    // Who is linked anew is linked to the system that is primary now.
    let new = Device::new(&app.user("new", Some(SALES)).await, "new-phone");
    assert_eq!(positions(&new.pull_after("0").await), [2, 3]);
    // A system that is gone takes its links along: nothing is shown, and nothing is passed over.
    admin.delete("/api/v1/systems/first").await.expect(200);
    second.push(&event(5, "sale.order", 105, "write")).await.expect(200);
    late.try_pull(json!({ "last_sync_token": "4" })).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    app.stop().await;
    erp.stop().await;
}

async fn a_link_to_nobody_passes_nothing_over(setup: Setup) {
    let app = setup.start().await;
    let erp = DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap();
    let admin = app.admin().await;
    let main = source(&app, &admin, &erp, "main").await;
    let user = app.user("lost", Some(99_999)).await;
    let phone = Device::new(&user, "lost-phone");
    main.push(&event(1, "sale.order", 101, "write")).await.expect(200);
    phone.try_pull(json!({ "last_sync_token": "0" })).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    admin.put(&format!("/api/v1/users/{id}"), &json!({ "odoo_user_id": SALES })).await.expect(200);
    assert_eq!(positions(&phone.pull_after("0").await), [1], "nothing was passed over meanwhile");
    app.stop().await;
    erp.stop().await;
}

async fn a_device_whose_cursor_is_gone_starts_over(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    source.writes("sale.order", 1..=5).await;
    let phone = Device::new(&admin, "my-phone");
    // A device that was away for so long that its cursor was cleaned up.
    let answer = phone.pull_after("3").await;
    assert_eq!((&answer["status"], &answer["resync_required"]), (&json!("resync_required"), &json!(true)));
    assert_eq!((&answer["snapshot_position"], &answer["next_sync_token"]), (&json!(5), &json!("0")));
    source.writes("sale.order", 6..=6).await;
    assert_eq!(positions(&phone.pull_after("5").await), [6]);
    // A token that the log never reached is none of ours.
    Device::new(&admin, "other-phone")
        .try_pull(json!({ "last_sync_token": "7" }))
        .await
        .expect_problem(400, "INVALID_SYNC_TOKEN");
    app.stop().await;
}
