//! Dead letters.

use super::bed::{change, changes, positions};
use super::{Bed, contract};
use crate::{Append, DeadLetter, DeadLetterFilter, Lease, NewDeadLetter, Store, StoreError};
use bridge_model::{Clock as _, Origin, SourceId, SystemKey, TenantId};
use std::time::Duration;

contract! {
    dead_letters_are_kept_with_their_bytes,
    the_same_dead_letter_is_kept_once,
    dead_letters_are_paged_within_their_tenant,
    dead_letters_are_purged_in_batches,
    a_filter_chooses_by_system_and_by_plain_text,
    another_try_that_works_takes_the_letters_place,
    another_try_that_fails_counts_and_keeps_the_letter_once,
    another_try_that_lost_its_lease_changes_nothing,
}

fn letter(source_id: Option<&str>) -> NewDeadLetter {
    NewDeadLetter {
        system: Some(SystemKey(1)),
        origin: Origin::Push,
        source_id: source_id.map(|id| SourceId(id.to_owned())),
        reason: "model is missing".to_owned(),
        body: vec![0, 159, 146, 150, b'{'],
    }
}

async fn keep(store: &Store, tenant: TenantId, dead_letters: Vec<NewDeadLetter>) {
    store.append(tenant, Append { dead_letters, ..Append::default() }).await.unwrap();
}

async fn all(store: &Store, tenant: TenantId) -> Vec<DeadLetter> {
    store.dead_letters(tenant, None, 100).await.unwrap()
}

async fn dead_letters_are_kept_with_their_bytes(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    keep(store, tenant, vec![letter(Some("17")), NewDeadLetter { system: None, origin: Origin::Pull, ..letter(None) }])
        .await;
    let kept = all(store, tenant).await;
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[0].system, kept[0].origin), (Some(SystemKey(1)), Origin::Push));
    assert_eq!(kept[0].source_id, Some(SourceId("17".to_owned())));
    assert_eq!(kept[0].reason, "model is missing");
    assert_eq!(kept[0].body, letter(None).body);
    assert_eq!(kept[0].received_at, bed.clock.now());
    assert_eq!((kept[1].system, kept[1].origin, kept[1].source_id.clone()), (None, Origin::Pull, None));
    assert_eq!(store.dead_letter_count(tenant).await.unwrap(), 2);
}

async fn the_same_dead_letter_is_kept_once(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let unknown = NewDeadLetter { system: None, ..letter(Some("17")) };
    for _ in 0..2 {
        keep(store, tenant, vec![letter(Some("17")), letter(Some("17")), unknown.clone()]).await;
    }
    assert_eq!(all(store, tenant).await.len(), 2, "one per system, the unknown one too");
    keep(store, tenant, vec![letter(Some("18"))]).await;
    keep(store, tenant, vec![NewDeadLetter { origin: Origin::Pull, ..letter(Some("17")) }]).await;
    keep(store, tenant, vec![NewDeadLetter { system: Some(SystemKey(2)), ..letter(Some("17")) }]).await;
    assert_eq!(all(store, tenant).await.len(), 5);
    keep(store, tenant, vec![letter(None), letter(None)]).await;
    assert_eq!(all(store, tenant).await.len(), 7, "without an id nothing is recognised");
    keep(store, other, vec![letter(Some("17"))]).await;
    assert_eq!(all(store, other).await.len(), 1);
}

async fn dead_letters_are_paged_within_their_tenant(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    for _ in 0..5 {
        keep(store, tenant, vec![letter(None)]).await;
        keep(store, other, vec![letter(None)]).await;
    }
    let ids: Vec<_> = all(store, tenant).await.iter().map(|letter| letter.id).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted());
    assert!(all(store, other).await.iter().all(|letter| !ids.contains(&letter.id)));
    let page = store.dead_letters(tenant, Some(ids[1]), 2).await.unwrap();
    assert_eq!(page.iter().map(|letter| letter.id).collect::<Vec<_>>(), ids[2..4]);
}

async fn dead_letters_are_purged_in_batches(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    keep(store, tenant, (0..7).map(|_| letter(None)).collect()).await;
    bed.clock.advance(Duration::from_mins(1));
    keep(store, tenant, vec![letter(None)]).await;
    assert_eq!(store.purge_dead_letters(bed.clock.now().minus(Duration::from_mins(1)), 3).await.unwrap(), 0);
    assert_eq!(store.purge_dead_letters(bed.clock.now(), 3).await.unwrap(), 7);
    assert_eq!(store.dead_letter_count(tenant).await.unwrap(), 1);
}

