//! Registered systems and their secrets.

use super::{Bed, contract};
use crate::{Append, NewSystem, ReaderNote, Store, StoreError, System};
use bridge_model::{AddressBlock, Clock as _, ModelName, SystemId, SystemKey, TenantId};
use serde_json::{Value, json};
use std::time::Duration;

contract! {
    a_system_is_read_as_it_was_registered,
    a_system_id_is_unique_in_its_tenant,
    systems_stay_within_their_tenant,
    a_system_is_updated_and_primary_is_one,
    many_at_once_leave_one_primary,
    a_deleted_system_keeps_its_name_and_its_key,
    a_connection_is_nowhere_in_the_database_in_plain,
    an_unreadable_connection_is_reported_and_others_are_answered,
}

const SECRET: &str = "correct horse battery staple";

fn id(text: &str) -> SystemId {
    SystemId::parse(text).unwrap()
}

/// A system of this name, whose push key's hash is `hash-of-<name>`.
pub(super) fn new_system(name: &str) -> NewSystem {
    NewSystem {
        system_id: id(name),
        system_type: "odoo".to_owned(),
        system_version: Some("19.0".to_owned()),
        name: format!("System {name}"),
        description: None,
        connection: json!({ "url": "https://erp.example", "password": SECRET }),
        push_key_hash: Some(format!("hash-of-{name}")),
        push_addresses: vec![AddressBlock::parse("203.0.113.0/24").unwrap()],
    }
}

/// A key that the bed's stores do not have unless they are told to.
const NEW_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

fn old_key(bed: &Bed) -> String {
    bed.options().encryption_keys.remove(0)
}

/// The same database with other keys.
async fn reopen(bed: &Bed, store: Store, keys: &[&str]) -> Store {
    store.close().await;
    bed.open_with(|options| options.encryption_keys = keys.iter().map(|key| (*key).to_owned()).collect()).await
}

/// What is compared of a system, since an error in it has no equality.
fn seen(system: &System) -> Value {
    assert!(system.connection_error.is_none(), "{system:?}");
    json!({
        "key": system.key,
        "tenant": system.tenant,
        "system_id": system.system_id,
        "name": system.name,
        "description": system.description,
        "is_active": system.is_active,
        "is_primary": system.is_primary,
        "push_key_hash": system.push_key_hash,
        "push_addresses": system.push_addresses,
        "connection": system.connection,
    })
}

async fn a_system_is_read_as_it_was_registered(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let made = store.create_system(tenant, new_system("odoo")).await.unwrap();
    assert_eq!(made.connection, new_system("odoo").connection);
    assert_eq!(made.push_addresses, new_system("odoo").push_addresses);
    assert!(made.is_active && made.is_primary, "the first is primary");
    assert_eq!((made.created_at, made.updated_at), (bed.clock.now(), bed.clock.now()));
    for found in [
        store.system(tenant, &id("odoo")).await.unwrap(),
        store.system_by_key(tenant, made.key).await.unwrap(),
        store.primary_system(tenant).await.unwrap(),
        store.system_by_push_key("hash-of-odoo").await.unwrap(),
    ] {
        let found = found.unwrap();
        assert_eq!(seen(&found), seen(&made));
        assert_eq!(found.system_version.as_deref(), Some("19.0"));
        assert_eq!((found.system_type.as_str(), found.created_at), ("odoo", bed.clock.now()));
    }
    let second = store.create_system(tenant, new_system("second")).await.unwrap();
    assert!(!second.is_primary);
    let keys: Vec<_> = store.systems(tenant).await.unwrap().iter().map(|system| system.key).collect();
    assert_eq!(keys, [made.key, second.key]);
}

async fn a_system_id_is_unique_in_its_tenant(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    store.create_system(tenant, new_system("odoo")).await.unwrap();
    let twice = NewSystem { push_key_hash: None, ..new_system("odoo") };
    let refused = store.create_system(tenant, twice.clone()).await;
    assert!(matches!(refused, Err(StoreError::Conflict("system_id"))), "{refused:?}");
    assert!(store.create_system(other, twice.clone()).await.unwrap().is_primary);
    let nowhere = store.create_system(TenantId(999), twice).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound)), "{nowhere:?}");
}

