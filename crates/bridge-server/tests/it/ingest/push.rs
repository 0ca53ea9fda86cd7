use super::pusher::{Pusher, RECEIVE, dead_letters, event, log_of};
use crate::support::{Setup, on_both_databases};
use bridge_model::{Event, Priority, RecordId};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    one_event_and_an_array_are_taken_and_repeats_are_known,
    the_words_and_times_of_both_worlds_are_read,
    a_partly_bad_array_loses_nothing,
    what_is_not_understood_at_all_is_refused_and_kept,
    an_oversized_payload_is_left_out_and_the_event_stays,
    tenants_and_systems_count_their_events_apart,
);

async fn one_event_and_an_array_are_taken_and_repeats_are_known(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let one = event(7, "sale.order", 42, "create");
    let expected = json!({
        "success": true, "message": "Event queued for processing",
        "accepted": 1, "duplicates": 0, "deferred": 0, "ignored": 0, "rejected": [],
    });
    assert_eq!(source.push(&one).await.expect(200), expected);

    // The sender did not see the answer and sends again, by the other credential and within an array.
    let again = app.anonymous().request(Method::POST, RECEIVE).header("x-api-key", &source.key);
    let batch = json!([one, event(8, "sale.order", 42, "write"), event(8, "sale.order", 42, "write")]);
    let received = app.anonymous().send(again.json(&batch)).await.expect(200);
    assert_eq!((&received["accepted"], &received["duplicates"]), (&json!(1), &json!(2)));
    // An id in quotes is the same id.
    let mut quoted = event(0, "sale.order", 42, "write");
    quoted["_webhook_metadata"]["event_id"] = json!("8");
    assert_eq!(source.push(&quoted).await.expect(200)["duplicates"], 1);
    assert_eq!(source.push(&json!([])).await.expect(200)["accepted"], 0);

    let log = log_of(&app, &admin).await;
    let ids: Vec<_> = log.iter().map(|c| (c.position.get(), c.body.source_id.clone().unwrap().0)).collect();
    assert_eq!(ids, [(1, "7".to_owned()), (2, "8".to_owned())]);
    assert_eq!(log[0].body.event, Event::Create);
    assert_eq!(log[0].body.record_id, Some(RecordId::Number(42)));

    // What was answered 200 is there after a restart, and still known.
    let app = app.stop().await.start().await;
    let source = Pusher::with_key(&app, &source.key);
    assert_eq!(source.push(&batch).await.expect(200)["duplicates"], 3);
    assert_eq!(log_of(&app, &app.admin().await).await.len(), 2);
    app.stop().await;
}

