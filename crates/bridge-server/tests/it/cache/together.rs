//! Several who ask for the same at the same time, and how much is kept.

use super::{ask, asked_again, by_id, place, seen};
use crate::records::crud;
use crate::support::{Setup, manual_clock, on_both_databases};
use bridge_erp::fake::Fault;
use bridge_model::Strategy;
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

on_both_databases!(one_reads_for_all, answers_have_an_end_and_a_size);

const CAPTURED: &[(&str, Strategy)] = &[("res.partner", Strategy::Capture)];

async fn one_reads_for_all(setup: Setup) {
    let stage = seen(setup.config(|config| config.cache.wait_ms = 60_000), CAPTURED).await;
    // What is known of the model is asked for beforehand.
    ask(&stage.admin, &by_id(8, &["city"])).await;
    let calls = || stage.erp.faults().calls("res.partner", "search_read");
    let (before, body) = (calls(), by_id(7, &["city"]));
    stage.erp.faults().latency_ms(50);
    let answers = join_all((0..20).map(|_| ask(&stage.admin, &body))).await;
    assert_eq!(calls() - before, 1);
    assert_eq!(answers.iter().filter(|(_, cache)| cache == "miss").count(), 1);
    assert!(answers.windows(2).all(|two| two[0].0 == two[1].0));
    // Whoever reads for all and fails is the only one who is told so; the next one tries for itself.
    let (before, body) = (calls(), by_id(9, &["city"]));
    stage.erp.faults().fail_method("res.partner", "search_read", 1, Fault::Status(400));
    let answers = join_all((0..20).map(|_| crud(&stage.admin, body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status != 200).count(), 1);
    assert_eq!(calls() - before, 2);
    stage.end().await;
}

async fn answers_have_an_end_and_a_size(setup: Setup) {
    let clock = manual_clock();
    let setup = setup.clock(Arc::clone(&clock) as _).config(|config| {
        config.cache.ttl_ms = 10_000;
        config.cache.entry_bytes_max = 2_000;
    });
    let stage = seen(setup, CAPTURED).await;
    let body = by_id(7, &["city"]);
    assert_eq!(asked_again(&stage.admin, &body).await, "hit");
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(ask(&stage.admin, &body).await.1, "hit");
    clock.advance(Duration::from_millis(1));
    assert_eq!(ask(&stage.admin, &body).await.1, "miss");
    let large = json!({ "action": "read", "model": "res.partner", "fields": ["name", "email", "city"], "order": "id" });
    assert_eq!(asked_again(&stage.admin, &large).await, "bypass");
    let (tenant, _) = place(&stage.admin).await;
    let stock = stage.app.context().records.cache.stock(tenant);
    assert!(stock.held.values().all(|held| held.bytes < 2_000), "{stock:?}");
    stage.end().await;
}
