//! Tasks and what comes of them.

use super::{Bed, contract};
use crate::{AlertKind, Fence, NewTask, NewUser, Role, Settled, Store, StoreError, Task, TaskId, TaskState};
use bridge_model::entropy::OsEntropy;
use bridge_model::{Clock as _, Entropy as _};
use bridge_model::{SystemId, TenantId, UserId};
use serde_json::{Value, json};
use std::time::Duration;

contract! {
    a_task_is_kept_with_what_comes_of_it,
    what_is_noted_stands_at_its_place,
    who_lost_the_lease_is_not_heard,
    a_task_that_nobody_began_is_cancelled_at_once,
    a_tenant_has_so_many_tasks,
    tasks_are_paged_and_kept_apart,
    ended_tasks_are_purged,
}

const LEASE: Duration = Duration::from_secs(30);

async fn someone(store: &Store, tenant: TenantId, username: &str) -> UserId {
    let (username, password_hash) = (username.to_owned(), "hash".to_owned());
    let user = NewUser { username, password_hash, role: Role::User, odoo_user_id: None, language: None };
    store.create_user(tenant, user).await.unwrap().id
}

async fn tenant_and_user(store: &Store) -> (TenantId, UserId) {
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    (tenant, someone(store, tenant, "amina").await)
}

fn new(user: UserId, total: u64) -> NewTask {
    let request = json!({ "operations": ["it's \"quoted\" ?1 $1"] });
    let (kind, system_id) = ("batch".to_owned(), SystemId::parse("odoo_main").unwrap());
    // Unlike that of any other task.
    let series = OsEntropy::new().unwrap().hex(16);
    NewTask { user, kind, system_id, request, total, series }
}

async fn add(store: &Store, tenant: TenantId, user: UserId) -> Task {
    store.add_task(tenant, new(user, 5), 100).await.unwrap().unwrap()
}

async fn fence(store: &Store) -> Fence {
    store.acquire_lease("tasks:1", "one", LEASE).await.unwrap().unwrap().fence()
}

fn settled(outcomes: &[&str]) -> Settled {
    let count = |word: &str| u64::try_from(outcomes.iter().filter(|one| **one == word).count()).unwrap();
    let (successful, failed) = (count("done"), count("failed"));
    Settled { outcomes: outcomes.iter().map(|one| json!(one)).collect(), successful, failed }
}

async fn a_task_is_kept_with_what_comes_of_it(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_and_user(store).await;
    let fence = fence(store).await;
    let task = add(store, tenant, user).await;
    assert_eq!((task.state, task.total, task.settled, task.under_way), (TaskState::Queued, 5, 0, 0));
    assert_eq!((task.created_at, task.started_at, task.finished_at), (bed.clock.now(), None, None));
    assert_eq!(store.next_task(tenant).await.unwrap().unwrap(), task);
    assert_eq!(store.tenants_with_tasks().await.unwrap(), [tenant]);
    assert_eq!(store.task_request(task.id).await.unwrap().unwrap(), new(user, 5).request);

    bed.clock.advance(Duration::from_secs(1));
    assert!(store.begin_operations(task.id, 0, 2, &fence).await.unwrap());
    let begun = store.task(tenant, task.id).await.unwrap().unwrap();
    assert_eq!((begun.state, begun.settled, begun.under_way), (TaskState::Running, 0, 2));
    assert_eq!(begun.started_at, Some(bed.clock.now()));
    assert!(store.settle_operations(task.id, 0, settled(&["done", "failed"]), &fence).await.unwrap());
    bed.clock.advance(Duration::from_secs(1));
    assert!(store.begin_operations(task.id, 2, 1, &fence).await.unwrap());
    assert!(store.settle_operations(task.id, 2, settled(&["done", "left", "left"]), &fence).await.unwrap());
    assert!(store.end_task(task.id, TaskState::Completed, None, &fence).await.unwrap());
    let ended = store.task(tenant, task.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.settled, ended.under_way), (TaskState::Completed, 5, 0));
    assert_eq!((ended.successful, ended.failed), (2, 1));
    assert_eq!((ended.started_at, ended.finished_at), (begun.started_at, Some(bed.clock.now())));
    let outcomes: Vec<Value> = ["done", "failed", "done", "left", "left"].map(|one| json!(one)).to_vec();
    assert_eq!(store.task_outcomes(task.id).await.unwrap(), outcomes);
    assert_eq!(store.next_task(tenant).await.unwrap(), None);
    assert!(store.tenants_with_tasks().await.unwrap().is_empty());
}

