//! Looking at a database beside the service that works on it.

use super::bed::changes;
use super::systems::new_system;
use super::{Bed, contract};
use crate::db::{Statement, migrations, params};
use crate::{Append, Schema, Store, StoreError, WalPlace, WalProgress};
use bridge_model::Clock as _;
use bridge_model::entropy::SeededEntropy;
use std::sync::Arc;
use std::time::Duration;

contract! {
    who_looks_sees_everything_and_disturbs_nobody,
    whoever_looks_is_told_the_version_of_the_schema,
    the_slots_of_deleted_systems_are_known,
}

async fn look(bed: &Bed) -> Result<Store, StoreError> {
    Store::look(bed.options(), bed.clock.clone(), Arc::new(SeededEntropy::new(1))).await
}

async fn who_looks_sees_everything_and_disturbs_nobody(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let looking = look(&bed).await.unwrap();
    assert_eq!(looking.tenants().await.unwrap().len(), store.tenants().await.unwrap().len());
    store.create_system(tenant, new_system("odoo")).await.unwrap();
    let seen = looking.systems(tenant).await.unwrap();
    assert_eq!((seen.len(), seen[0].connection.is_object()), (1, true), "also what was written since");
    let refused = looking.append(tenant, changes([1])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let refused = looking.create_tenant("another", "free").await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    store.append(tenant, changes([1])).await.unwrap();
    store.close().await;
    // With nobody else there it works as well, and a service can start beside it.
    let again = look(&bed).await.unwrap();
    assert_eq!(again.systems(tenant).await.unwrap().len(), 1);
    let store = bed.open().await;
    store.append(tenant, changes([2])).await.unwrap();
    assert_eq!(again.head(tenant).await.unwrap().get(), 2);
    let server = looking.server().await.unwrap();
    assert_eq!(server.is_some(), bed.is_postgres());
    if let Some(server) = server {
        assert!(server.version > 120_000 && server.size_bytes > 1_000_000 && !server.is_standby, "{server:?}");
    }
    store.close().await;
}

async fn whoever_looks_is_told_the_version_of_the_schema(bed: Bed) {
    let known = migrations::ALL.last().unwrap().number;
    let blank = bed.blank().await;
    if bed.is_postgres() {
        assert_eq!(look(&blank).await.unwrap().schema().await.unwrap(), Schema { version: 0, known });
    } else {
        assert!(matches!(look(&blank).await, Err(StoreError::Unavailable { .. })), "no file is made");
        assert!(!blank.file().exists());
    }
    blank.try_open(&migrations::ALL[..3]).await.unwrap().close().await;
    assert_eq!(look(&blank).await.unwrap().schema().await.unwrap(), Schema { version: 3, known });
    let store = blank.open().await;
    let sql = "INSERT INTO schema_migrations (number, name, applied_at) VALUES (99, 'from the future', 0)";
    store.db().write(vec![Statement::new(sql, params![])]).await.unwrap();
    assert_eq!(look(&blank).await.unwrap().schema().await.unwrap(), Schema { version: 99, known });
    store.close().await;
    blank.remove().await;
}

async fn the_slots_of_deleted_systems_are_known(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    for name in ["kept", "gone", "without"] {
        let system = store.create_system(tenant, new_system(name)).await.unwrap();
        let lease = store.acquire_lease(name, "here", Duration::from_secs(30)).await.unwrap().unwrap();
        let slot = if name == "without" { String::new() } else { format!("slot_{name}") };
        let wal = Some(WalProgress { system: system.key, place: WalPlace { slot, ..WalPlace::default() } });
        store.append(tenant, Append { wal, fence: Some(lease.fence()), ..Append::default() }).await.unwrap();
        if name != "kept" {
            assert!(store.delete_system(tenant, &system.system_id).await.unwrap());
        }
    }
    let left = store.left_slots().await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].system_id.as_str(), left[0].slot.as_str()), ("gone", "slot_gone"));
    assert_eq!((left[0].tenant, left[0].deleted_at), (tenant, bed.clock.now()));
}