async fn the_words_and_times_of_both_worlds_are_read(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let times = [
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T10:00:00.250+01:00", "2026-03-02T09:00:00.25Z"),
        ("2026-03-02 09:00:00", "2026-03-02T09:00:00Z"),
        ("2026-03-02 09:00:00.123456", "2026-03-02T09:00:00.123456Z"),
    ];
    let words = [
        ("create", Some("high"), Priority::High),
        ("write", Some("medium"), Priority::Medium),
        ("unlink", Some("low"), Priority::Low),
        ("manual", None, Priority::Medium),
    ];
    for (number, ((time, _), (word, priority, _))) in (1..).zip(times.iter().zip(words)) {
        let mut event = event(number, "sale.order", number, word);
        event["timestamp"] = json!(time);
        event["priority"] = json!(priority);
        event["changed_fields"] = json!(["state"]);
        event["user_id"] = json!(6);
        event["payload"] = json!({ "n": number });
        source.push(&event).await.expect(200);
    }
    let log = log_of(&app, &admin).await;
    let found: Vec<_> = log.iter().map(|c| (c.body.occurred_at.to_string(), c.body.event.as_str())).collect();
    let wanted: Vec<_> = times.iter().zip(words).map(|((_, at), (word, ..))| ((*at).to_owned(), word)).collect();
    assert_eq!(found, wanted);
    assert_eq!(log.iter().map(|c| c.body.priority).collect::<Vec<_>>(), words.map(|(_, _, priority)| priority));
    let first = &log[0].body;
    assert_eq!(first.changed_fields.as_deref(), Some(&["state".to_owned()][..]));
    assert_eq!((first.erp_user_id, first.payload.as_ref().unwrap().get()), (Some(6), r#"{"n":1}"#));
    app.stop().await;
}

async fn a_partly_bad_array_loses_nothing(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let bad = [
        r#"{"model": "sale order", "record_id": 1, "event": "write"}"#,
        r#"{"model": "sale.order", "record_id": -1, "event": "write"}"#,
        r#"{"model": "sale.order", "record_id": 1, "event": "explode"}"#,
        r#"{"model": "sale.order", "record_id": 1, "event": "reset"}"#,
        r#"{"model": "sale.order", "record_id": 1, "event": "write", "priority": "urgent"}"#,
        r#"{"model": "sale.order", "record_id": 1, "event": "write", "timestamp": "yesterday"}"#,
        r#"{"model": "sale.order", "record_id": {"a":  1}, "event": "write"}"#,
        r#"{"model": "sale.order", "record_id": 1, "event": "write", "_webhook_metadata": {"event_id": -4}}"#,
        r#""just a text""#,
        "null",
    ];
    let good = |id| event(id, "sale.order", id, "write").to_string();
    let untracked = event(99, "update.webhook", 1, "create").to_string();
    let body = format!("[{}, {}, {}, {untracked}]", good(1), bad.join(", "), good(2));
    let received = source.push_bytes(body).await.expect(200);
    assert_eq!((&received["accepted"], &received["ignored"]), (&json!(2), &json!(1)));
    let rejected = received["rejected"].as_array().unwrap();
    let indexes: Vec<i64> = rejected.iter().map(|one| one["index"].as_i64().unwrap()).collect();
    assert_eq!(indexes, (1..=10).collect::<Vec<_>>());
    assert_eq!(rejected[2]["reason"], "event must be create, write, unlink or manual, not \"explode\"");

    let records: Vec<_> = log_of(&app, &admin).await.into_iter().map(|c| c.body.record_id.unwrap()).collect();
    assert_eq!(records, [RecordId::Number(1), RecordId::Number(2)]);
    let letters = dead_letters(&app, &admin).await;
    assert_eq!(letters.iter().map(|(_, bytes)| bytes.as_str()).collect::<Vec<_>>(), bad);
    for (letter, rejected) in letters.iter().zip(rejected) {
        assert_eq!(letter.0, rejected["reason"].as_str().unwrap());
    }
    app.stop().await;
}

async fn what_is_not_understood_at_all_is_refused_and_kept(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let all_bad = r#"{"model":"sale.order","record_id":0,"event":"write"}"#;
    let refused = source.push_bytes(all_bad).await.expect_problem(400, "DATA_VALIDATION_FAILED");
    assert_eq!(refused["details"]["rejected"][0]["index"], 0);
    assert_eq!(refused["details"]["kept_as_dead_letter"], true);
    let broken: [&[u8]; 5] = [b"", b"{\"model\": ", b"[{},", b"\xff\xfe\x00", b"model=sale.order"];
    for body in broken {
        source.push_bytes(body).await.expect_problem(400, "MALFORMED_JSON");
    }
    let kept: Vec<Vec<u8>> = {
        let tenant = super::pusher::tenant_of(&admin).await;
        let letters = app.context().store.dead_letters(tenant, None, 100).await.unwrap();
        letters.into_iter().map(|letter| letter.body).collect()
    };
    let wanted: Vec<Vec<u8>> = std::iter::once(all_bad.as_bytes()).chain(broken).map(<[u8]>::to_vec).collect();
    assert_eq!(kept, wanted);
    assert_eq!(log_of(&app, &admin).await.len(), 0);
    app.stop().await;
}

async fn an_oversized_payload_is_left_out_and_the_event_stays(setup: Setup) {
    let app = setup.config(|config| config.ingest.payload_bytes_max = 100).start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    for (id, length) in [(1, 98), (2, 99)] {
        let mut event = event(id, "sale.order", id, "write");
        event["payload"] = Value::from("x".repeat(length));
        event["new_data"] = Value::from("x".repeat(length));
        source.push(&event).await.expect(200);
    }
    let log = log_of(&app, &admin).await;
    let kept: Vec<_> = log.iter().map(|c| (c.body.payload.is_some(), c.body.new_data.is_some())).collect();
    assert_eq!(kept, [(true, true), (false, false)]);
    app.stop().await;
}

async fn tenants_and_systems_count_their_events_apart(setup: Setup) {
    let app = setup.start().await;
    let (ours, theirs) = (app.admin().await, app.other_tenant("rival").await);
    let sources = [
        Pusher::register(&app, &ours, "shop").await,
        Pusher::register(&app, &ours, "depot").await,
        Pusher::register(&app, &theirs, "shop").await,
    ];
    for source in &sources {
        let received = source.push(&event(1, "sale.order", 1, "write")).await.expect(200);
        assert_eq!((&received["accepted"], &received["duplicates"]), (&json!(1), &json!(0)));
    }
    let (log, other) = (log_of(&app, &ours).await, log_of(&app, &theirs).await);
    assert_eq!((log.len(), other.len()), (2, 1));
    assert_ne!(log[0].body.system, log[1].body.system);
    assert_eq!(other[0].position.get(), 1, "each tenant has a line of positions of its own");
    app.stop().await;
}
