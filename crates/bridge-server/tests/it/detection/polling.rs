//! What polling sees, what it costs, and how it behaves where it can't see.

use super::company::{Company, PARTNER, PATIENCE, partner, quick};
use crate::ingest::pusher::log_of;
use crate::support::{Setup, eventually, on_both_databases};
use bridge_erp::fake::{Addon, Fault};
use bridge_model::{Change, Event, Origin, Priority, RecordId, Strategy};
use bridge_store::{FoundModel, TrackedModel};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

on_both_databases!(
    creates_writes_and_deletes_are_told_apart,
    what_is_written_right_after_the_first_look_is_told,
    a_time_that_has_not_come_hides_nothing,
    many_deletions_are_found_among_many_records,
    a_deletion_that_a_late_creation_makes_up_for_is_found,
    more_writes_than_can_be_noted_are_all_told_and_made_up_for,
    a_model_that_may_not_be_read_does_not_stop_the_others,
    polling_keeps_to_its_share_of_the_time,
);

async fn polled(setup: Setup, partners: usize) -> Company {
    let company = Company::found(quick(setup), Addon::None, 7, partners).await;
    company.owned_by(Strategy::Poll).await;
    company.set(&json!({ "default": "none", "models": { "res.partner": "poll" } })).await;
    company.adopted().await;
    company
}

async fn wait_for(company: &Company, count: usize) -> Vec<Change> {
    eventually(&format!("{count} changes are in the log"), PATIENCE, async || {
        let log = log_of(company.app(), &company.admin().await).await;
        (log.len() >= count).then_some(log)
    })
    .await
}

async fn creates_writes_and_deletes_are_told_apart(setup: Setup) {
    let company = polled(setup, 3).await;
    let ids = company.erp.db().ids(PARTNER);
    let (written, deleted) = (ids[ids.len() - 1], ids[ids.len() - 2]);
    let mut transaction = company.erp.db().begin(2);
    let created = transaction.create(PARTNER, json!({ "name": "New" })).unwrap();
    transaction.write(PARTNER, &[written], json!({ "active": false })).unwrap();
    transaction.unlink(PARTNER, &[deleted]).unwrap();
    transaction.commit();
    wait_for(&company, 3).await;
    company.looked().await;
    company.looked().await;
    let log = wait_for(&company, 3).await;
    let mut told: Vec<_> =
        log.iter().map(|change| (change.body.event, change.body.record_id.clone().unwrap())).collect();
    told.sort_by_key(|(event, _)| event.as_str());
    let number = RecordId::Number;
    let wanted = [(Event::Create, number(created)), (Event::Unlink, number(deleted)), (Event::Write, number(written))];
    assert_eq!(told, wanted, "each once");
    assert!(log.iter().all(|change| change.body.origin == Origin::Poll && change.body.priority == Priority::High));
    company.close().await;
}

async fn what_is_written_right_after_the_first_look_is_told(setup: Setup) {
    let company = polled(setup, 3).await;
    let partner = *company.erp.db().ids(PARTNER).last().unwrap();
    let write = |name: String| {
        let mut transaction = company.erp.db().begin(2);
        transaction.write(PARTNER, &[partner], json!({ "name": name })).unwrap();
        transaction.commit();
    };
    let told = async || {
        let log = log_of(company.app(), &company.admin().await).await;
        log.iter().filter(|change| change.body.event == Event::Write).count()
    };
    for round in 0..5 {
        company.set(&json!({ "models": { "res.partner": "none" } })).await;
        company.forgotten().await;
        write(format!("taken as it is {round}"));
        company.set(&json!({ "models": { "res.partner": "poll" } })).await;
        company.adopted().await;
        let before = told().await;
        write(format!("told {round}"));
        eventually("it is told", PATIENCE, async || (told().await > before).then_some(())).await;
    }
    company.close().await;
}

async fn a_time_that_has_not_come_hides_nothing(setup: Setup) {
    let setup = setup.config(|config| config.detection.poll.noted_max = 50);
    let mut company = polled(setup, 150).await;
    let ids = company.erp.db().ids(PARTNER);
    let many = &ids[ids.len() - 150..];
    let write = |company: &Company, ids: &[i64], city: &str| {
        // So that nothing falls into the second of what was too much to note, which a reset makes up for much later.
        company.time.jump(Duration::from_secs(2));
        let mut transaction = company.erp.db().begin(2);
        transaction.write(PARTNER, ids, json!({ "city": city })).unwrap();
        transaction.commit();
    };
    let wrong = Duration::from_hours(48);
    company
        .polled_anew(|| {
            // Somebody had set the ERP's clock wrong for a while.
            company.time.jump(wrong);
            write(&company, &many[..1], "Atlantis");
            company.time.jump_back(wrong);
        })
        .await;
    write(&company, &many[1..2], "Rabat");
    company.device_is_right("after the first look").await;
    write(&company, &many[1..], "Fes");
    company.device_is_right("more than can be noted").await;
    write(&company, &many[2..3], "Agadir");
    company.device_is_right("after more than could be noted").await;
    company.close().await;
}

