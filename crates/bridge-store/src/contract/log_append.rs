//! Appending: once, all or nothing, together with others.

use super::bed::{change, changes, ids, positions};
use super::{Bed, contract};
use crate::{Append, LogQuery, LogRead, NewDeadLetter, NewJob, SourceProgress, SourceState, Store, StoreError};
use bridge_model::{Change, Clock as _, Epoch, Event, NewChange, Origin, Position, Priority, RecordId};
use bridge_model::{SourceId, SystemKey, TenantId};
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::task::JoinSet;

contract! {
    a_source_event_is_in_the_log_once,
    epochs_tenants_and_systems_keep_equal_ids_apart,
    changes_without_a_source_id_are_never_taken_for_known,
    an_append_is_all_or_nothing,
    concurrent_appends_share_commits,
    one_refused_append_does_not_hurt_the_others,
    a_full_queue_answers_busy_and_loses_nothing,
    everything_comes_back_as_it_was,
    a_tenant_that_does_not_exist_is_refused,
    an_arrival_time_never_runs_backwards,
}

async fn a_source_event_is_in_the_log_once(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    // Twice in one batch.
    let first = store.append(tenant, changes([5, 6, 5])).await.unwrap();
    assert_eq!((positions(&first), first.head), (vec![1, 2, 0], Position::new(2)));
    // Again in another, among new ones: positions have no holes.
    let second = store.append(tenant, changes([6, 7, 5, 8])).await.unwrap();
    assert_eq!((positions(&second), second.head), (vec![0, 3, 0, 4], Position::new(4)));
    let third = store.append(tenant, changes([5])).await.unwrap();
    assert_eq!((positions(&third), third.head), (vec![0], Position::new(4)));
    assert_eq!(ids(&all(&store, tenant).await), [5, 6, 7, 8]);
    // At the same time from many callers: exactly one of them adds it.
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        callers.spawn(async move { positions(&store.append(tenant, changes([9])).await.unwrap())[0] });
    }
    let given = callers.join_all().await;
    assert_eq!(given.iter().filter(|position| **position == 5).count(), 1, "{given:?}");
    assert_eq!(store.head(tenant).await.unwrap(), Position::new(5));
}

async fn epochs_tenants_and_systems_keep_equal_ids_apart(bed: Bed) {
    let store = bed.open().await;
    let (a, b) = (bed.tenant(&store).await, bed.tenant(&store).await);
    let other_epoch = NewChange { epoch: Epoch(1), ..change(5) };
    let other_system = NewChange { system: SystemKey(2), ..change(5) };
    let batch = Append { changes: vec![change(5), other_epoch, other_system], ..Append::default() };
    assert_eq!(positions(&store.append(a, batch).await.unwrap()), [1, 2, 3]);
    assert_eq!(positions(&store.append(b, changes([5])).await.unwrap()), [1], "each tenant counts from 1");
    assert_eq!(all(&store, a).await.len(), 3);
    let seen_by_b = all(&store, b).await;
    assert_eq!(seen_by_b.len(), 1, "a tenant sees nothing of another: {seen_by_b:?}");
    assert_eq!(store.head(a).await.unwrap(), Position::new(3));
}

async fn changes_without_a_source_id_are_never_taken_for_known(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let nameless = || NewChange { source_id: None, ..change(5) };
    let batch = Append { changes: vec![nameless(), nameless()], ..Append::default() };
    assert_eq!(positions(&store.append(tenant, batch).await.unwrap()), [1, 2]);
}

