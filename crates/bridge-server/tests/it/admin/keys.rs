//! API keys of systems, which are renewed before they end.

use crate::seen::scrape::Scrape;
use crate::support::{App, Setup, demo_erp_at, eventually, manual_clock, on_both_databases};
use bridge_erp::Connection;
use bridge_erp::fake::{DemoErp, Fault};
use bridge_model::clock::ManualClock;
use bridge_model::{Clock as _, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(
    a_key_is_renewed_before_it_ends_and_ours_is_removed_then,
    what_cannot_be_renewed_is_told_and_tried_once_a_day,
    an_admins_change_comes_first,
);

const DAY: Duration = Duration::from_hours(24);

/// The demo ERP's administrator.
const ADMIN: i64 = 2;

const PATIENCE: Duration = Duration::from_mins(2);

struct Stage {
    app: App,
    erp: DemoErp,
    clock: Arc<ManualClock>,
    first_end: Timestamp,
}

/// A system that is reached by a key which ends in 20 days.
async fn stage(setup: Setup, password: &str) -> Stage {
    let clock = manual_clock();
    let app = setup.clock(Arc::clone(&clock) as _).start().await;
    let erp = demo_erp_at(Arc::clone(&clock) as _).await;
    let first_end = clock.now().plus(20 * DAY);
    let key = erp.add_key(ADMIN, "by hand", first_end);
    let connection = Connection { api_key: Some(key), password: password.to_owned(), ..erp.connection() };
    let admin = app.admin().await;
    let registration = json!({
        "system_id": "main", "system_type": "odoo", "name": "Demo ERP", "connection_config": connection,
    });
    admin.post("/api/v1/systems", &registration).await.expect(201);
    Stage { app, erp, clock, first_end }
}

impl Stage {
    /// Lets this time go by, and then the jobs run.
    async fn after(&self, time: Duration) {
        self.clock.advance(time);
        // Once for the schedule and the jobs that it makes.
        bridge_server::jobs::run_due(self.app.context(), "test").await.unwrap();
        eventually("no job is left", PATIENCE, async || {
            let jobs = self.app.context().store.job_counts().await.unwrap();
            (jobs.queued == 0 && jobs.running == 0).then_some(())
        })
        .await;
    }

    async fn status(&self) -> Value {
        // The log-in may have ended meanwhile.
        let admin = self.app.admin().await;
        admin.get("/api/v1/systems/main/status").await.expect(200)
    }

    async fn stored_key(&self) -> String {
        let systems = self.app.context().store.all_systems().await.unwrap();
        systems[0].connection["api_key"].as_str().unwrap().to_owned()
    }

    async fn stop(self) {
        self.app.stop().await;
        self.erp.stop().await;
    }
}

async fn a_key_is_renewed_before_it_ends_and_ours_is_removed_then(setup: Setup) {
    let stage = stage(setup, "admin").await;
    let first = stage.stored_key().await;
    stage.after(Duration::from_hours(1)).await;
    let status = stage.status().await;
    assert_eq!(status["credential_expires_at"], json!(stage.first_end), "{status}");
    assert_eq!(stage.stored_key().await, first, "there is time");
    Scrape::until(&stage.app, "the end is among the metrics", |scrape| {
        scrape.label_values("credential_expires_at_seconds", "system").contains("main")
    })
    .await;

    stage.after(7 * DAY).await;
    let second = stage.stored_key().await;
    assert_ne!(second, first);
    let names = stage.erp.key_names(ADMIN);
    assert_eq!((names.len(), names[0].as_str()), (2, "by hand"), "somebody else's key is left alone: {names:?}");
    assert!(names[1].starts_with("BridgeCore main "), "{names:?}");
    let status = stage.status().await;
    let end = Timestamp::parse_rfc3339(status["credential_expires_at"].as_str().unwrap()).unwrap();
    assert!(end > stage.clock.now().plus(80 * DAY), "{status}");
    assert_eq!((&status["reachable"], &status["protocol"]), (&json!(true), &json!("json2")), "{status}");
    // The first one, which somebody else made, is still there and about to end; it is none of ours any more.
    for _ in 0..5 {
        stage.after(DAY).await;
    }
    assert_eq!(stage.stored_key().await, second);

    // The next one takes its place, and is removed once it is not used any more.
    stage.after(75 * DAY).await;
    let third = stage.stored_key().await;
    assert_ne!(third, second);
    assert_eq!(stage.erp.key_names(ADMIN).len(), 3);
    stage.after(Duration::from_hours(1)).await;
    let left = stage.erp.key_names(ADMIN);
    assert_eq!((left.len(), left[0].as_str()), (2, "by hand"), "{left:?}");
    assert_ne!(left[1], names[1]);
    assert_eq!(stage.status().await["reachable"], true);
    stage.stop().await;
}

async fn what_cannot_be_renewed_is_told_and_tried_once_a_day(setup: Setup) {
    let stage = stage(setup, "admin").await;
    let first = stage.stored_key().await;
    // The key is made, and the answer is lost on its way.
    stage.erp.faults().fail_method("res.users.identitycheck", "run_check", 2, Fault::ResetAfterWork);
    stage.after(7 * DAY).await;
    for _ in 0..10 {
        stage.after(Duration::from_hours(1)).await;
    }
    let made = || stage.erp.faults().calls("res.users.apikeys.description", "make_key");
    assert_eq!(made(), 1, "no keys are made in a loop");
    assert_eq!(stage.erp.key_names(ADMIN), ["by hand"], "the key of which nobody learned is removed");
    assert_eq!(stage.stored_key().await, first);
    let status = stage.status().await;
    assert_eq!(status["credential_expires_at"], json!(stage.first_end), "{status}");
    assert!(status["credential_problem"].as_str().unwrap().contains("make a key"), "{status}");
    Scrape::until(&stage.app, "the problem is among the metrics", |scrape| {
        scrape.get("credential_problems{system=\"main\",tenant=\"1\"}") == Some(1.0)
    })
    .await;
    stage.erp.faults().fail_method("res.users.identitycheck", "run_check", 1, Fault::ResetAfterWork);
    stage.after(DAY).await;
    assert_eq!((made(), stage.stored_key().await), (2, first.clone()));
    stage.after(DAY).await;
    assert_eq!(made(), 3);
    assert_ne!(stage.stored_key().await, first);
    assert_eq!(stage.status().await["credential_problem"], Value::Null);
    assert_eq!(stage.erp.key_names(ADMIN).len(), 2, "by hand, and the one in use");
    stage.stop().await;
}

async fn an_admins_change_comes_first(setup: Setup) {
    let stage = stage(setup, "").await;
    stage.after(7 * DAY).await;
    let status = stage.status().await;
    assert!(status["credential_problem"].as_str().unwrap().contains("password"), "{status}");
    // Another key, of another end, and with a password.
    let end = stage.clock.now().plus(30 * DAY);
    let key = stage.erp.add_key(ADMIN, "another", end);
    let connection = Connection { api_key: Some(key.clone()), ..stage.erp.connection() };
    let admin = stage.app.admin().await;
    let change = json!({ "connection_config": connection });
    admin.put("/api/v1/systems/main", &change).await.expect(200);
    let status = stage.status().await;
    assert_eq!((&status["credential_expires_at"], &status["credential_problem"]), (&Value::Null, &Value::Null));
    stage.after(Duration::from_hours(1)).await;
    // The ERP tells when the first of the user's keys ends, which is the one by hand: a new one is made.
    let names = stage.erp.key_names(ADMIN);
    assert_eq!(names.len(), 3, "{names:?}");
    stage.stop().await;
}
