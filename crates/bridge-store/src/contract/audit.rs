//! The audit.

use super::accounts::tenant_with_user;
use super::systems::new_system;
use super::{Bed, contract};
use crate::{AuditOutcome, AuditQuery, NewAuditEntry, NewKeyedWrite, Store, WriteClaim, WriteKey};
use bridge_model::{Clock as _, RecordId, SystemId, TenantId, UserId};
use serde_json::json;
use std::time::Duration;

contract! {
    an_entry_is_there_before_its_outcome,
    entries_are_found_by_what_they_are_about,
    an_entry_is_noted_with_its_key_or_not_at_all,
    old_entries_go,
}

pub(super) fn entry(tenant: TenantId, user: UserId) -> NewAuditEntry {
    NewAuditEntry {
        tenant,
        user,
        username: "ada".to_owned(),
        acting_as: Some("system".to_owned()),
        system_id: Some(SystemId::parse("odoo").unwrap()),
        model: "res.partner".to_owned(),
        record_ids: vec![RecordId::Number(7), RecordId::Text("a_\"%".to_owned())],
        action: "update".to_owned(),
        values: json!({ "after": { "name": "hush-hush" } }),
        outcome: AuditOutcome::Unknown,
        code: None,
        request_id: Some("request".to_owned()),
        idempotency_key: None,
        address: Some("::1".to_owned()),
    }
}

async fn all(store: &Store, tenant: TenantId, query: AuditQuery) -> Vec<i64> {
    let found = store.audit_entries(tenant, &AuditQuery { limit: 10, ..query }).await.unwrap();
    found.iter().map(|entry| entry.id.0).collect()
}

async fn an_entry_is_there_before_its_outcome(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_with_user(store, "ada").await;
    let new = entry(tenant, user.id);
    assert!(!format!("{new:?}").contains("hush"));
    let id = store.add_audit_entry(&new).await.unwrap();
    let query = AuditQuery { limit: 10, ..AuditQuery::default() };
    let found = store.audit_entries(tenant, &query).await.unwrap().remove(0);
    assert_eq!((found.id, found.at, &found.entry), (id, bed.clock.now(), &new));
    assert!(store.settle_audit_entry(id, AuditOutcome::Unknown, Some("LOST"), None).await.unwrap());
    let lost = store.audit_entries(tenant, &query).await.unwrap().remove(0).entry;
    assert_eq!((lost.outcome, lost.code.as_deref()), (AuditOutcome::Unknown, Some("LOST")));
    let made = [RecordId::Number(8)];
    assert!(store.settle_audit_entry(id, AuditOutcome::Done, None, Some(&made)).await.unwrap());
    assert!(!store.settle_audit_entry(id, AuditOutcome::Refused, Some("X"), None).await.unwrap(), "once");
    let found = store.audit_entries(tenant, &query).await.unwrap().remove(0);
    assert_eq!(
        (found.entry.outcome, found.entry.code, found.entry.record_ids),
        (AuditOutcome::Done, None, made.to_vec())
    );
    let second = store.add_audit_entry(&new).await.unwrap();
    assert!(store.settle_audit_entry(second, AuditOutcome::Refused, Some("X"), None).await.unwrap());
    let found = store.audit_entries(tenant, &query).await.unwrap().remove(0);
    assert_eq!((found.entry.code.as_deref(), found.entry.record_ids), (Some("X"), new.record_ids));
    // It outlives its user.
    store.delete_user(tenant, user.id).await.unwrap();
    assert_eq!(all(store, tenant, AuditQuery::default()).await, [second.0, id.0]);
}