async fn what_is_noted_stands_at_its_place(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_and_user(store).await;
    let fence = fence(store).await;
    let id = add(store, tenant, user).await.id;
    assert!(!store.begin_operations(id, 1, 1, &fence).await.unwrap(), "nothing is settled");
    assert!(store.begin_operations(id, 0, 3, &fence).await.unwrap());
    assert!(store.begin_operations(id, 0, 1, &fence).await.unwrap(), "a call that was refused is made smaller");
    assert!(!store.settle_operations(id, 1, settled(&["done"]), &fence).await.unwrap());
    assert!(store.settle_operations(id, 0, settled(&["done"]), &fence).await.unwrap());
    assert!(!store.settle_operations(id, 0, settled(&["done"]), &fence).await.unwrap(), "once");
    assert!(store.begin_operations(id, 1, 2, &fence).await.unwrap());
    assert!(store.settle_operations(id, 1, settled(&[]), &fence).await.unwrap(), "what was begun was refused");
    assert_eq!(store.task(tenant, id).await.unwrap().unwrap().under_way, 0);
    assert!(store.end_task(id, TaskState::Failed, Some("unreadable"), &fence).await.unwrap());
    let alerts = store.alerts(tenant, None, None, 10).await.unwrap();
    assert_eq!(alerts.iter().map(|alert| (alert.kind, alert.times)).collect::<Vec<_>>(), [(AlertKind::TaskFailed, 1)]);
    assert_eq!(alerts[0].facts, json!({ "task_id": id.0 }));
    assert_eq!(store.task(tenant, id).await.unwrap().unwrap().last_error.as_deref(), Some("unreadable"));
    assert!(!store.end_task(id, TaskState::Completed, None, &fence).await.unwrap());
    assert!(!store.begin_operations(id, 1, 1, &fence).await.unwrap());
    assert!(!store.settle_operations(id, 1, settled(&["done"]), &fence).await.unwrap());
    assert_eq!(store.task_outcomes(id).await.unwrap(), [json!("done")]);
}

async fn who_lost_the_lease_is_not_heard(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_and_user(store).await;
    let first = fence(store).await;
    let id = add(store, tenant, user).await.id;
    assert!(store.begin_operations(id, 0, 1, &first).await.unwrap());
    bed.clock.advance(LEASE);
    let second = store.acquire_lease("tasks:1", "two", LEASE).await.unwrap().unwrap().fence();
    let fenced = |outcome: Result<bool, StoreError>| matches!(outcome, Err(StoreError::Fenced));
    assert!(fenced(store.begin_operations(id, 0, 2, &first).await));
    assert!(fenced(store.settle_operations(id, 0, settled(&["done"]), &first).await));
    assert!(fenced(store.end_task(id, TaskState::Completed, None, &first).await));
    assert_eq!(store.task(tenant, id).await.unwrap().unwrap().under_way, 1);
    assert!(store.settle_operations(id, 0, settled(&["failed"]), &second).await.unwrap());
    assert_eq!(store.task_outcomes(id).await.unwrap(), [json!("failed")]);
}

