//! What tenants lay over the field maps of their systems.

use super::systems::new_system;
use super::{Bed, contract};
use crate::StoreError;
use bridge_model::SystemId;
use serde_json::json;

contract! { changes_are_kept_for_each_tenant_system_and_entity }

async fn changes_are_kept_for_each_tenant_system_and_entity(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap().key;
    let second = store.create_system(tenant, new_system("second")).await.unwrap().key;
    let (one, two) = (json!({ "model": "x" }), json!({ "fields": { "a": null } }));
    assert_eq!(store.mapping(tenant, system, "contact").await.unwrap(), None);
    store.save_mapping(tenant, system, "task", &one).await.unwrap();
    store.save_mapping(tenant, system, "contact", &one).await.unwrap();
    store.save_mapping(tenant, system, "contact", &two).await.unwrap();
    let refused = store.save_mapping(other, system, "contact", &one).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    assert_eq!(store.mapping(tenant, system, "contact").await.unwrap(), Some(two.clone()));
    assert_eq!(store.mapping(other, system, "contact").await.unwrap(), None);
    assert_eq!(store.mappings(tenant, second).await.unwrap(), vec![]);
    let all = vec![("contact".to_owned(), two), ("task".to_owned(), one)];
    assert_eq!(store.mappings(tenant, system).await.unwrap(), all);
    assert!(!store.delete_mapping(other, system, "contact").await.unwrap());
    assert!(store.delete_mapping(tenant, system, "contact").await.unwrap());
    assert!(!store.delete_mapping(tenant, system, "contact").await.unwrap());
    // They go with their system.
    store.delete_system(tenant, &SystemId::parse("second").unwrap()).await.unwrap();
    assert_eq!(store.mappings(tenant, system).await.unwrap().len(), 1);
}