async fn an_append_is_all_or_nothing(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let ttl = Duration::from_secs(10);
    let old = store.acquire_lease("reader", "node a", ttl).await.unwrap().unwrap();
    bed.clock.advance(Duration::from_secs(11));
    let expired = store.append(tenant, Append { fence: Some(old.fence()), ..full_append(&bed) }).await;
    assert!(matches!(expired, Err(StoreError::Fenced)), "the lease has run out: {expired:?}");
    let new = store.acquire_lease("reader", "node b", ttl).await.unwrap().unwrap();

    // Good appends that share the commit with the fenced one are kept.
    let mut callers = JoinSet::new();
    for number in 100..110 {
        let store = store.clone();
        callers.spawn(async move { store.append(tenant, changes([number])).await.map(drop) });
    }
    let fenced = store.append(tenant, Append { fence: Some(old.fence()), ..full_append(&bed) }).await;
    assert!(matches!(fenced, Err(StoreError::Fenced)), "{fenced:?}");
    assert!(callers.join_all().await.iter().all(Result::is_ok));
    let stale_epoch = SourceProgress { epoch: Epoch(7), ..progress() };
    let stale = store.append(tenant, Append { progress: Some(stale_epoch), ..full_append(&bed) }).await;
    assert!(matches!(stale, Err(StoreError::Fenced)), "{stale:?}");
    assert_eq!(store.head(tenant).await.unwrap(), Position::new(10));
    assert_eq!(store.job_counts().await.unwrap().queued, 0);
    assert_eq!(store.dead_letter_count(tenant).await.unwrap(), 0);
    assert_eq!(store.source(tenant, SystemKey(1)).await.unwrap(), SourceState::default());

    let kept = Append { fence: Some(new.fence()), ..full_append(&bed) };
    assert_eq!(positions(&store.append(tenant, kept.clone()).await.unwrap()), [11, 12]);
    assert_eq!(store.job_counts().await.unwrap().queued, 1);
    assert_eq!(store.dead_letter_count(tenant).await.unwrap(), 1);
    let source = store.source(tenant, SystemKey(1)).await.unwrap();
    assert_eq!((source.read_to, source.gaps.len()), (20, 1));
    // Jobs belong to the transaction, not to the changes: they are added when all changes were known.
    let again = store.append(tenant, kept).await.unwrap();
    assert_eq!(positions(&again), [0, 0]);
    assert_eq!(store.job_counts().await.unwrap().queued, 2);
}

async fn concurrent_appends_share_commits(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let before = store.write_stats();
    let mut callers = JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        callers.spawn(async move { store.append(tenant, changes([number])).await.unwrap() });
    }
    let appended = callers.join_all().await;
    let after = store.write_stats();
    assert_eq!(after.writes - before.writes, 200);
    let commits = after.commits - before.commits;
    assert!(commits < 150, "200 concurrent appends took {commits} commits");
    let mut given: Vec<_> = appended.iter().flat_map(positions).collect();
    given.sort_unstable();
    assert_eq!(given, (1..=200).collect::<Vec<_>>());
}

async fn one_refused_append_does_not_hurt_the_others(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    // PostgreSQL cannot hold this reason, and says so only when everything is on its way; SQLite can.
    let letter = NewDeadLetter { reason: "zero\0byte".to_owned(), ..dead_letter() };
    let mut callers = JoinSet::new();
    for number in 0..20 {
        let store = store.clone();
        callers.spawn(async move { store.append(tenant, changes([number])).await.map(drop) });
    }
    let refused = store.append(tenant, Append { dead_letters: vec![letter], ..changes([1_000]) }).await;
    assert!(callers.join_all().await.iter().all(Result::is_ok));
    if bed.is_postgres() {
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    }
    let expected = if refused.is_ok() { 21 } else { 20 };
    assert_eq!(store.head(tenant).await.unwrap(), Position::new(expected));
    // What one of the databases cannot hold in a key, both refuse.
    for id in ["zero\0byte".to_owned(), "x".repeat(1_025)] {
        let bad = NewChange { source_id: Some(SourceId(id)), ..change(1) };
        let refused = store.append(tenant, Append { changes: vec![bad], ..Append::default() }).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    }
}

async fn a_full_queue_answers_busy_and_loses_nothing(bed: Bed) {
    let store = bed.open_with(|options| options.queue_max = 4).await;
    let tenant = bed.tenant(&store).await;
    store.append(tenant, changes([1])).await.unwrap();
    let stall = Stall::begin(&bed).await;
    let mut callers = JoinSet::new();
    for number in 2..42 {
        let store = store.clone();
        callers.spawn(async move { store.append(tenant, changes([number])).await });
    }
    let first = callers.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(StoreError::Busy)), "only a refused caller is answered while all wait: {first:?}");
    stall.end().await;
    let results = callers.join_all().await;
    let kept = results.iter().filter(|result| result.is_ok()).count();
    assert!(kept >= 4, "{kept} of those that had a place in the queue were kept");
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(StoreError::Busy))), "{results:?}");
    assert_eq!(store.head(tenant).await.unwrap().get(), 1 + i64::try_from(kept).unwrap());
}

/// Something outside the store that holds the lock which every append needs.
enum Stall {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Stall {
    async fn begin(bed: &Bed) -> Self {
        if bed.is_postgres() {
            let client = bed.client().await;
            client.batch_execute("BEGIN; SELECT * FROM log_heads FOR UPDATE").await.unwrap();
            Self::Postgres(client)
        } else {
            let connection = rusqlite::Connection::open(bed.file()).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            Self::Sqlite(connection)
        }
    }

    async fn end(self) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres(client) => client.batch_execute("ROLLBACK").await.unwrap(),
        }
    }
}

