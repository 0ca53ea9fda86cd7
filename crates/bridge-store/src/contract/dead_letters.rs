//! Dead letters.

use super::{Bed, contract};
use crate::{Append, DeadLetter, NewDeadLetter, Store};
use bridge_model::{Clock as _, Origin, SourceId, SystemKey, TenantId};
use std::time::Duration;

contract! {
    dead_letters_are_kept_with_their_bytes,
    the_same_dead_letter_is_kept_once,
    dead_letters_are_paged_within_their_tenant,
    dead_letters_are_purged_in_batches,
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
