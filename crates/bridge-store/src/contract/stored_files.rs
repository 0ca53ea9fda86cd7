//! Files that the service itself keeps.

use super::accounts::tenant_with_user;
use super::systems::new_system;
use super::{Bed, contract};
use crate::{FilePlace, HiddenFile, Store, StoreError, StoredFile, System};
use bridge_model::{Clock as _, ModelName, SystemId, TenantId};
use std::time::Duration;

contract! {
    a_file_is_seen_from_when_its_bytes_are_there_until_it_is_deleted,
    what_arrived_too_late_is_not_shown,
    hidden_files_are_paged_oldest_first,
    files_of_a_deleted_system_are_hidden,
}

async fn stage(bed: &Bed, store: &Store, tenant_name: &str, id: &str) -> (StoredFile, System) {
    let (tenant, user) = tenant_with_user(store, tenant_name).await;
    let system = store.create_system(tenant, new_system(&format!("{tenant_name}-erp"))).await.unwrap();
    let file = StoredFile {
        tenant,
        id: id.to_owned(),
        system: system.key,
        model: ModelName::parse("res.partner").unwrap(),
        record_id: 7,
        name: "plan é.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        size: 5_000_000_000,
        sha256: "ab".repeat(32),
        place: FilePlace::Folder,
        created_by: user.id,
        created_at: bed.clock.now(),
    };
    (file, system)
}

async fn seen(store: &Store, tenant: TenantId, id: &str) -> Option<StoredFile> {
    store.stored_file(tenant, id).await.unwrap()
}

async fn a_file_is_seen_from_when_its_bytes_are_there_until_it_is_deleted(bed: Bed) {
    let store = &bed.open().await;
    let (file, _) = stage(&bed, store, "ada", "f1").await;
    let (tenant, before) = (file.tenant, bed.clock.now().minus(Duration::from_secs(1)));
    store.begin_stored_file(&file).await.unwrap();
    assert_eq!(seen(store, tenant, "f1").await, None, "its bytes are not there yet");
    assert!(!store.hide_stored_file(tenant, "f1").await.unwrap());
    assert!(store.show_stored_file(tenant, "f1", before).await.unwrap());
    assert_eq!(seen(store, tenant, "f1").await.as_ref(), Some(&file));
    assert!(!store.show_stored_file(tenant, "f1", before).await.unwrap(), "once");
    // The same id is nothing to others, who can have it for a file of their own.
    let (theirs, _) = stage(&bed, store, "eve", "f1").await;
    assert_eq!(seen(store, theirs.tenant, "f1").await, None);
    assert!(!store.hide_stored_file(theirs.tenant, "f1").await.unwrap());
    let strange = StoredFile { system: file.system, ..theirs };
    let refused = store.begin_stored_file(&strange).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");

    bed.clock.advance(Duration::from_secs(5));
    assert!(store.hidden_files(bed.clock.now(), None, 10).await.unwrap().is_empty());
    assert!(store.hide_stored_file(tenant, "f1").await.unwrap());
    assert!(!store.hide_stored_file(tenant, "f1").await.unwrap());
    assert_eq!(seen(store, tenant, "f1").await, None);
    assert!(!store.show_stored_file(tenant, "f1", before).await.unwrap(), "what was deleted stays so");
    let hidden = store.hidden_files(bed.clock.now(), None, 10).await.unwrap();
    let expected = HiddenFile { tenant, id: "f1".to_owned(), place: FilePlace::Folder, hidden_at: bed.clock.now() };
    assert_eq!(hidden, [expected]);
    assert!(store.forget_hidden_file(&hidden[0]).await.unwrap());
    assert!(!store.forget_hidden_file(&hidden[0]).await.unwrap());
    assert!(store.hidden_files(bed.clock.now(), None, 10).await.unwrap().is_empty());
}

async fn what_arrived_too_late_is_not_shown(bed: Bed) {
    let store = &bed.open().await;
    let (file, _) = stage(&bed, store, "ada", "f1").await;
    store.begin_stored_file(&file).await.unwrap();
    bed.clock.advance(Duration::from_mins(2));
    let ago = |minutes| bed.clock.now().minus(Duration::from_mins(minutes));
    assert!(!store.show_stored_file(file.tenant, "f1", ago(2)).await.unwrap(), "it may be removed now");
    assert_eq!(store.hidden_files(ago(2), None, 10).await.unwrap().len(), 1);
    assert!(store.hidden_files(ago(3), None, 10).await.unwrap().is_empty());
    assert!(store.show_stored_file(file.tenant, "f1", ago(3)).await.unwrap());
}

async fn hidden_files_are_paged_oldest_first(bed: Bed) {
    let store = &bed.open().await;
    let (file, _) = stage(&bed, store, "ada", "f1").await;
    for id in ["f3", "f1", "f2"] {
        store.begin_stored_file(&StoredFile { id: id.to_owned(), ..file.clone() }).await.unwrap();
    }
    bed.clock.advance(Duration::from_secs(1));
    let later = StoredFile { id: "f0".to_owned(), created_at: bed.clock.now(), place: FilePlace::S3, ..file };
    store.begin_stored_file(&later).await.unwrap();
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let page = store.hidden_files(bed.clock.now(), last.as_ref(), 2).await.unwrap();
        let Some(end) = page.last() else { break };
        found.extend(page.iter().map(|file| file.id.clone()));
        last = Some(end.clone());
    }
    assert_eq!(found, ["f1", "f2", "f3", "f0"]);
}

async fn files_of_a_deleted_system_are_hidden(bed: Bed) {
    let store = &bed.open().await;
    let (file, system) = stage(&bed, store, "ada", "there").await;
    let other = store.create_system(file.tenant, new_system("other")).await.unwrap();
    let elsewhere = StoredFile { id: "elsewhere".to_owned(), system: other.key, ..file.clone() };
    let begun = bed.clock.now().minus(Duration::from_secs(1));
    for file in [&file, &elsewhere] {
        store.begin_stored_file(file).await.unwrap();
        assert!(store.show_stored_file(file.tenant, &file.id, begun).await.unwrap());
    }
    let arriving = StoredFile { id: "arriving".to_owned(), ..file.clone() };
    store.begin_stored_file(&arriving).await.unwrap();
    let name = SystemId::parse(system.system_id.as_str()).unwrap();
    assert!(store.delete_system(file.tenant, &name).await.unwrap());
    assert!(!store.show_stored_file(file.tenant, "arriving", begun).await.unwrap());
    assert_eq!(seen(store, file.tenant, "there").await, None);
    assert_eq!(seen(store, file.tenant, "elsewhere").await, Some(elsewhere));
    assert_eq!(store.hidden_files(bed.clock.now(), None, 10).await.unwrap().len(), 2);
    let refused = store.begin_stored_file(&StoredFile { id: "late".to_owned(), ..file }).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
}