async fn a_task_that_nobody_began_is_cancelled_at_once(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_and_user(store).await;
    let fence = fence(store).await;
    let (running, queued) = (add(store, tenant, user).await.id, add(store, tenant, user).await.id);
    assert!(store.begin_operations(running, 0, 1, &fence).await.unwrap());
    let task = store.cancel_task(tenant, queued).await.unwrap().unwrap();
    assert_eq!((task.state, task.finished_at), (TaskState::Cancelled, Some(bed.clock.now())));
    let task = store.cancel_task(tenant, running).await.unwrap().unwrap();
    assert_eq!((task.state, task.is_cancelled, task.finished_at), (TaskState::Running, true, None));
    assert!(
        store.settle_operations(running, 0, settled(&["done"]), &fence).await.unwrap(),
        "what is under way is noted"
    );
    assert!(!store.begin_operations(running, 1, 1, &fence).await.unwrap(), "and nothing more begun");
    assert!(store.end_task(running, TaskState::Cancelled, None, &fence).await.unwrap());
    let ended = store.task(tenant, running).await.unwrap().unwrap();
    assert_eq!(store.cancel_task(tenant, running).await.unwrap().unwrap(), ended, "it stays as it is");
    assert_eq!(store.cancel_task(tenant, TaskId(999)).await.unwrap(), None);
    assert_eq!(store.cancel_task(TenantId(999), running).await.unwrap(), None);
}

async fn a_tenant_has_so_many_tasks(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_and_user(store).await;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let others = someone(store, other, "omar").await;
    for _ in 0..3 {
        assert!(store.add_task(tenant, new(user, 1), 3).await.unwrap().is_some());
    }
    assert!(store.add_task(tenant, new(user, 1), 3).await.unwrap().is_none());
    assert!(store.add_task(other, new(others, 1), 3).await.unwrap().is_some(), "each tenant for itself");
    let first = store.next_task(tenant).await.unwrap().unwrap();
    store.cancel_task(tenant, first.id).await.unwrap();
    assert!(store.add_task(tenant, new(user, 1), 3).await.unwrap().is_some());
    assert_eq!(store.tenants_with_tasks().await.unwrap(), [tenant, other]);
}

async fn tasks_are_paged_and_kept_apart(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_and_user(store).await;
    let second = someone(store, tenant, "omar").await;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let mut ids = Vec::new();
    for owner in [user, second, user, user] {
        ids.push(add(store, tenant, owner).await.id);
    }
    let listed = async |tenant, user, before, limit| -> Vec<TaskId> {
        store.tasks(tenant, user, before, limit).await.unwrap().iter().map(|task| task.id).collect()
    };
    assert_eq!(listed(tenant, None, None, 10).await, [ids[3], ids[2], ids[1], ids[0]]);
    assert_eq!(listed(tenant, Some(user), None, 2).await, [ids[3], ids[2]]);
    assert_eq!(listed(tenant, Some(user), Some(ids[2]), 2).await, [ids[0]]);
    assert!(listed(other, None, None, 10).await.is_empty());
    assert_eq!(store.task(other, ids[0]).await.unwrap(), None);
    // They go with their user.
    assert!(store.delete_user(tenant, user).await.unwrap());
    assert_eq!(listed(tenant, None, None, 10).await, [ids[1]]);
    assert!(store.add_task(tenant, new(user, 1), 100).await.unwrap().is_none(), "there is no such user");
}

async fn ended_tasks_are_purged(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_and_user(store).await;
    let fence = fence(store).await;
    let old = add(store, tenant, user).await.id;
    store.settle_operations(old, 0, settled(&["done"]), &fence).await.unwrap();
    store.end_task(old, TaskState::Completed, None, &fence).await.unwrap();
    for _ in 0..4 {
        let id = add(store, tenant, user).await.id;
        store.cancel_task(tenant, id).await.unwrap();
    }
    let open = add(store, tenant, user).await.id;
    bed.clock.advance(Duration::from_secs(1));
    let young = add(store, tenant, user).await.id;
    store.cancel_task(tenant, young).await.unwrap();
    assert_eq!(store.purge_tasks(bed.clock.now(), 2).await.unwrap(), 5);
    let left: Vec<TaskId> = store.tasks(tenant, None, None, 10).await.unwrap().iter().map(|task| task.id).collect();
    assert_eq!(left, [young, open]);
    assert!(store.task_outcomes(old).await.unwrap().is_empty());
}