async fn everything_comes_back_as_it_was(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let big = format!(r#"{{"text":"{}","nested":{{"ä":[1,2.50,null]}}}}"#, "x".repeat(3_000_000));
    let rich = NewChange {
        record_id: Some(RecordId::Text("42".to_owned())),
        event: Event::Unlink,
        priority: Priority::High,
        origin: Origin::Push,
        source_id: Some(SourceId("key with 'quotes' and ü".to_owned())),
        changed_fields: Some(vec!["name".to_owned(), "with \"quotes\"".to_owned()]),
        payload: Some(RawValue::from_string(big.clone()).unwrap()),
        old_data: Some(RawValue::from_string("null".to_owned()).unwrap()),
        new_data: Some(RawValue::from_string(r#"{"a": "\u0000"}"#.to_owned()).unwrap()),
        erp_user_id: Some(7),
        idempotency_key: Some("k".to_owned()),
        ..change(1)
    };
    let reset = NewChange { record_id: None, event: Event::Reset, source_id: None, ..change(2) };
    let batch = Append { changes: vec![rich, change(42), reset], ..Append::default() };
    store.append(tenant, batch).await.unwrap();

    let found = all(&store, tenant).await;
    let first = &found[0].body;
    assert_eq!(first.record_id, Some(RecordId::Text("42".to_owned())));
    assert_eq!((first.event, first.priority, first.origin), (Event::Unlink, Priority::High, Origin::Push));
    assert_eq!(first.source_id, Some(SourceId("key with 'quotes' and ü".to_owned())));
    assert_eq!(first.changed_fields.as_deref().unwrap(), ["name", "with \"quotes\""]);
    assert_eq!(first.payload.as_ref().unwrap().get(), big);
    assert_eq!(first.old_data.as_ref().unwrap().get(), "null");
    assert_eq!(first.new_data.as_ref().unwrap().get(), r#"{"a": "\u0000"}"#);
    assert_eq!((first.erp_user_id, first.idempotency_key.as_deref()), (Some(7), Some("k")));
    assert_eq!(first.occurred_at, change(1).occurred_at);
    assert_eq!(found[0].received_at, bed.clock.now());
    let second = &found[1].body;
    assert_eq!(second.record_id, Some(RecordId::Number(42)), "a number stays a number");
    assert!(second.payload.is_none() && second.changed_fields.is_none() && second.erp_user_id.is_none());
    assert_eq!((found[2].body.record_id.clone(), found[2].body.event), (None, Event::Reset));
}

async fn a_tenant_that_does_not_exist_is_refused(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let nobody = TenantId(999_999);
    let (refused, kept) = tokio::join!(store.append(nobody, changes([1])), store.append(tenant, changes([1])));
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    assert_eq!(positions(&kept.unwrap()), [1]);
    assert_eq!(store.head(nobody).await.unwrap(), Position::START);
}

async fn an_arrival_time_never_runs_backwards(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let start = bed.clock.now();
    bed.clock.advance(Duration::from_mins(1));
    store.append(tenant, changes([1])).await.unwrap();
    store.close().await;
    // A node whose clock is behind.
    let store = bed.with_clock_at(start).open().await;
    store.append(tenant, changes([2])).await.unwrap();
    let found = all(&store, tenant).await;
    assert_eq!(found[0].received_at, found[1].received_at);
}

fn full_append(bed: &Bed) -> Append {
    Append {
        jobs: vec![NewJob {
            tenant: None,
            kind: "enrich".to_owned(),
            payload: serde_json::json!({"a": 1}),
            run_at: bed.clock.now(),
            attempts_max: 3,
            unique_key: None,
        }],
        dead_letters: vec![dead_letter()],
        progress: Some(progress()),
        ..changes([10, 20])
    }
}

fn dead_letter() -> NewDeadLetter {
    NewDeadLetter {
        system: Some(SystemKey(1)),
        origin: Origin::Pull,
        source_id: Some(SourceId("15".to_owned())),
        reason: "no model".to_owned(),
        body: b"{\xff}".to_vec(),
    }
}

fn progress() -> SourceProgress {
    SourceProgress {
        system: SystemKey(1),
        epoch: Epoch(0),
        read_to: 20,
        gaps_opened: vec![19],
        gaps_closed: Vec::new(),
    }
}

/// The whole log of a tenant.
async fn all(store: &Store, tenant: TenantId) -> Vec<Change> {
    let query =
        LogQuery { after: Position::START, models: None, system: None, limit: 1_000, scan_max: 10_000, contents: true };
    match store.read(tenant, &query).await.unwrap() {
        LogRead::Page(page) => page.changes,
        other => panic!("{other:?}"),
    }
}
