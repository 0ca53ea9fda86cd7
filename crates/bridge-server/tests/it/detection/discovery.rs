//! Which models a system has, and who is to see their changes.

use super::company::{Company, PATIENCE, quick};
use crate::support::{Client, Setup, demo_erp, eventually, on_both_databases, register_demo_system};
use bridge_erp::fake::Addon;
use bridge_model::Strategy;
use serde_json::{Value, json};

const MODELS: &str = "/api/v1/systems/main/models";
const DETECTION: &str = "/api/v1/systems/main/detection";

on_both_databases!(
    every_model_is_found_with_its_class_and_its_owner,
    without_an_add_on_everything_is_polled,
    an_admin_chooses_and_mistakes_are_named,
);

async fn of(admin: &Client, model: &str) -> Value {
    let page = admin.get(&format!("{MODELS}?limit=1000")).await.expect(200);
    page["items"].as_array().unwrap().iter().find(|item| item["model"] == model).cloned().unwrap_or_default()
}

async fn every_model_is_found_with_its_class_and_its_owner(setup: Setup) {
    let company = Company::found(quick(setup), Addon::Bridgecore, 1, 3).await;
    company.owned_by(Strategy::Addon).await;
    let admin = company.admin().await;
    let partner = of(&admin, "res.partner").await;
    assert_eq!(
        (&partner["class"], &partner["available"]),
        (&json!("critical"), &json!(["addon", "poll"])),
        "{partner}"
    );
    assert_eq!((&partner["chosen"], &partner["recommended"]), (&json!("auto"), &json!("addon")));
    assert!(partner["promise"].as_str().unwrap().contains("not raw SQL"), "{partner}");
    assert_eq!(of(&admin, "sale.order.line").await["class"], "important");
    let own = of(&admin, "update.webhook").await;
    assert_eq!((&own["available"], &own["owner"]), (&json!([]), &Value::Null), "our own tables are never tracked");
    // What the add-on does not tell of is polled.
    eventually("countries are polled", PATIENCE, async || {
        (of(&admin, "res.country").await["owner"] == "poll").then_some(())
    })
    .await;

    let first = admin.get(&format!("{MODELS}?class=critical&limit=2")).await.expect(200);
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["model"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&first), ["account.move", "purchase.order"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = admin.get(&format!("{MODELS}?class=critical&limit=100&cursor={cursor}")).await.expect(200);
    assert_eq!(names(&rest), ["res.partner", "sale.order", "stock.picking"]);
    assert!(rest["next_cursor"].is_null() && !rest["discovered_at"].is_null());
    let polled = admin.get(&format!("{MODELS}?owner=poll&limit=1000")).await.expect(200);
    assert!(names(&polled).contains(&"res.country".to_owned()) && !names(&polled).contains(&"res.partner".to_owned()));
    admin.get(&format!("{MODELS}?owner=magic")).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    admin.get(&format!("{MODELS}?limit=0")).await.expect_problem(400, "DATA_VALIDATION_FAILED");

    let fields = admin.get(&format!("{MODELS}/res.partner/fields")).await.expect(200);
    let name = fields["items"].as_array().unwrap().iter().find(|field| field["name"] == "name").unwrap();
    assert_eq!((&name["type"], &name["stored"]), (&json!("char"), &json!(true)));
    company.app().user("somebody", None).await.get(MODELS).await.expect_problem(403, "FORBIDDEN");
    company.app().other_tenant("rival").await.get(MODELS).await.expect_problem(404, "SYSTEM_NOT_FOUND");
    company.close().await;
}

async fn without_an_add_on_everything_is_polled(setup: Setup) {
    let company = Company::found(quick(setup), Addon::None, 1, 3).await;
    company.owned_by(Strategy::Poll).await;
    let admin = company.admin().await;
    let seen = admin.get(DETECTION).await.expect(200);
    assert_eq!((&seen["default"], &seen["models"]), (&json!("auto"), &json!({})));
    let poll = &seen["strategies"][3];
    assert_eq!((&poll["strategy"], &poll["owned"]), (&json!("poll"), &poll["available"]));
    assert!(poll["owned"].as_u64().unwrap() > 25 && poll["promise"].as_str().unwrap().contains("final state"));
    assert!(of(&admin, "res.partner").await["promise"].as_str().unwrap().contains("final state"));
    company.close().await;
}

async fn an_admin_chooses_and_mistakes_are_named(setup: Setup) {
    let company = Company::found(quick(setup), Addon::None, 1, 3).await;
    company.owned_by(Strategy::Poll).await;
    let admin = company.admin().await;
    for (body, field) in [
        (json!({ "models": { "res.partner": "addon" } }), "models.res.partner"),
        (json!({ "models": { "res.partner": "magic" } }), "models.res.partner"),
        (json!({ "models": { "no.such.model": "poll" } }), "models.no.such.model"),
        (json!({ "default": "magic" }), "default"),
    ] {
        let refused = admin.put(DETECTION, &body).await.expect_problem(400, "DATA_VALIDATION_FAILED");
        assert_eq!(refused["details"]["field"], field, "{body}");
    }
    let body = json!({ "models": { "res.partner": "none", "res.country": "poll" } });
    let seen = admin.put(DETECTION, &body).await.expect(200);
    assert_eq!(seen["models"], json!({ "res.partner": "none", "res.country": "poll" }));
    eventually("nobody owns the partners", PATIENCE, async || {
        of(&admin, "res.partner").await["owner"].is_null().then_some(())
    })
    .await;
    let seen = admin.put(DETECTION, &json!({ "models": { "res.partner": "auto" } })).await.expect(200);
    assert_eq!(seen["models"], json!({ "res.country": "poll" }));
    company.owned_by(Strategy::Poll).await;

    // A system that was not looked through yet has no models to choose for.
    let off = company.restarted_with(|config| config.detection.enabled = false).await;
    let erp = demo_erp().await;
    register_demo_system(&off.admin().await, &erp, "second").await;
    let unknown = json!({ "models": { "res.partner": "poll" } });
    let path = "/api/v1/systems/second/detection";
    off.admin().await.put(path, &unknown).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert!(off.admin().await.get(path).await.expect(200)["discovered_at"].is_null());
    off.close().await;
    erp.stop().await;
}
