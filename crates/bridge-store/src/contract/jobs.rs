//! Jobs and schedules.

use super::{Bed, contract};
use crate::{Append, Job, JobCounts, JobId, NewJob, Store, StoreError};
use bridge_model::{Clock as _, TenantId, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

contract! {
    a_job_is_claimed_when_due_and_done_once,
    jobs_are_claimed_in_the_order_in_which_they_are_due,
    two_workers_never_get_the_same_job,
    who_lost_a_job_is_not_heard,
    a_late_worker_is_heard_while_nobody_else_has_its_job,
    a_retried_job_waits_and_fails_after_its_last_attempt,
    a_job_whose_worker_vanished_on_the_last_attempt_fails,
    a_failed_job_stays_failed,
    a_unique_key_keeps_one_job_waiting,
    a_unique_key_holds_when_many_enqueue_at_once,
    a_job_is_added_with_the_append_that_needs_it,
    finished_jobs_are_purged_in_batches,
    a_schedule_is_made_once_and_due_in_time,
    two_nodes_fire_a_schedule_once,
}

fn job(kind: &str, run_at: Timestamp) -> NewJob {
    NewJob {
        tenant: None,
        kind: kind.to_owned(),
        payload: json!({ "model": "sale.order", "note": "it's \"quoted\" ?1 $1" }),
        run_at,
        attempts_max: 3,
        unique_key: None,
    }
}

fn keyed(key: &str, run_at: Timestamp) -> NewJob {
    NewJob { unique_key: Some(key.to_owned()), ..job("mirror", run_at) }
}

async fn claim(store: &Store, limit: u32) -> Vec<Job> {
    store.claim_jobs("worker", &["mirror"], Duration::from_mins(5), limit).await.unwrap()
}

fn counts(queued: u64, running: u64, failed: u64) -> JobCounts {
    JobCounts { queued, running, failed }
}

async fn a_job_is_claimed_when_due_and_done_once(bed: Bed) {
    let store = &bed.open().await;
    let new = NewJob { tenant: Some(TenantId(7)), ..job("mirror", bed.clock.now().plus(Duration::from_mins(1))) };
    let id = store.enqueue(new.clone()).await.unwrap().unwrap();
    assert!(claim(store, 10).await.is_empty(), "it is not due yet");
    bed.clock.advance(Duration::from_mins(1));
    assert!(store.claim_jobs("worker", &["other"], Duration::from_mins(5), 10).await.unwrap().is_empty());
    assert!(store.claim_jobs("worker", &[], Duration::from_mins(5), 10).await.unwrap().is_empty());
    let claimed = store.claim_jobs("worker", &["other", "mirror"], Duration::from_mins(5), 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let claimed = &claimed[0];
    assert_eq!((claimed.id, claimed.tenant, claimed.kind.as_str()), (id, Some(TenantId(7)), "mirror"));
    assert_eq!((claimed.attempt, claimed.attempts_max), (1, 3));
    assert_eq!(claimed.payload, new.payload);
    assert_eq!(store.job_counts().await.unwrap(), counts(0, 1, 0));
    assert!(claim(store, 10).await.is_empty(), "it is taken");
    assert!(store.complete_job(claimed).await.unwrap());
    assert!(!store.complete_job(claimed).await.unwrap());
    assert_eq!(store.job_counts().await.unwrap(), counts(0, 0, 0));
    bed.clock.advance(Duration::from_hours(1));
    assert!(claim(store, 10).await.is_empty());
}

async fn jobs_are_claimed_in_the_order_in_which_they_are_due(bed: Bed) {
    let store = &bed.open().await;
    let mut ids = Vec::new();
    for late_minutes in [1, 3, 2] {
        ids.push(
            store
                .enqueue(job("mirror", bed.clock.now().minus(Duration::from_mins(late_minutes))))
                .await
                .unwrap()
                .unwrap(),
        );
    }
    let first: Vec<_> = claim(store, 2).await.iter().map(|job| job.id).collect();
    assert_eq!(first, [ids[1], ids[2]]);
    let rest: Vec<_> = claim(store, 2).await.iter().map(|job| job.id).collect();
    assert_eq!(rest, [ids[0]]);
}

async fn two_workers_never_get_the_same_job(bed: Bed) {
    let nodes = bed.nodes(2).await;
    let store = &nodes[0];
    let mut queued = BTreeSet::new();
    for _ in 0..40 {
        queued.insert(store.enqueue(job("mirror", bed.clock.now())).await.unwrap().unwrap());
    }
    let workers = (0..8).map(|turn| {
        let store = &nodes[turn % nodes.len()];
        async move {
            let mut mine: Vec<JobId> = Vec::new();
            // A worker may come away with less than there is while others are just taking it.
            for _ in 0..20 {
                mine.extend(claim(store, 3).await.iter().map(|job| job.id));
            }
            mine
        }
    });
    let claimed: Vec<_> = futures_util::future::join_all(workers).await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), queued);
}

