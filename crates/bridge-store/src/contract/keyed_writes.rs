//! Writes with a key.

use super::accounts::{new_user, tenant_with_user};
use super::systems::new_system;
use super::{Bed, contract};
use crate::{NewKeyedWrite, NewTask, Store, System, TaskState, WriteClaim, WriteKey, WritePart, WriteSeries};
use bridge_model::Clock as _;
use serde_json::json;
use std::time::Duration;

contract! {
    a_key_stands_for_one_write_and_its_answer,
    a_write_is_taken_over_by_one_when_its_claim_is_over,
    what_was_not_done_leaves_its_key_free,
    keys_go_with_time_with_their_user_and_with_their_system,
    the_writes_of_a_series_are_found_by_its_name,
    what_a_task_has_sent_is_known_until_it_ends,
}

async fn stage(bed: &Bed, store: &Store) -> (WriteKey, System, NewKeyedWrite) {
    let (tenant, user) = tenant_with_user(store, "ada").await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap();
    let write = NewKeyedWrite {
        system: system.key,
        request_hash: "hash".to_owned(),
        sent_as: "ada".to_owned(),
        erp_key: Some(format!("bc-{}", bed.clock.now().as_micros())),
        to_check: json!({ "action": "read" }),
        series: None,
    };
    (WriteKey { tenant, user: user.id, key: "order-1".to_owned() }, system, write)
}

fn claim(bed: &Bed, name: &str) -> WriteClaim {
    WriteClaim { name: name.to_owned(), until: bed.clock.now().plus(Duration::from_secs(30)) }
}

async fn a_key_stands_for_one_write_and_its_answer(bed: Bed) {
    let store = &bed.open().await;
    let (key, _, write) = stage(&bed, store).await;
    assert_eq!(store.keyed_write(&key).await.unwrap(), None);
    let (first, second) = (claim(&bed, "first"), claim(&bed, "second"));
    let begin = async |claim: &WriteClaim| store.begin_keyed_write(&key, &write, claim).await.unwrap();
    let (one, two) = tokio::join!(begin(&first), begin(&second));
    assert!(one != two, "one of two");
    let (mine, theirs) = if one { (first, second) } else { (second, first) };
    let noted = store.keyed_write(&key).await.unwrap().unwrap();
    assert_eq!((&noted.write, noted.begun_at, noted.answer), (&write, bed.clock.now(), None));
    assert_eq!(noted.claimed_to, mine.until);
    let answer = json!({ "result": { "id": 7, "name": "hush-hush" } });
    assert!(!store.answer_keyed_write(&key, &theirs, &answer).await.unwrap());
    assert!(store.answer_keyed_write(&key, &mine, &answer).await.unwrap());
    let kept = store.keyed_write(&key).await.unwrap().unwrap();
    assert_eq!(kept.answer.as_ref(), Some(&answer));
    assert!(!format!("{kept:?}").contains("hush"));
    // An answer stays what it is.
    assert!(!store.answer_keyed_write(&key, &mine, &json!(null)).await.unwrap());
    assert!(!store.forget_keyed_write(&key, &mine).await.unwrap());
    bed.clock.advance(Duration::from_mins(1));
    assert!(!store.claim_keyed_write(&key, &claim(&bed, "third")).await.unwrap());
    // Others have keys of their own.
    let bob = store.create_user(key.tenant, new_user("bob")).await.unwrap();
    let (other, stranger) = tenant_with_user(store, "eve").await;
    for (tenant, user) in [(key.tenant, bob.id), (other, stranger.id), (other, key.user)] {
        let elsewhere = WriteKey { tenant, user, ..key.clone() };
        assert_eq!(store.keyed_write(&elsewhere).await.unwrap(), None);
    }
}

async fn a_write_is_taken_over_by_one_when_its_claim_is_over(bed: Bed) {
    let store = &bed.open().await;
    let (key, _, write) = stage(&bed, store).await;
    let dead = claim(&bed, "dead");
    assert!(!store.claim_keyed_write(&key, &dead).await.unwrap(), "there is none");
    assert!(store.begin_keyed_write(&key, &write, &dead).await.unwrap());
    bed.clock.advance(Duration::from_secs(29));
    assert!(!store.claim_keyed_write(&key, &claim(&bed, "early")).await.unwrap());
    bed.clock.advance(Duration::from_secs(1));
    let (one, two) = (claim(&bed, "one"), claim(&bed, "two"));
    let take = async |claim: &WriteClaim| store.claim_keyed_write(&key, claim).await.unwrap();
    let (first, second) = tokio::join!(take(&one), take(&two));
    assert!(first != second, "one of two");
    let mine = if first { one } else { two };
    assert!(!store.answer_keyed_write(&key, &dead, &json!(1)).await.unwrap(), "it is another's now");
    // Whoever gives it up leaves it to the next at once.
    assert!(store.leave_keyed_write(&key, &mine).await.unwrap());
    let next = claim(&bed, "next");
    assert!(store.claim_keyed_write(&key, &next).await.unwrap());
    assert!(store.answer_keyed_write(&key, &next, &json!(1)).await.unwrap());
}

