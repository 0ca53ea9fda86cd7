//! Models that change hands while people work on them.

use super::company::{Company, PARTNER, PATIENCE, quick};
use crate::ingest::pusher::log_of;
use crate::support::{Setup, eventually, on_both_databases};
use bridge_erp::fake::{Addon, Fault};
use bridge_model::{Event, Strategy};
use serde_json::json;

on_both_databases!(
    nothing_is_lost_between_the_add_on_and_polling,
    polling_takes_over_from_an_add_on_that_fails_and_gives_back,
    choices_that_change_together_take_effect_together,
    what_changes_while_nobody_owns_a_model_is_made_up_for,
);

async fn nothing_is_lost_between_the_add_on_and_polling(setup: Setup) {
    let mut company = Company::found(quick(setup), Addon::Bridgecore, 77, 12).await;
    company.owned_by(Strategy::Addon).await;
    for (chosen, strategy) in [("poll", Strategy::Poll), ("auto", Strategy::Addon), ("poll", Strategy::Poll)] {
        company.set(&json!({ "default": "auto", "models": { "res.partner": chosen } })).await;
        loop {
            company.work();
            company.work();
            let model = company.tracked().await.unwrap();
            company.device_follows().await;
            if model.owner == Some(strategy) && model.successor.is_none() {
                break;
            }
        }
        for _ in 0..10 {
            company.work();
        }
        company.end_all();
        company.let_time_pass();
        company.device_is_right(&format!("handed over to {strategy}")).await;
    }
    company.close().await;
}

async fn polling_takes_over_from_an_add_on_that_fails_and_gives_back(setup: Setup) {
    let setup = quick(setup).config(|config| config.detection.failover_ms = 1_000);
    let mut company = Company::found(setup, Addon::Bridgecore, 78, 12).await;
    company.owned_by(Strategy::Addon).await;
    // Polling has to be known to work before it is trusted with more.
    company.set(&json!({ "models": { "res.country": "poll" } })).await;
    eventually("polling works", PATIENCE, async || {
        let seen = company.admin().await.get("/api/v1/systems/main/detection").await.expect(200);
        (!seen["strategies"][3]["succeeded_at"].is_null()).then_some(())
    })
    .await;
    company.erp.faults().fail_model("update.webhook", 1_000_000, Fault::Status(503));
    company.work();
    company.end_all();
    company.owned_by(Strategy::Poll).await;
    eventually("an alert tells of it", PATIENCE, async || {
        let page = company.admin().await.get("/api/v1/alerts?state=open").await.expect(200);
        let told = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|alert| alert["kind"] == "takeover" && alert["system_id"] == "main");
        told.then_some(())
    })
    .await;
    let resets = |log: &[bridge_model::Change]| log.iter().filter(|change| change.body.event == Event::Reset).count();
    let log = log_of(company.app(), &company.admin().await).await;
    assert!(resets(&log) > 0, "what the add-on would have told meanwhile may be missing");
    for _ in 0..10 {
        company.work();
    }
    company.end_all();
    company.let_time_pass();
    company.device_is_right("after the take-over").await;
    let seen = company.admin().await.get("/api/v1/systems/main/detection").await.expect(200);
    assert!(!seen["strategies"][0]["failing_since"].is_null(), "{seen}");

    company.erp.faults().clear();
    company.owned_by(Strategy::Addon).await;
    for _ in 0..10 {
        company.work();
    }
    company.end_all();
    company.device_is_right("after it was given back").await;
    company.close().await;
}

async fn choices_that_change_together_take_effect_together(setup: Setup) {
    let setup = quick(setup).config(|config| config.detection.watch_interval_ms = 10);
    let company = Company::found(setup, Addon::None, 79, 3).await;
    company.owned_by(Strategy::Poll).await;
    let owned_since = company.tracked().await.unwrap().owned_since;
    for _ in 0..300 {
        company.set(&json!({ "default": "none", "models": { "res.partner": "poll" } })).await;
        company.set(&json!({ "default": "auto", "models": { "res.partner": "auto" } })).await;
    }
    // A step that began after all of them has seen them all.
    company.set(&json!({ "models": { "res.country": "none" } })).await;
    eventually("one more step was taken", PATIENCE, async || {
        let models = company.models().await;
        models.iter().any(|model| model.found.model.as_str() == "res.country" && model.owner.is_none()).then_some(())
    })
    .await;
    // What one choice gives up and the next takes back would be nobody's in between.
    assert_eq!(company.tracked().await.unwrap().owned_since, owned_since);
    company.close().await;
}

async fn what_changes_while_nobody_owns_a_model_is_made_up_for(setup: Setup) {
    let mut company = Company::found(quick(setup), Addon::None, 80, 3).await;
    company.owned_by(Strategy::Poll).await;
    company.adopted().await;
    let ids = company.erp.db().ids(PARTNER);
    let last = ids[ids.len() - 1];
    company
        .polled_anew(|| {
            let mut transaction = company.erp.db().begin(2);
            transaction.write(PARTNER, &[last], json!({ "city": "Nobody saw it" })).unwrap();
            transaction.commit();
        })
        .await;
    company.device_is_right("what was written while nobody looked").await;
    company.close().await;
}