async fn a_filter_chooses_by_system_and_by_plain_text(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let with = |system: Option<i64>, reason: &str| NewDeadLetter {
        system: system.map(SystemKey),
        reason: reason.to_owned(),
        ..letter(None)
    };
    let letters = vec![with(Some(1), "100% off"), with(Some(2), "100 off"), with(None, "a_b"), with(Some(1), "axb")];
    keep(store, tenant, letters).await;
    let ids: Vec<i64> = all(store, tenant).await.iter().map(|letter| letter.id).collect();
    let places = async |system: Option<i64>, reason: Option<&str>, after: Option<i64>| -> Vec<usize> {
        let filter = DeadLetterFilter { system: system.map(SystemKey), reason_contains: reason.map(str::to_owned) };
        let found = store.dead_letters_of(tenant, &filter, after, 10).await.unwrap();
        found.iter().map(|letter| ids.iter().position(|id| *id == letter.id).unwrap()).collect()
    };
    assert_eq!(places(None, None, None).await, [0, 1, 2, 3]);
    assert_eq!(places(Some(1), None, None).await, [0, 3]);
    assert_eq!(places(None, Some("0% o"), None).await, [0], "no sign stands for others");
    assert_eq!(places(None, Some("a_b"), None).await, [2]);
    assert_eq!(places(None, Some(""), None).await.len(), 4);
    assert_eq!(places(Some(1), Some("off"), None).await, [0]);
    assert_eq!(places(Some(1), None, Some(ids[0])).await, [3]);
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    assert!(store.dead_letters_of(other, &DeadLetterFilter::default(), None, 10).await.unwrap().is_empty());
    assert!(store.dead_letter(other, ids[0]).await.unwrap().is_none());
    assert_eq!(store.dead_letter(tenant, ids[0]).await.unwrap().unwrap().reason, "100% off");
}

async fn lease(store: &Store) -> Lease {
    store.acquire_lease("retry", "me", Duration::from_mins(1)).await.unwrap().unwrap()
}

async fn another_try_that_works_takes_the_letters_place(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    keep(store, tenant, vec![letter(None), letter(None), letter(None)]).await;
    let ids: Vec<i64> = all(store, tenant).await.iter().map(|letter| letter.id).collect();
    let lease = lease(store).await;
    let trying = store.settling(ids[1], lease.fence());
    trying.append(other, changes([1])).await.unwrap();
    assert_eq!(all(store, tenant).await.len(), 3, "another tenant's append settles nothing here");
    assert_eq!(positions(&trying.append(tenant, changes([1])).await.unwrap()), [1]);
    assert_eq!(all(store, tenant).await.iter().map(|letter| letter.id).collect::<Vec<_>>(), [ids[0], ids[2]]);
    // What is in the log already settles as well.
    let again = store.settling(ids[2], lease.fence());
    assert_eq!(positions(&again.append(tenant, changes([1])).await.unwrap()), [0]);
    assert_eq!(all(store, tenant).await.len(), 1);
    // The store itself settles nothing.
    store.append(tenant, changes([2])).await.unwrap();
    assert_eq!(all(store, tenant).await.len(), 1);
    assert!(!store.remove_dead_letter(other, ids[0]).await.unwrap());
    assert!(store.remove_dead_letter(tenant, ids[0]).await.unwrap());
    assert!(!store.remove_dead_letter(tenant, ids[0]).await.unwrap());
}

async fn another_try_that_fails_counts_and_keeps_the_letter_once(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    keep(store, tenant, vec![letter(Some("17")), letter(None)]).await;
    let first = all(store, tenant).await.remove(0);
    assert_eq!((first.attempts, first.last_attempt_at), (0, None));
    bed.clock.advance(Duration::from_mins(1));
    let again = NewDeadLetter { reason: "record_id is missing".to_owned(), ..letter(None) };
    let trying = store.settling(first.id, lease(store).await.fence());
    for _ in 0..2 {
        keep(&trying, tenant, vec![again.clone()]).await;
    }
    let kept = all(store, tenant).await;
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[0].id, kept[0].attempts, kept[0].reason.as_str()), (first.id, 2, "record_id is missing"));
    assert_eq!((kept[0].last_attempt_at, kept[0].received_at), (Some(bed.clock.now()), first.received_at));
    assert_eq!(kept[0].body, first.body);
    assert_eq!((kept[1].attempts, kept[1].reason.as_str()), (0, "model is missing"));
    assert!(store.fail_dead_letter(tenant, kept[1].id, "still").await.unwrap());
    assert!(!store.fail_dead_letter(tenant, 999, "still").await.unwrap());
    let kept = all(store, tenant).await.remove(1);
    assert_eq!((kept.attempts, kept.reason.as_str()), (1, "still"));
}

async fn another_try_that_lost_its_lease_changes_nothing(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    keep(store, tenant, vec![letter(None)]).await;
    let id = all(store, tenant).await[0].id;
    let late = store.settling(id, lease(store).await.fence());
    bed.clock.advance(Duration::from_mins(2));
    let new = store.acquire_lease("retry", "another", Duration::from_mins(1)).await.unwrap().unwrap();
    for batch in [changes([1]), Append { dead_letters: vec![letter(None)], ..Append::default() }] {
        let refused = late.append(tenant, batch).await;
        assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    }
    let kept = all(store, tenant).await;
    assert_eq!((kept.len(), kept[0].attempts), (1, 0));
    assert_eq!(store.head(tenant).await.unwrap().get(), 0);
    let batch = Append { changes: vec![change(1)], ..Append::default() };
    store.settling(id, new.fence()).append(tenant, batch).await.unwrap();
    assert!(all(store, tenant).await.is_empty());
}
