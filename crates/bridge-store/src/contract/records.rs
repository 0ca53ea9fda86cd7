//! Users' own credentials, and what is open of a system.

use super::accounts::{new_user, tenant_with_user};
use super::systems::new_system;
use super::{Bed, contract};
use crate::{LinkSecret, StoreError};
use bridge_model::{AllowList, Clock as _, MethodName, ModelAccess, ModelName, Operation, SystemKey, UserId};
use std::time::Duration;

contract! {
    a_link_is_kept_changed_and_forgotten,
    links_go_with_their_user_and_their_system,
    links_are_encrypted,
    what_is_open_is_kept_for_each_system,
}

const NEW_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

fn password(password: &str) -> LinkSecret {
    LinkSecret { password: password.to_owned(), api_key: None, address: "http://odoo".to_owned() }
}

async fn a_link_is_kept_changed_and_forgotten(bed: Bed) {
    let store = bed.open().await;
    let (tenant, user) = tenant_with_user(&store, "ada").await;
    let (other, stranger) = tenant_with_user(&store, "eve").await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap().key;
    assert_eq!(store.erp_link(tenant, user.id, system).await.unwrap(), None);
    let made = store.save_erp_link(tenant, user.id, system, "ada@odoo", &password("one"), 7).await.unwrap();
    assert_eq!(store.erp_link(tenant, user.id, system).await.unwrap(), Some(made.clone()));
    bed.clock.advance(Duration::from_mins(1));
    let key = LinkSecret { password: String::new(), api_key: Some("key".to_owned()), ..password("") };
    let changed = store.save_erp_link(tenant, user.id, system, "ada2@odoo", &key, 8).await.unwrap();
    assert_eq!((changed.created_at, changed.updated_at), (made.created_at, bed.clock.now()));
    assert_eq!(store.erp_links(tenant, user.id).await.unwrap(), [changed]);
    // Neither tenant sees or reaches the other's.
    assert_eq!(store.erp_link(other, user.id, system).await.unwrap(), None);
    for (tenant, user) in [(other, user.id), (other, stranger.id), (tenant, stranger.id), (tenant, UserId(9_999))] {
        let saved = store.save_erp_link(tenant, user, system, "x", &password("x"), 1).await;
        assert!(matches!(saved, Err(StoreError::NotFound)), "{saved:?}");
    }
    assert!(!store.delete_erp_link(other, user.id, system).await.unwrap());
    assert!(store.delete_erp_link(tenant, user.id, system).await.unwrap());
    assert!(!store.delete_erp_link(tenant, user.id, system).await.unwrap());
    assert_eq!(store.erp_links(tenant, user.id).await.unwrap(), []);
}

async fn links_go_with_their_user_and_their_system(bed: Bed) {
    let store = bed.open().await;
    let (tenant, user) = tenant_with_user(&store, "ada").await;
    let second = store.create_user(tenant, new_user("bob")).await.unwrap();
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap();
    for user in [user.id, second.id] {
        store.save_erp_link(tenant, user, system.key, "x", &password("x"), 1).await.unwrap();
    }
    store.delete_user(tenant, user.id).await.unwrap();
    assert_eq!(store.erp_links(tenant, user.id).await.unwrap(), []);
    assert!(store.update_system(&system).await.unwrap());
    assert_eq!(store.erp_links(tenant, second.id).await.unwrap().len(), 1);
    let elsewhere = store.create_system(tenant, new_system("other")).await.unwrap();
    store.save_erp_link(tenant, second.id, elsewhere.key, "x", &password("x"), 1).await.unwrap();
    assert!(store.move_system(&system).await.unwrap());
    let kept = store.erp_links(tenant, second.id).await.unwrap();
    assert_eq!(kept.iter().map(|link| link.system).collect::<Vec<_>>(), [elsewhere.key]);
    store.save_erp_link(tenant, second.id, system.key, "x", &password("x"), 1).await.unwrap();
    assert!(store.delete_system(tenant, &system.system_id).await.unwrap());
    assert!(store.delete_system(tenant, &elsewhere.system_id).await.unwrap());
    assert_eq!(store.erp_links(tenant, second.id).await.unwrap(), []);
    assert!(!store.move_system(&system).await.unwrap());
    let late = store.save_erp_link(tenant, second.id, system.key, "x", &password("x"), 1).await;
    assert!(matches!(late, Err(StoreError::NotFound)), "{late:?}");
}

async fn links_are_encrypted(bed: Bed) {
    let store = bed.open().await;
    let (tenant, user) = tenant_with_user(&store, "ada").await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap().key;
    let link = store.save_erp_link(tenant, user.id, system, "ada", &password("hush-hush"), 7).await.unwrap();
    assert!(!format!("{link:?}").contains("hush"));
    store.close().await;
    let store = bed.open_with(|options| options.encryption_keys = vec![NEW_KEY.to_owned()]).await;
    let unreadable = store.erp_link(tenant, user.id, system).await;
    assert!(matches!(unreadable, Err(StoreError::Encryption { .. })), "{unreadable:?}");
}

async fn what_is_open_is_kept_for_each_system(bed: Bed) {
    let store = bed.open().await;
    let (tenant, _) = tenant_with_user(&store, "ada").await;
    let (other, _) = tenant_with_user(&store, "eve").await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap();
    assert_eq!(store.allow_list(tenant, system.key).await.unwrap(), AllowList::default());
    let methods = [MethodName::parse("action_confirm").unwrap()].into();
    let access = ModelAccess { operations: [Operation::Read].into(), methods };
    let list = AllowList([(ModelName::parse("sale.order").unwrap(), access)].into());
    store.save_allow_list(tenant, system.key, &list).await.unwrap();
    assert_eq!(store.allow_list(tenant, system.key).await.unwrap(), list);
    assert_eq!(store.allow_list(other, system.key).await.unwrap(), AllowList::default());
    for (tenant, system) in [(other, system.key), (tenant, SystemKey(9_999))] {
        let saved = store.save_allow_list(tenant, system, &list).await;
        assert!(matches!(saved, Err(StoreError::NotFound)), "{saved:?}");
    }
    store.save_allow_list(tenant, system.key, &AllowList::default()).await.unwrap();
    assert_eq!(store.allow_list(tenant, system.key).await.unwrap(), AllowList::default());
    store.save_allow_list(tenant, system.key, &list).await.unwrap();
    store.delete_system(tenant, &system.system_id).await.unwrap();
    assert_eq!(store.allow_list(tenant, system.key).await.unwrap(), AllowList::default());
}
