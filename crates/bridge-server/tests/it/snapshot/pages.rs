use super::phone::{FIELDS, SALES, SNAPSHOT, all_pages, everything, fields};
use crate::support::{Setup, demo_erp, on_both_databases, register_demo_system};
use crate::sync::device::{Device, EMPTY, positions};
use bridge_erp::fake::{Addon, DemoErp, Options};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

on_both_databases!(a_snapshot_holds_what_the_user_may_read_and_nothing_else, pulls_go_on_from_the_snapshot_alone);

/// The records of a snapshot by model.
fn by_model(pages: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let mut all = BTreeMap::<String, Vec<Value>>::new();
    for page in pages.iter().filter(|page| page["model"].is_string()) {
        let of_model = all.entry(page["model"].as_str().unwrap().to_owned()).or_default();
        of_model.extend(page["records"].as_array().unwrap().iter().cloned());
    }
    all
}

async fn a_snapshot_holds_what_the_user_may_read_and_nothing_else(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let second = DemoErp::start(Options { seed: 5, ..Options::default() }).await.unwrap();
    register_demo_system(&admin, &second, "second").await;
    let ann = app.user("ann", Some(SALES)).await;
    let mut tx = erp.db().begin(2);
    let archived = tx.create("res.partner", json!({ "name": "Archived", "active": false })).unwrap();
    tx.commit();

    let wish = |app_type: &str, limit: u32| json!({ "device_id": "phone-1", "app_type": app_type, "limit": limit });
    for app_type in ["manager_app", "mobile_app"] {
        let seen = by_model(&all_pages(&ann, &wish(app_type, 50)).await);
        assert!(seen.contains_key("sale.order"), "{:?}", seen.keys());
        for secret in ["account.move", "purchase.order", "hr.expense"] {
            assert!(!seen.contains_key(secret), "{app_type}: {:?}", seen.keys());
        }
    }
    let all = by_model(
        &all_pages(
            &admin,
            &json!({ "device_id": "desk-1", "app_type": "manager_app",
        "system_id": "main" }),
        )
        .await,
    );
    for (model, records) in &all {
        let ids: Vec<i64> = records.iter().map(|record| record["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, erp.db().ids(model), "{model}, each once and in order");
    }
    assert!(all.contains_key("account.move"));
    let both = all_pages(&admin, &wish("sales_app", 1_000)).await;
    let systems: BTreeSet<&str> = both.iter().filter_map(|page| page["system_id"].as_str()).collect();
    assert_eq!(systems, BTreeSet::from(["main", "second"]));
    // In another system nobody is linked to this user.
    let other = json!({ "device_id": "phone-1", "app_type": "sales_app", "system_id": "second" });
    let pages = all_pages(&ann, &other).await;
    assert_eq!((pages.len(), &pages[0]["records"], &pages[0]["model"]), (1, &json!([]), &Value::Null));

    // Values are free of Odoo's way of writing them, and archived records are there.
    let sales = by_model(&all_pages(&ann, &wish("sales_app", 13)).await);
    let orders = &sales["sale.order"];
    assert!(orders.iter().any(|order| order["client_order_ref"].is_null()), "{}", orders[0]);
    assert!(orders.iter().all(|order| order["date_order"].as_str().unwrap().ends_with('Z')), "{}", orders[0]);
    assert!(orders.iter().all(|order| order["partner_id"][1].is_string()), "{}", orders[0]);
    let partner = sales["res.partner"].iter().find(|partner| partner["id"] == archived).unwrap();
    assert_eq!((&partner["active"], &partner["parent_id"]), (&json!(false), &Value::Null));
    assert!(partner.get("child_ids").is_none(), "the other side of links is left out: {partner}");
    let chosen = json!({ "device_id": "phone-1", "app_type": "sales_app", "fields": fields(), "limit": 1_000 });
    for page in all_pages(&ann, &chosen).await {
        let Some((model, names)) = FIELDS.iter().find(|(model, _)| page["model"] == **model) else { continue };
        let found = everything(&erp).into_iter().filter(|((of, _), _)| of == *model).count();
        assert_eq!(page["records"].as_array().unwrap().len(), found, "{model}");
        assert_eq!(page["records"][0].as_object().unwrap().len(), names.len() + 1);
    }
    let nobody = app.user("nobody", None).await;
    nobody.post(SNAPSHOT, &wish("sales_app", 5)).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    let ghost = app.user("ghost", Some(4_711)).await;
    ghost.post(SNAPSHOT, &wish("sales_app", 5)).await.expect_problem(403, "ERP_USER_NOT_LINKED");
    app.stop().await;
}

async fn pulls_go_on_from_the_snapshot_alone(setup: Setup) {
    let clock = crate::support::manual_clock();
    let (app, erp) = (setup.clock(clock.clone()).start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let partner = erp.db().ids("res.partner")[3];
    let edit = async |city: &str, position: i64| {
        let mut tx = erp.db().begin(2);
        tx.write("res.partner", &[partner], json!({ "city": city })).unwrap();
        tx.commit();
        crate::support::eventually("the change arrives", std::time::Duration::from_mins(1), async || {
            let head = app.context().store.head(crate::ingest::pusher::tenant_of(&admin).await).await.unwrap();
            (head.get() >= position).then_some(())
        })
        .await;
    };
    edit("Fes", 1).await;
    edit("Rabat", 2).await;
    let wish = json!({ "device_id": "phone-1", "app_type": "sales_app" });
    let first = admin.post(SNAPSHOT, &wish).await.expect(200);
    assert_eq!(first["snapshot_position"], 2);
    edit("Sale", 3).await;
    // Whatever happens meanwhile, every page names the position of the first.
    let again = json!({ "device_id": "phone-1", "app_type": "sales_app", "page_token": first["next_page_token"] });
    assert_eq!(admin.post(SNAPSHOT, &again).await.expect(200)["snapshot_position"], 2);
    let phone = Device::new(&admin, "phone-1").with(&json!({ "app_type": "sales_app" }));
    // Nothing of a snapshot counts as received until the device says so, however late it comes.
    for next in 1..=3 {
        assert_eq!(positions(&phone.pull(json!({ "limit": 1 })).await), [next]);
        clock.advance(std::time::Duration::from_secs(20));
    }
    assert_eq!(positions(&phone.pull_after("2").await), [3]);
    assert_eq!(positions(&phone.pull_after("3").await), EMPTY);
    // The position is this device's alone.
    let other = Device::new(&admin, "phone-2").with(&json!({ "app_type": "sales_app" }));
    assert_eq!(positions(&other.pull(json!({ "limit": 1 })).await), [1]);
    other.try_pull(json!({ "last_sync_token": "2" })).await.expect_problem(400, "INVALID_SYNC_TOKEN");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_our_add_on_only_admins_get_one() {
    for addon in [Addon::AutoWebhook, Addon::None] {
        let app = Setup::sqlite().start().await;
        let erp = DemoErp::start(Options { addon, ..Options::default() }).await.unwrap();
        let admin = app.admin().await;
        register_demo_system(&admin, &erp, "main").await;
        let ann = app.user("ann", Some(SALES)).await;
        let wish = json!({ "device_id": "phone-1", "app_type": "mobile_app", "limit": 1_000 });
        let refused = ann.post(SNAPSHOT, &wish).await.expect_problem(502, "ERP_ERROR");
        assert!(refused["message"].as_str().unwrap().contains("add-on"), "{refused}");
        assert!(by_model(&all_pages(&admin, &wish).await).contains_key("sale.order"));
        erp.stop().await;
        ann.post(SNAPSHOT, &wish).await.expect_problem(502, "CONNECTION_REFUSED");
        app.stop().await;
    }
}