async fn who_lost_a_job_is_not_heard(bed: Bed) {
    let store = &bed.open().await;
    store.enqueue(job("mirror", bed.clock.now())).await.unwrap();
    let lost = claim(store, 1).await.remove(0);
    bed.clock.advance(Duration::from_mins(5));
    let held = claim(store, 1).await.remove(0);
    assert_eq!((held.id, held.attempt), (lost.id, 2));
    assert!(held.lease_token > lost.lease_token);
    assert!(!store.complete_job(&lost).await.unwrap());
    assert!(!store.retry_job(&lost, bed.clock.now(), "too late").await.unwrap());
    assert!(!store.fail_job(&lost, "too late").await.unwrap());
    assert_eq!(store.job_counts().await.unwrap(), counts(0, 1, 0));
    assert!(store.complete_job(&held).await.unwrap());
}

async fn a_late_worker_is_heard_while_nobody_else_has_its_job(bed: Bed) {
    let store = &bed.open().await;
    store.enqueue(job("mirror", bed.clock.now())).await.unwrap();
    let late = claim(store, 1).await.remove(0);
    bed.clock.advance(Duration::from_mins(6));
    assert!(store.complete_job(&late).await.unwrap(), "the work is done, so it need not be done again");
    assert!(claim(store, 1).await.is_empty());
}