async fn entries_are_found_by_what_they_are_about(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_with_user(store, "ada").await;
    let (other, stranger) = tenant_with_user(store, "eve").await;
    let first = store.add_audit_entry(&entry(tenant, user.id)).await.unwrap();
    bed.clock.advance(Duration::from_secs(1));
    let second = NewAuditEntry {
        user: UserId(99),
        system_id: None,
        model: "bridgecore.user".to_owned(),
        record_ids: vec![RecordId::Number(77)],
        action: "delete".to_owned(),
        outcome: AuditOutcome::Refused,
        ..entry(tenant, user.id)
    };
    let second = store.add_audit_entry(&second).await.unwrap();
    store.add_audit_entry(&entry(other, stranger.id)).await.unwrap();
    let (one, two, none) = (vec![first.0], vec![second.0], Vec::new());
    let record = |id: &str| AuditQuery { record_id: Some(id.to_owned()), ..AuditQuery::default() };
    let now = bed.clock.now();
    for (query, expected) in [
        (AuditQuery::default(), [&two[..], &one].concat()),
        (AuditQuery { before: Some(second), ..AuditQuery::default() }, one.clone()),
        (AuditQuery { user: Some(user.id), ..AuditQuery::default() }, one.clone()),
        (AuditQuery { system_id: SystemId::parse("odoo").ok(), ..AuditQuery::default() }, one.clone()),
        (AuditQuery { model: Some("bridgecore.user".to_owned()), ..AuditQuery::default() }, two.clone()),
        (AuditQuery { action: Some("update".to_owned()), ..AuditQuery::default() }, one.clone()),
        (AuditQuery { outcome: Some(AuditOutcome::Refused), ..AuditQuery::default() }, two.clone()),
        (AuditQuery { since: Some(now), ..AuditQuery::default() }, two.clone()),
        (AuditQuery { until: Some(now), ..AuditQuery::default() }, one.clone()),
        (record("7"), one.clone()),
        (record("77"), two),
        (record("a_\"%"), one),
        (record("%"), none.clone()),
        (record("_"), none),
    ] {
        assert_eq!(all(store, tenant, query.clone()).await, expected, "{query:?}");
    }
}

async fn an_entry_is_noted_with_its_key_or_not_at_all(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_with_user(store, "ada").await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap();
    let key = WriteKey { tenant, user: user.id, key: "order-1".to_owned() };
    let write = NewKeyedWrite {
        system: system.key,
        request_hash: "hash".to_owned(),
        sent_as: "ada".to_owned(),
        erp_key: None,
        to_check: json!({}),
        series: None,
    };
    let claim = WriteClaim { name: "mine".to_owned(), until: bed.clock.now() };
    let noted = async || store.begin_audited_write(&key, &write, &claim, &entry(tenant, user.id)).await.unwrap();
    let id = noted().await.unwrap();
    assert_eq!(noted().await, None);
    assert_eq!(all(store, tenant, AuditQuery::default()).await, [id.0]);
    assert!(store.keyed_write(&key).await.unwrap().is_some());
    // Whoever does the write again finds it: the newest, as a key that is free again may stand for another write.
    assert_eq!(store.audit_entry_of(&key).await.unwrap(), Some(id));
    assert!(store.forget_keyed_write(&key, &claim).await.unwrap());
    let second = noted().await.unwrap();
    assert_eq!(store.audit_entry_of(&key).await.unwrap(), Some(second));
    let (other, stranger) = tenant_with_user(store, "eve").await;
    for (tenant, user) in [(other, user.id), (tenant, stranger.id)] {
        let theirs = WriteKey { tenant, user, ..key.clone() };
        assert_eq!(store.audit_entry_of(&theirs).await.unwrap(), None);
    }
}

async fn old_entries_go(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, user) = tenant_with_user(store, "ada").await;
    for _ in 0..5 {
        store.add_audit_entry(&entry(tenant, user.id)).await.unwrap();
        bed.clock.advance(Duration::from_secs(1));
    }
    let before = bed.clock.now().minus(Duration::from_secs(2));
    assert_eq!(store.purge_audit(before, 2).await.unwrap(), 3);
    assert_eq!(all(store, tenant, AuditQuery::default()).await.len(), 2);
}
