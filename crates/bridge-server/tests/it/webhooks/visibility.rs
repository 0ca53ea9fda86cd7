use super::{EVENTS, ids};
use crate::ingest::pusher::{Pusher, event};
use crate::support::{App, Client, Setup, on_both_databases, register_demo_system};
use bridge_erp::fake::{Addon, DemoErp, Options};
use serde_json::{Value, json};

/// The demo ERP's salesperson, who may not read invoices.
const SALES: i64 = 6;

on_both_databases!(a_user_sees_in_lists_and_counts_what_a_pull_would_show, what_cannot_be_judged_is_a_problem);

/// A demo ERP without an event table, so that the log holds just what the test pushes.
async fn quiet_erp() -> DemoErp {
    DemoErp::start(Options { addon: Addon::None, ..Options::default() }).await.unwrap()
}

async fn source(app: &App, admin: &Client, erp: &DemoErp, system_id: &str) -> Pusher {
    let system = register_demo_system(admin, erp, system_id).await;
    Pusher::with_key(app, system["push_key"].as_str().unwrap())
}

async fn get(client: &Client, path: &str) -> Value {
    client.get(&format!("/api/v1/webhooks/{path}")).await.expect(200)
}

async fn a_user_sees_in_lists_and_counts_what_a_pull_would_show(setup: Setup) {
    let (app, erp) = (setup.start().await, quiet_erp().await);
    let (admin, rival) = (app.admin().await, app.other_tenant("rival").await);
    let main = source(&app, &admin, &erp, "main").await;
    let second = source(&app, &admin, &erp, "second").await;
    let foreign = source(&app, &rival, &erp, "main").await;
    let models = ["sale.order", "account.move", "res.partner", "account.move", "no.such.model", "sale.order"];
    let events: Vec<Value> = (1..)
        .zip(models)
        .map(|(id, model)| {
            let mut event = event(id, model, 100 + id, if id == 6 { "unlink" } else { "write" });
            event["payload"] = json!({ "secret": id });
            event["old_data"] = json!({ "name": "was" });
            event["changed_fields"] = json!(["name"]);
            event["user_id"] = json!(2);
            event["priority"] = json!(if model == "account.move" { "high" } else { "low" });
            event
        })
        .collect();
    main.push(&json!(events)).await.expect(200);
    second.push(&event(7, "sale.order", 107, "create")).await.expect(200);
    foreign.writes("sale.order", [8, 9]).await;

    let ann = app.user("ann", Some(SALES)).await;
    let seen = get(&ann, "events").await;
    assert_eq!(ids(&seen), [6, 3, 1]);
    let (deleted, written) = (&seen["items"][0], &seen["items"][2]);
    assert_eq!((&written["changed_fields"], &written["user_id"]), (&json!(["name"]), &json!(2)));
    assert_eq!((&deleted["record_id"], &deleted["changed_fields"]), (&json!(106), &Value::Null));
    for event in seen["items"].as_array().unwrap() {
        for field in ["payload", "old_data", "new_data"] {
            assert!(event.get(field).is_none(), "{field} is for admins");
        }
    }
    // No filter and no page gives more away, and offsets count what is seen.
    for (query, expected) in [
        ("model=account.move", vec![]),
        ("model=no.such.model", vec![]),
        ("system_id=second", vec![]),
        ("record_id=102", vec![]),
        ("event=create", vec![]),
        ("offset=1", vec![3, 1]),
        ("limit=1&offset=2", vec![1]),
        ("limit=2", vec![6, 3]),
    ] {
        assert_eq!(ids(&get(&ann, &format!("events?{query}")).await), expected, "{query}");
    }
    let checked = get(&ann, "check-updates?since=0").await;
    let expected = json!({
        "has_updates": true, "count": 3, "count_is_exact": true, "latest_event_id": 6, "since": 0,
        "resync_required": false,
    });
    assert_eq!(checked, expected);
    let checked = get(&ann, "check-updates?since=6").await;
    assert_eq!((&checked["has_updates"], &checked["latest_event_id"]), (&json!(false), &Value::Null));
    let counted = get(&ann, "statistics").await;
    assert_eq!(counted["by_model"], json!({ "res.partner": 1, "sale.order": 2 }));
    assert_eq!((&counted["total_events"], &counted["by_priority"]), (&json!(3), &json!({ "low": 3 })));
    assert_eq!(
        (&counted["by_event"], &counted["by_origin"]),
        (&json!({ "unlink": 1, "write": 2 }), &json!({ "push": 3 }))
    );
    assert_eq!((&counted["dead_letters"], &counted["sources"]), (&Value::Null, &Value::Null), "for admins only");

    // An admin sees all of their tenant and nothing of another.
    let all = get(&admin, "events").await;
    assert_eq!(ids(&all), (1..=7).rev().collect::<Vec<_>>());
    assert_eq!(all["items"][5]["payload"], json!({ "secret": 2 }));
    assert_eq!(get(&admin, "statistics").await["total_events"], 7);
    assert_eq!(ids(&get(&rival, "events").await), [2, 1]);
    assert_eq!(get(&rival, "check-updates?since=0").await["count"], 2);
    rival.get(&format!("{EVENTS}?system_id=second")).await.expect_problem(404, "SYSTEM_NOT_FOUND");

    let nobody = app.user("nobody", None).await;
    for path in ["events", "statistics", "check-updates?since=0"] {
        nobody.get(&format!("/api/v1/webhooks/{path}")).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    }
    let ghost = app.user("ghost", Some(4_711)).await;
    for path in ["events", "check-updates?since=0"] {
        ghost.get(&format!("/api/v1/webhooks/{path}")).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    }
    app.stop().await;
    erp.stop().await;
}

async fn what_cannot_be_judged_is_a_problem(setup: Setup) {
    let (app, erp) = (setup.start().await, quiet_erp().await);
    let admin = app.admin().await;
    let main = source(&app, &admin, &erp, "main").await;
    main.writes("sale.order", 1..=2).await;
    let ann = app.user("ann", Some(SALES)).await;
    erp.stop().await;
    for path in ["events", "statistics", "check-updates?since=0"] {
        ann.get(&format!("/api/v1/webhooks/{path}")).await.expect_problem(502, "CONNECTION_REFUSED");
    }
    assert_eq!(ids(&get(&admin, "events").await), [2, 1], "an admin's rights are not the ERP's");
    erp.restart().await.unwrap();
    assert_eq!(ids(&get(&ann, "events").await), [2, 1]);
    // What was learned serves while the ERP is down.
    erp.stop().await;
    main.writes("sale.order", 3..=3).await;
    assert_eq!(ids(&get(&ann, "events").await), [3, 2, 1]);
    app.stop().await;
}