async fn a_retried_job_waits_and_fails_after_its_last_attempt(bed: Bed) {
    let store = &bed.open().await;
    store.enqueue(job("mirror", bed.clock.now())).await.unwrap();
    for attempt in 1..=3 {
        let held = claim(store, 1).await.remove(0);
        assert_eq!(held.attempt, attempt);
        assert!(
            store.retry_job(&held, bed.clock.now().plus(Duration::from_mins(1)), "the ERP was away").await.unwrap()
        );
        assert!(claim(store, 1).await.is_empty(), "not before its time");
        bed.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(store.job_counts().await.unwrap(), counts(0, 0, 1));
    assert!(claim(store, 1).await.is_empty());
}

async fn a_job_whose_worker_vanished_on_the_last_attempt_fails(bed: Bed) {
    let store = &bed.open().await;
    store.enqueue(NewJob { attempts_max: 2, ..job("mirror", bed.clock.now()) }).await.unwrap();
    claim(store, 1).await.remove(0);
    bed.clock.advance(Duration::from_mins(5));
    let last = claim(store, 1).await.remove(0);
    assert_eq!(last.attempt, 2);
    bed.clock.advance(Duration::from_mins(5));
    assert!(store.claim_jobs("worker", &["other"], Duration::from_mins(5), 1).await.unwrap().is_empty());
    assert_eq!(store.job_counts().await.unwrap(), counts(0, 1, 0), "others' kinds are left alone");
    assert!(claim(store, 1).await.is_empty());
    assert_eq!(store.job_counts().await.unwrap(), counts(0, 0, 1));
    assert!(!store.complete_job(&last).await.unwrap());
}

async fn a_failed_job_stays_failed(bed: Bed) {
    let store = &bed.open().await;
    store.enqueue(job("mirror", bed.clock.now())).await.unwrap();
    let held = claim(store, 1).await.remove(0);
    assert!(store.fail_job(&held, "it makes no sense").await.unwrap());
    bed.clock.advance(Duration::from_hours(1));
    assert!(claim(store, 1).await.is_empty());
    assert_eq!(store.job_counts().await.unwrap(), counts(0, 0, 1));
}

async fn a_unique_key_keeps_one_job_waiting(bed: Bed) {
    let store = &bed.open().await;
    assert!(store.enqueue(keyed("a", bed.clock.now())).await.unwrap().is_some());
    assert_eq!(store.enqueue(keyed("a", bed.clock.now())).await.unwrap(), None);
    assert!(store.enqueue(keyed("b", bed.clock.now())).await.unwrap().is_some());
    assert!(store.enqueue(job("mirror", bed.clock.now())).await.unwrap().is_some());
    assert!(store.enqueue(job("mirror", bed.clock.now())).await.unwrap().is_some(), "no key, no limit");
    let held = claim(store, 10).await;
    assert_eq!(held.len(), 4);
    assert!(
        store.enqueue(keyed("a", bed.clock.now())).await.unwrap().is_some(),
        "the running one may have read already"
    );
    assert_eq!(store.enqueue(keyed("a", bed.clock.now())).await.unwrap(), None);
    // The one that ran gives way to the one that waits.
    assert!(store.retry_job(&held[0], bed.clock.now(), "the ERP was away").await.unwrap());
    let waiting = claim(store, 10).await;
    assert_eq!(waiting.len(), 1);
    assert_ne!(waiting[0].id, held[0].id);
    assert!(store.retry_job(&waiting[0], bed.clock.now(), "again").await.unwrap());
    assert_eq!(store.enqueue(keyed("a", bed.clock.now())).await.unwrap(), None, "a retried job waits as well");
}

async fn a_unique_key_holds_when_many_enqueue_at_once(bed: Bed) {
    let nodes = bed.nodes(2).await;
    for round in 0..5 {
        let added = (0..12).map(|turn| {
            let (store, new) = (&nodes[turn % nodes.len()], keyed(&format!("key{round}"), bed.clock.now()));
            async move { store.enqueue(new).await.unwrap() }
        });
        assert_eq!(futures_util::future::join_all(added).await.into_iter().flatten().count(), 1, "round {round}");
    }
}

async fn a_job_is_added_with_the_append_that_needs_it(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let lease = store.acquire_lease("pull", "node", Duration::from_mins(1)).await.unwrap().unwrap();
    let batch =
        || Append { jobs: vec![job("mirror", bed.clock.now())], fence: Some(lease.fence()), ..Append::default() };
    store.append(tenant, batch()).await.unwrap();
    assert_eq!(store.job_counts().await.unwrap(), counts(1, 0, 0));
    bed.clock.advance(Duration::from_mins(2));
    assert!(matches!(store.append(tenant, batch()).await, Err(StoreError::Fenced)));
    assert_eq!(store.job_counts().await.unwrap(), counts(1, 0, 0), "both or neither");
}

async fn finished_jobs_are_purged_in_batches(bed: Bed) {
    let store = &bed.open().await;
    for _ in 0..8 {
        store.enqueue(job("mirror", bed.clock.now())).await.unwrap();
    }
    let held = claim(store, 7).await;
    for done in &held[..5] {
        store.complete_job(done).await.unwrap();
    }
    store.fail_job(&held[5], "no").await.unwrap();
    bed.clock.advance(Duration::from_mins(1));
    assert_eq!(store.purge_jobs(bed.clock.now().minus(Duration::from_mins(1)), 2).await.unwrap(), 0);
    assert_eq!(store.purge_jobs(bed.clock.now(), 2).await.unwrap(), 6);
    assert_eq!(store.job_counts().await.unwrap(), counts(1, 1, 0), "what is unfinished stays");
}

async fn a_schedule_is_made_once_and_due_in_time(bed: Bed) {
    let store = &bed.open().await;
    let first = bed.clock.now().plus(Duration::from_mins(10));
    store.ensure_schedule("cleanup", first).await.unwrap();
    store.ensure_schedule("cleanup", first.plus(Duration::from_mins(10))).await.unwrap();
    store.ensure_schedule("refresh", first.minus(Duration::from_mins(5))).await.unwrap();
    assert!(store.due_schedules(bed.clock.now()).await.unwrap().is_empty());
    let due = store.due_schedules(first).await.unwrap();
    let due: Vec<_> = due.iter().map(|schedule| (schedule.name.as_str(), schedule.next_run)).collect();
    assert_eq!(due, [("refresh", first.minus(Duration::from_mins(5))), ("cleanup", first)]);
}

async fn two_nodes_fire_a_schedule_once(bed: Bed) {
    let nodes = bed.nodes(2).await;
    let store = &nodes[0];
    store.ensure_schedule("cleanup", bed.clock.now()).await.unwrap();
    for round in 1..=5 {
        let due = store.due_schedules(bed.clock.now()).await.unwrap().remove(0);
        let next = bed.clock.now().plus(Duration::from_mins(10));
        let fired = (0..8).map(|turn| {
            let (store, due, new) = (&nodes[turn % nodes.len()], due.clone(), job("mirror", bed.clock.now()));
            async move { store.fire_schedule(&due, next, new).await.unwrap() }
        });
        let fired = futures_util::future::join_all(fired).await;
        assert_eq!(fired.into_iter().filter(|fired| *fired).count(), 1, "round {round}");
        assert_eq!(store.job_counts().await.unwrap(), counts(round, 0, 0), "one job each time");
        assert!(store.due_schedules(bed.clock.now()).await.unwrap().is_empty());
        bed.clock.advance(Duration::from_mins(10));
    }
}