async fn many_deletions_are_found_among_many_records(setup: Setup) {
    let company = polled(setup, 3_000).await;
    let ids = company.erp.db().ids(PARTNER);
    let gone: Vec<i64> = ids[ids.len() - 2_900..].iter().copied().step_by(290).collect();
    company.erp.faults().reset_counts();
    let mut transaction = company.erp.db().begin(2);
    transaction.unlink(PARTNER, &gone).unwrap();
    transaction.commit();
    let log = wait_for(&company, gone.len()).await;
    let mut told: Vec<_> = log
        .iter()
        .map(|change| {
            assert_eq!(change.body.event, Event::Unlink);
            change.body.record_id.clone().unwrap().to_string().parse::<i64>().unwrap()
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, gone);
    company.close().await;
}

async fn a_deletion_that_a_late_creation_makes_up_for_is_found(setup: Setup) {
    let company = polled(setup, 3).await;
    let (tenant, system) = company.place().await;
    let store = &company.app().context().store;
    let models = store.tracked_models(tenant, system).await.unwrap();
    // Where records have no times, nothing shows a creation but its id.
    let undated = |model: TrackedModel| FoundModel {
        has_write_date: model.found.has_write_date && model.found.model != partner(),
        ..model.found
    };
    let models: Vec<_> = models.into_iter().map(undated).collect();
    store.save_found_models(tenant, system, &models, None).await.unwrap();
    let gone = *company.erp.db().ids(PARTNER).last().unwrap();
    let mut late = company.erp.db().begin(2);
    let made = late.create(PARTNER, json!({ "name": "Late" })).unwrap();
    company
        .polled_anew(|| {
            let mut transaction = company.erp.db().begin(2);
            transaction.create(PARTNER, json!({ "name": "With a higher id" })).unwrap();
            transaction.commit();
        })
        .await;
    // There are as many as before.
    late.unlink(PARTNER, &[gone]).unwrap();
    late.commit();
    eventually("both are told", PATIENCE, async || {
        let log = log_of(company.app(), &company.admin().await).await;
        let is_told = |event, id| {
            log.iter().any(|told| told.body.event == event && told.body.record_id == Some(RecordId::Number(id)))
        };
        (is_told(Event::Unlink, gone) && is_told(Event::Create, made)).then_some(())
    })
    .await;
    company.close().await;
}

async fn more_writes_than_can_be_noted_are_all_told_and_made_up_for(setup: Setup) {
    let setup = setup.config(|config| config.detection.poll.noted_max = 50);
    let mut company = polled(setup, 150).await;
    let ids = company.erp.db().ids(PARTNER);
    let many = &ids[ids.len() - 150..];
    // What was written just before is too much to note as well: of that second, a reset tells in the end.
    company.time.jump(Duration::from_secs(2));
    let mut transaction = company.erp.db().begin(2);
    transaction.write(PARTNER, many, json!({ "city": "Rabat" })).unwrap();
    transaction.commit();
    company.device_is_right("all are told").await;
    company.time.jump(Duration::from_mins(5));
    let mut transaction = company.erp.db().begin(2);
    transaction.write(PARTNER, &many[..1], json!({ "city": "Fes" })).unwrap();
    transaction.commit();
    eventually("a reset makes up for what could not be noted", PATIENCE, async || {
        let log = log_of(company.app(), &company.admin().await).await;
        log.iter().any(|change| change.body.event == Event::Reset).then_some(())
    })
    .await;
    company.device_is_right("at the end").await;
    company.close().await;
}

async fn a_model_that_may_not_be_read_does_not_stop_the_others(setup: Setup) {
    let mut company = polled(setup, 3).await;
    company.erp.faults().fail_model("res.country", 1_000_000, Fault::Status(404));
    company.set(&json!({ "models": { "res.country": "poll" } })).await;
    let admin = company.admin().await;
    let refused = eventually("the status names the model", PATIENCE, async || {
        let status = admin.get("/api/v1/systems/main/status").await.expect(200);
        status["poll"]["refused"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(refused["model"], "res.country");
    company.work();
    company.end_all();
    company.device_is_right("the partners go on").await;
    company.close().await;
}

/// How many calls polling says to have made.
async fn calls(company: &Company) -> u64 {
    let status = company.admin().await.get("/api/v1/systems/main/status").await.expect(200);
    status["poll"]["calls"].as_u64().unwrap()
}

async fn polling_keeps_to_its_share_of_the_time(setup: Setup) {
    let company = polled(setup, 3).await;
    let setup_again =
        |share: f64| move |config: &mut bridge_server::config::Config| config.detection.poll.share_percent = share;
    let company = company.restarted_with(setup_again(20.0)).await;
    company.erp.faults().latency_ms(5);
    company.erp.faults().reset_counts();
    let (began, counted) = (Instant::now(), calls(&company).await);
    let admin = company.admin().await;
    // Right after a call, its pause is not over, so that the share is looked at more than once. Without pauses it stays.
    eventually("polling has made some calls and keeps to its share", PATIENCE, async || {
        let status = admin.get("/api/v1/systems/main/status").await.expect(200);
        let poll = &status["poll"];
        (poll["calls"].as_u64().unwrap() >= 60 && poll["share_percent"].as_f64().unwrap() < 22.0).then_some(())
    })
    .await;
    // What it says of itself is so: no call takes less than the ERP waits before it answers.
    let counted = calls(&company).await - counted;
    let spent = 5.0 * f64::from(u32::try_from(counted).unwrap());
    let passed = began.elapsed().as_secs_f64() * 1_000.0;
    assert!(spent < 0.22 * passed + 5.0, "{counted} calls in {passed} ms");
    let seen = company.erp.faults().calls_total();
    assert!(seen >= counted, "{counted} calls are counted, and {seen} were made");
    company.close().await;
}