async fn systems_stay_within_their_tenant(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let made = store.create_system(tenant, new_system("odoo")).await.unwrap();
    assert!(store.system(other, &id("odoo")).await.unwrap().is_none());
    assert!(store.system_by_key(other, made.key).await.unwrap().is_none());
    assert!(store.primary_system(other).await.unwrap().is_none());
    assert!(store.systems(other).await.unwrap().is_empty());
    assert!(store.system_names(other).await.unwrap().is_empty());
    assert!(!store.update_system(&System { tenant: other, name: "Stolen".to_owned(), ..made.clone() }).await.unwrap());
    assert!(!store.delete_system(other, &id("odoo")).await.unwrap());
    assert_eq!(seen(&store.system(tenant, &id("odoo")).await.unwrap().unwrap()), seen(&made));
    let theirs = store.create_system(other, new_system("theirs")).await.unwrap();
    let all: Vec<_> = store.all_systems().await.unwrap().iter().map(|system| (system.tenant, system.key)).collect();
    assert_eq!(all, [(tenant, made.key), (other, theirs.key)]);
}

async fn a_system_is_updated_and_primary_is_one(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let first = store.create_system(tenant, new_system("first")).await.unwrap();
    let second = store.create_system(tenant, new_system("second")).await.unwrap();
    let theirs = store.create_system(other, new_system("theirs")).await.unwrap();
    bed.clock.advance(Duration::from_mins(1));
    let changed = System {
        is_primary: true,
        is_active: false,
        name: "Renamed".to_owned(),
        description: Some("Warehouse".to_owned()),
        system_version: None,
        push_key_hash: Some("another-hash".to_owned()),
        push_addresses: vec![],
        connection: json!({ "password": "new" }),
        ..second
    };
    assert!(store.update_system(&changed).await.unwrap());
    let found = store.system_by_key(tenant, changed.key).await.unwrap().unwrap();
    assert_eq!(seen(&found), seen(&changed));
    assert_eq!((found.created_at, found.updated_at), (bed.clock.now().minus(Duration::from_mins(1)), bed.clock.now()));
    assert_eq!(found.system_version, None);
    assert!(!store.system_by_key(tenant, first.key).await.unwrap().unwrap().is_primary);
    assert!(store.primary_system(other).await.unwrap().is_some_and(|system| system.key == theirs.key));
    assert!(store.system_by_push_key("another-hash").await.unwrap().is_none(), "an inactive system does not push");
    assert!(store.system_by_push_key("hash-of-second").await.unwrap().is_none());
    let missing = System { key: SystemKey(999), ..changed.clone() };
    assert!(!store.update_system(&missing).await.unwrap());
    assert!(store.primary_system(tenant).await.unwrap().is_some_and(|system| system.key == changed.key), "all undone");
}

async fn many_at_once_leave_one_primary(bed: Bed) {
    let nodes = bed.nodes(2).await;
    let store = &nodes[0];
    // Several rounds, since the first one mostly opens connections and so hardly overlaps.
    for round in 0..5 {
        let tenant = store.create_tenant("One", "free").await.unwrap().id;
        let made = (0..8).map(|turn| {
            let store = &nodes[turn % nodes.len()];
            let new = NewSystem { push_key_hash: None, ..new_system(&format!("odoo{turn}")) };
            async move { store.create_system(tenant, new).await.unwrap() }
        });
        let made = futures_util::future::join_all(made).await;
        assert_eq!(made.iter().filter(|system| system.is_primary).count(), 1, "round {round}");
        let updates = made.iter().enumerate().map(|(turn, system)| {
            let (store, system) = (&nodes[turn % nodes.len()], System { is_primary: true, ..system.clone() });
            async move { store.update_system(&system).await.unwrap() }
        });
        assert!(futures_util::future::join_all(updates).await.into_iter().all(|updated| updated));
        let systems = store.systems(tenant).await.unwrap();
        assert_eq!(systems.iter().filter(|system| system.is_primary).count(), 1, "round {round}");
    }
}

