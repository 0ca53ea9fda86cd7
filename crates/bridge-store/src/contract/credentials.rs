//! What is known of systems' API keys.

use super::systems::new_system;
use super::{Bed, contract};
use crate::{RenewedKey, Store, System};
use bridge_model::{Clock as _, TenantId};
use serde_json::json;
use std::time::Duration;

contract! {
    a_key_is_noted_and_another_key_is_another_matter,
    a_try_is_begun_once_within_the_pause,
    a_renewal_is_saved_whole_and_gives_way_to_a_change,
}

const DAY: Duration = Duration::from_hours(24);

async fn system(bed: &Bed, store: &Store) -> (TenantId, System) {
    let tenant = bed.tenant(store).await;
    let system = store.create_system(tenant, new_system("main")).await.unwrap();
    (tenant, system)
}

async fn a_key_is_noted_and_another_key_is_another_matter(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, system) = system(&bed, store).await;
    assert_eq!(store.credential(tenant, system.key).await.unwrap(), None);
    let end = bed.clock.now().plus(DAY);
    store.note_credential(&system, "one", Some(end), Some("no password")).await.unwrap();
    let noted = store.credential(tenant, system.key).await.unwrap().unwrap();
    assert_eq!((noted.key_hash.as_str(), noted.expires_at), ("one", Some(end)));
    assert_eq!(noted.problem.as_deref(), Some("no password"));
    assert_eq!(store.credential_ends().await.unwrap(), [(system.key, Some(end), true)]);
    let pause_since = bed.clock.now().minus(DAY);
    assert!(store.begin_renewal(&system, "one", pause_since, "BridgeCore 1", "cut off").await.unwrap());
    let begun = store.credential(tenant, system.key).await.unwrap().unwrap();
    assert_eq!((begun.attempted_name.as_deref(), begun.problem.as_deref()), (Some("BridgeCore 1"), Some("cut off")));
    store.note_credential(&system, "two", None, None).await.unwrap();
    let noted = store.credential(tenant, system.key).await.unwrap().unwrap();
    assert_eq!((noted.key_hash.as_str(), noted.expires_at, noted.problem), ("two", None, None));
    assert_eq!(noted.attempted_at, Some(bed.clock.now()), "the pause holds for the next key too");
    assert_eq!(noted.attempted_name.as_deref(), Some("BridgeCore 1"), "it is still to be removed");
    store.note_removed(tenant, system.key, "BridgeCore 1").await.unwrap();
    assert_eq!(store.credential(tenant, system.key).await.unwrap().unwrap().attempted_name, None);
    store.forget_credential(tenant, system.key).await.unwrap();
    assert_eq!(store.credential(tenant, system.key).await.unwrap(), None);
}

async fn a_try_is_begun_once_within_the_pause(bed: Bed) {
    let store = &bed.open().await;
    let (_, system) = system(&bed, store).await;
    let begin = async |hash: &str| {
        let pause_since = bed.clock.now().minus(DAY);
        store.begin_renewal(&system, hash, pause_since, "BridgeCore 1", "cut off").await.unwrap()
    };
    assert!(!begin("one").await, "nothing is known of it");
    store.note_credential(&system, "one", None, None).await.unwrap();
    assert!(!begin("two").await);
    let (first, second) = tokio::join!(begin("one"), begin("one"));
    assert!(first != second, "one of two");
    bed.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert!(!begin("one").await);
    bed.clock.advance(Duration::from_secs(1));
    assert!(begin("one").await);
}

async fn a_renewal_is_saved_whole_and_gives_way_to_a_change(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, before) = system(&bed, store).await;
    store.note_credential(&before, "one", None, None).await.unwrap();
    let pause_since = bed.clock.now().minus(DAY);
    assert!(store.begin_renewal(&before, "one", pause_since, "BridgeCore 2", "cut off").await.unwrap());
    let renewed = RenewedKey {
        key_hash: "two".to_owned(),
        key_name: "BridgeCore 2".to_owned(),
        previous_name: Some("BridgeCore 1".to_owned()),
        expires_at: Some(bed.clock.now().plus(DAY)),
    };
    let connection = json!({ "api_key": "new" });
    // Even within one moment a change is seen.
    assert!(store.finish_renewal(&before, &connection, &renewed).await.unwrap());
    let after = store.system_by_key(tenant, before.key).await.unwrap().unwrap();
    assert_eq!(after.connection, connection);
    assert!(after.updated_at > before.updated_at);
    let known = store.credential(tenant, before.key).await.unwrap().unwrap();
    assert_eq!((known.key_hash.as_str(), known.key_name.as_deref()), ("two", Some("BridgeCore 2")));
    assert_eq!((known.previous_name.as_deref(), known.expires_at), (Some("BridgeCore 1"), renewed.expires_at));
    assert_eq!((&known.attempted_name, &known.problem), (&None, &None), "it is used now");
    let late = RenewedKey { key_hash: "three".to_owned(), ..renewed };
    assert!(!store.finish_renewal(&before, &json!({ "api_key": "late" }), &late).await.unwrap());
    let kept = store.system_by_key(tenant, before.key).await.unwrap().unwrap();
    assert_eq!(kept.connection, connection);
    // Who read the system before does not know of the new key.
    store.note_credential(&before, "one", None, Some("late")).await.unwrap();
    assert_eq!(store.credential(tenant, before.key).await.unwrap(), Some(known));
    store.note_removed(tenant, before.key, "another").await.unwrap();
    assert!(store.credential(tenant, before.key).await.unwrap().unwrap().previous_name.is_some());
    store.note_removed(tenant, before.key, "BridgeCore 1").await.unwrap();
    assert_eq!(store.credential(tenant, before.key).await.unwrap().unwrap().previous_name, None);
    store.delete_system(tenant, &before.system_id).await.unwrap();
    assert_eq!(store.credential(tenant, before.key).await.unwrap(), None);
}
