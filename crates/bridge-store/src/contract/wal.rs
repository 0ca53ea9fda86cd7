//! Where the reader of a database's write-ahead log stands.

use super::systems::new_system;
use super::{Bed, contract};
use crate::{Append, StoreError, WalPlace, WalProgress};
use std::time::Duration;

contract! {
    a_place_is_saved_with_what_was_read_and_only_by_who_leads,
}

async fn a_place_is_saved_with_what_was_read_and_only_by_who_leads(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap().key;
    assert_eq!(store.wal_place(tenant, system).await.unwrap(), None);
    let ttl = Duration::from_secs(30);
    let lease = store.acquire_lease("wal:1", "here", ttl).await.unwrap().unwrap();
    let published = [("res_partner".to_owned(), 16_385)].into();
    let first = WalPlace { slot: "bridgecore_1".into(), life: "7.1.5.16".into(), read_to: 1 << 40, published };
    let save = |place: &WalPlace| Append {
        wal: Some(WalProgress { system, place: place.clone() }),
        fence: Some(lease.fence()),
        ..Append::default()
    };
    store.append(tenant, save(&first)).await.unwrap();
    assert_eq!(store.wal_place(tenant, system).await.unwrap(), Some(first.clone()));
    // After a restore of the database the place is an earlier one.
    let second = WalPlace { life: "7.2.5.16".into(), read_to: 9, ..first };
    store.append(tenant, save(&second)).await.unwrap();
    assert_eq!(store.wal_place(tenant, system).await.unwrap(), Some(second.clone()));
    store.release_lease(&lease).await.unwrap();
    let late = WalPlace { read_to: 10, ..second.clone() };
    assert!(matches!(store.append(tenant, save(&late)).await, Err(StoreError::Fenced)));
    assert_eq!(store.wal_place(tenant, system).await.unwrap(), Some(second));
}