async fn what_was_not_done_leaves_its_key_free(bed: Bed) {
    let store = &bed.open().await;
    let (key, _, write) = stage(&bed, store).await;
    let mine = claim(&bed, "mine");
    assert!(store.begin_keyed_write(&key, &write, &mine).await.unwrap());
    assert!(!store.forget_keyed_write(&key, &claim(&bed, "theirs")).await.unwrap());
    assert!(store.forget_keyed_write(&key, &mine).await.unwrap());
    assert_eq!(store.keyed_write(&key).await.unwrap(), None);
    assert!(store.begin_keyed_write(&key, &write, &mine).await.unwrap());
}

async fn keys_go_with_time_with_their_user_and_with_their_system(bed: Bed) {
    let store = &bed.open().await;
    let (key, system, write) = stage(&bed, store).await;
    let started = bed.clock.now();
    for number in 0..5 {
        let key = WriteKey { key: format!("order-{number}"), ..key.clone() };
        assert!(store.begin_keyed_write(&key, &write, &claim(&bed, "mine")).await.unwrap());
        bed.clock.advance(Duration::from_hours(1));
    }
    assert_eq!(store.purge_keyed_writes(started.plus(Duration::from_hours(3)), 2).await.unwrap(), 3);
    let left = WriteKey { key: "order-3".to_owned(), ..key.clone() };
    assert!(store.keyed_write(&left).await.unwrap().is_some());
    assert!(store.delete_system(key.tenant, &system.system_id).await.unwrap());
    assert_eq!(store.keyed_write(&left).await.unwrap(), None);
    let again = store.create_system(key.tenant, new_system("again")).await.unwrap();
    let write = NewKeyedWrite { system: again.key, ..write };
    assert!(store.begin_keyed_write(&key, &write, &claim(&bed, "mine")).await.unwrap());
    store.delete_user(key.tenant, key.user).await.unwrap();
    assert_eq!(store.keyed_write(&key).await.unwrap(), None);
}

/// The write of some operations of a series.
fn part(write: &NewKeyedWrite, series: &str, first: u64, operations: u64) -> NewKeyedWrite {
    let part = Some(WritePart { first, operations });
    let to_check = json!({ "first": first });
    NewKeyedWrite { series: Some(WriteSeries { name: series.to_owned(), part }), to_check, ..write.clone() }
}

async fn the_writes_of_a_series_are_found_by_its_name(bed: Bed) {
    let store = &bed.open().await;
    let (key, _, write) = stage(&bed, store).await;
    let mine = claim(&bed, "mine");
    let whole = NewKeyedWrite { series: Some(WriteSeries { name: "s".to_owned(), part: None }), ..write.clone() };
    assert!(store.begin_keyed_write(&key, &whole, &mine).await.unwrap());
    assert_eq!(store.keyed_write(&key).await.unwrap().unwrap().write, whole);
    for (first, operations, series) in [(3, 4, "s"), (0, 3, "s"), (0, 9, "other")] {
        let key = WriteKey { key: format!("{series} {first}"), ..key.clone() };
        let part = part(&write, series, first, operations);
        assert!(store.begin_keyed_write(&key, &part, &mine).await.unwrap());
        assert_eq!(store.keyed_write(&key).await.unwrap().unwrap().write, part);
    }
    let found = store.series_parts("s").await.unwrap();
    let expected =
        [(0, 3), (3, 4)].map(|(first, operations)| (WritePart { first, operations }, json!({ "first": first })));
    assert_eq!(found, expected);
    assert!(store.series_parts("none").await.unwrap().is_empty());
    // Who knows that they are alone waits for no claim.
    let first = WriteKey { key: "s 0".to_owned(), ..key.clone() };
    let next = claim(&bed, "next");
    assert!(!store.claim_keyed_write(&first, &next).await.unwrap());
    assert!(store.seize_keyed_write(&first, &next).await.unwrap());
    assert!(!store.answer_keyed_write(&first, &mine, &json!(1)).await.unwrap(), "it is another's now");
    assert!(store.answer_keyed_write(&first, &next, &json!(1)).await.unwrap());
    assert!(!store.seize_keyed_write(&first, &mine).await.unwrap(), "an answer stays what it is");
}

async fn what_a_task_has_sent_is_known_until_it_ends(bed: Bed) {
    let store = &bed.open().await;
    let (key, system, write) = stage(&bed, store).await;
    let new = NewTask {
        user: key.user,
        kind: "batch".to_owned(),
        system_id: system.system_id.clone(),
        request: json!({}),
        total: 1,
        series: "t".to_owned(),
    };
    let task = store.add_task(key.tenant, new, 10).await.unwrap().unwrap();
    assert_eq!(store.task_of_series(key.tenant, "t").await.unwrap().as_ref(), Some(&task));
    assert_eq!(store.task_of_series(key.tenant, "s").await.unwrap(), None);
    let mine = claim(&bed, "mine");
    for series in ["t", "s"] {
        let key = WriteKey { key: format!("{series} 0"), ..key.clone() };
        assert!(store.begin_keyed_write(&key, &part(&write, series, 0, 1), &mine).await.unwrap());
    }
    bed.clock.advance(Duration::from_hours(1));
    assert_eq!(store.purge_keyed_writes(bed.clock.now(), 10).await.unwrap(), 1, "not that of the task");
    assert_eq!(store.series_parts("t").await.unwrap().len(), 1);
    let fence = store.acquire_lease("tasks:1", "one", Duration::from_secs(30)).await.unwrap().unwrap().fence();
    assert!(store.end_task(task.id, TaskState::Completed, None, &fence).await.unwrap());
    assert_eq!(store.purge_keyed_writes(bed.clock.now(), 10).await.unwrap(), 1);
}