async fn a_deleted_system_keeps_its_name_and_its_key(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let first = store.create_system(tenant, new_system("odoo")).await.unwrap();
    let second = store.create_system(tenant, new_system("second")).await.unwrap();
    store.save_readable(tenant, first.key, 7, &[ModelName::parse("res.partner").unwrap()], &[]).await.unwrap();
    store.save_readable(tenant, second.key, 7, &[], &[]).await.unwrap();
    let note = |system| Some(ReaderNote { system, reader: "reader", note: "a".to_owned() });
    for system in [first.key, second.key] {
        store.append(tenant, Append { note: note(system), ..Append::default() }).await.unwrap();
    }
    assert!(store.delete_system(tenant, &id("odoo")).await.unwrap());
    assert!(!store.delete_system(tenant, &id("odoo")).await.unwrap());
    assert!(store.system(tenant, &id("odoo")).await.unwrap().is_none());
    assert!(store.system_by_key(tenant, first.key).await.unwrap().is_none());
    assert!(store.system_by_push_key("hash-of-odoo").await.unwrap().is_none());
    assert!(store.primary_system(tenant).await.unwrap().is_none(), "no other system takes its place unasked");
    assert!(!store.update_system(&first).await.unwrap());
    assert_eq!(store.readable(tenant, first.key, 7).await.unwrap(), None);
    assert!(store.readable(tenant, second.key, 7).await.unwrap().is_some());
    assert_eq!(store.reader_note(tenant, first.key, "reader").await.unwrap(), None);
    assert!(store.reader_note(tenant, second.key, "reader").await.unwrap().is_some());
    assert_eq!(store.all_systems().await.unwrap().len(), 1);

    let again = store.create_system(tenant, new_system("odoo")).await.unwrap();
    assert!(again.key > second.key, "a new one, also for whoever remembers the old one's key");
    assert!(!again.is_primary);
    let names = store.system_names(tenant).await.unwrap();
    let expected = [(first.key, id("odoo")), (second.key, id("second")), (again.key, id("odoo"))];
    assert_eq!(names, expected.into_iter().collect());
}

async fn a_connection_is_nowhere_in_the_database_in_plain(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let made = store.create_system(tenant, new_system("odoo")).await.unwrap();
    let look = async |shown: &str| {
        let raw = bed.raw_bytes().await;
        let has = |text: &str| raw.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has(shown), "it is the database that was looked at");
        assert!(!has(SECRET));
        assert!(!has("erp.example"));
    };
    look("System odoo").await;
    store.update_system(&System { name: "Renamed".to_owned(), ..made.clone() }).await.unwrap();
    look("Renamed").await;
    let shown = format!("{made:?} {:?}", new_system("odoo"));
    assert!(!shown.contains(SECRET) && !shown.contains("hash-of"), "{shown}");
}

async fn an_unreadable_connection_is_reported_and_others_are_answered(bed: Bed) {
    let store = bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    store.create_system(tenant, new_system("old")).await.unwrap();
    let store = reopen(&bed, store, &[NEW_KEY]).await;
    store.create_system(tenant, new_system("new")).await.unwrap();
    let systems = store.systems(tenant).await.unwrap();
    assert_eq!(systems.len(), 2);
    assert_eq!(systems[0].connection, Value::Null);
    assert!(matches!(systems[0].connection_error, Some(StoreError::Encryption { .. })), "{:?}", systems[0]);
    assert_eq!(systems[1].connection, new_system("new").connection);
    assert!(systems[1].connection_error.is_none());
    assert!(store.system_by_push_key("hash-of-old").await.unwrap().is_some(), "it can still push");

    // Saving it does not destroy what the lost key may yet open; giving it a new connection mends it.
    assert!(store.update_system(&System { name: "Renamed".to_owned(), ..systems[0].clone() }).await.unwrap());
    let store = reopen(&bed, store, &[NEW_KEY, &old_key(&bed)]).await;
    let found = store.system(tenant, &id("old")).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), &found.connection), ("Renamed", &new_system("old").connection));
    let store = reopen(&bed, store, &[NEW_KEY]).await;
    let broken = store.system(tenant, &id("old")).await.unwrap().unwrap();
    assert!(store.update_system(&System { connection: json!({ "url": "x" }), ..broken }).await.unwrap());
    let mended = store.system(tenant, &id("old")).await.unwrap().unwrap();
    assert_eq!((mended.connection, mended.connection_error.is_none()), (json!({ "url": "x" }), true));
}
