//! Alerts.

use super::{Bed, contract};
use crate::{Alert, AlertId, AlertKind, AlertSubject, Append, NewDeadLetter, NewJob, NewSystem, Store, System};
use bridge_model::{Clock as _, Origin, SourceId, SystemId, SystemKey, TenantId, Timestamp};
use serde_json::json;
use std::time::Duration;

contract! {
    what_happens_again_is_counted_to_the_alert_that_is_open,
    each_dead_letter_is_counted_once_in_the_alert_of_its_system,
    dead_letters_keep_their_alert_open_until_they_are_gone,
    what_lasts_is_told_of_when_it_begins_goes_on_and_ends,
    what_only_happens_is_closed_without_a_word,
    two_nodes_tell_of_an_alert_once,
    a_tenant_sees_its_own_alerts_page_by_page,
    alerts_that_are_over_are_purged,
    the_alerts_of_a_deleted_system_go_with_it,
}

const SETTLE: Duration = Duration::from_mins(2);
const REPEAT: Duration = Duration::from_hours(4);

async fn system(store: &Store, tenant: TenantId, name: &str) -> System {
    let new = NewSystem {
        system_id: SystemId::parse(name).unwrap(),
        system_type: "odoo".to_owned(),
        system_version: None,
        name: name.to_owned(),
        description: None,
        push_key_hash: None,
        push_addresses: Vec::new(),
        connection: json!({ "password": "hush" }),
    };
    store.create_system(tenant, new).await.unwrap()
}

fn letter(system: SystemKey, id: &str) -> NewDeadLetter {
    NewDeadLetter {
        system: Some(system),
        origin: Origin::Push,
        source_id: Some(SourceId(id.to_owned())),
        reason: "model is missing".to_owned(),
        body: b"hush".to_vec(),
    }
}

async fn keep(store: &Store, tenant: TenantId, dead_letters: Vec<NewDeadLetter>) {
    store.append(tenant, Append { dead_letters, ..Append::default() }).await.unwrap();
}

async fn all(store: &Store, tenant: TenantId) -> Vec<Alert> {
    store.alerts(tenant, None, None, 100).await.unwrap()
}

/// What is to be told of now, all of which is told with no job.
async fn told(bed: &Bed, store: &Store) -> Vec<(AlertKind, bool, u64)> {
    let now = bed.clock.now();
    store.end_alerts(now.minus(SETTLE), now.minus(REPEAT)).await.unwrap();
    let mut told = Vec::new();
    for alert in store.alerts_to_tell(now.minus(REPEAT), 100).await.unwrap() {
        assert!(store.tell_alert(&alert, &[]).await.unwrap());
        told.push((alert.kind, alert.resolved_at.is_none(), alert.times));
    }
    told
}

async fn what_happens_again_is_counted_to_the_alert_that_is_open(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let key = system(store, tenant, "odoo").await.key;
    let subject = AlertSubject::System(key);
    store.raise_alert(AlertKind::CircuitOpen, subject, &json!({ "failures": 5 }), 1).await.unwrap();
    let raised_at = bed.clock.now();
    bed.clock.advance(Duration::from_secs(1));
    store.raise_alert(AlertKind::CircuitOpen, subject, &json!({ "failures": 6 }), 2).await.unwrap();
    store.raise_alert(AlertKind::WalRetained, subject, &json!({}), 1).await.unwrap();
    store.raise_alert(AlertKind::JobFailed, AlertSubject::Installation, &json!({}), 1).await.unwrap();
    store.raise_alert(AlertKind::JobFailed, AlertSubject::Installation, &json!({}), 1).await.unwrap();
    store.raise_alert(AlertKind::CircuitOpen, AlertSubject::System(SystemKey(77)), &json!({}), 1).await.unwrap();
    let alerts = all(store, tenant).await;
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    let Alert { kind, times, system_id, facts, seen_at, .. } = alerts[1].clone();
    assert_eq!((kind, times, system_id.unwrap().as_str()), (AlertKind::CircuitOpen, 3, "odoo"));
    assert_eq!((facts, alerts[1].raised_at, seen_at), (json!({ "failures": 6 }), raised_at, bed.clock.now()));
    assert!(alerts[1].resolved_at.is_none());
    let open = store.open_alerts().await.unwrap();
    assert_eq!(open.len(), 3, "{open:?}");
    let of_all = store.alerts_to_tell(bed.clock.now(), 10).await.unwrap();
    let installation = of_all.iter().find(|alert| alert.tenant.is_none()).unwrap();
    assert_eq!((installation.kind, installation.times, &installation.system_id), (AlertKind::JobFailed, 2, &None));
}

async fn each_dead_letter_is_counted_once_in_the_alert_of_its_system(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    let (first, second) = (system(store, tenant, "first").await.key, system(store, tenant, "second").await.key);
    let others = system(store, other, "first").await.key;
    for round in 0..10 {
        let letters = (0..100).map(|n| letter(first, &format!("{}", round * 100 + n)));
        keep(store, tenant, letters.chain([letter(second, "1")]).collect()).await;
        keep(store, other, vec![letter(others, &round.to_string())]).await;
    }
    let counted: Vec<_> = all(store, tenant).await.into_iter().map(|alert| (alert.system_id, alert.times)).collect();
    let name = |name| Some(SystemId::parse(name).unwrap());
    assert_eq!(counted, [(name("second"), 1), (name("first"), 1_000)]);
    assert_eq!(all(store, other).await[0].times, 10);
}

async fn dead_letters_keep_their_alert_open_until_they_are_gone(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let key = system(store, tenant, "odoo").await.key;
    keep(store, tenant, vec![letter(key, "1")]).await;
    assert_eq!(told(&bed, store).await, [(AlertKind::DeadLetters, true, 1)]);
    bed.clock.advance(REPEAT * 2);
    assert_eq!(told(&bed, store).await, [], "it is known that they are there");
    keep(store, tenant, vec![letter(key, "2"), letter(key, "3")]).await;
    assert_eq!(told(&bed, store).await, [(AlertKind::DeadLetters, true, 3)]);
    for letter in store.dead_letters(tenant, None, 10).await.unwrap() {
        assert!(store.remove_dead_letter(tenant, letter.id).await.unwrap());
    }
    bed.clock.advance(SETTLE);
    assert_eq!(told(&bed, store).await, [(AlertKind::DeadLetters, false, 3)]);
    keep(store, tenant, vec![letter(key, "4")]).await;
    assert_eq!(told(&bed, store).await, [(AlertKind::DeadLetters, true, 1)], "what was counted is not counted again");
    assert_eq!(all(store, tenant).await.len(), 2);
}

async fn what_lasts_is_told_of_when_it_begins_goes_on_and_ends(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let key = system(store, tenant, "odoo").await.key;
    let kind = AlertKind::CircuitOpen;
    assert!(!store.hold_alert(kind, key).await.unwrap());
    store.raise_alert(kind, AlertSubject::System(key), &json!({}), 1).await.unwrap();
    assert_eq!(told(&bed, store).await, [(kind, true, 1)]);
    assert_eq!(told(&bed, store).await, []);
    let mut reminders = 0;
    for _ in 0..300 {
        bed.clock.advance(Duration::from_mins(1));
        assert!(store.hold_alert(kind, key).await.unwrap());
        reminders += told(&bed, store).await.len();
    }
    assert_eq!(reminders, 1, "after four of five hours");
    bed.clock.advance(SETTLE / 2);
    assert_eq!(told(&bed, store).await, []);
    bed.clock.advance(SETTLE / 2);
    assert_eq!(told(&bed, store).await, [(kind, false, 1)]);
    bed.clock.advance(REPEAT);
    assert_eq!(told(&bed, store).await, []);
    assert_eq!(store.open_alerts().await.unwrap(), []);
}

async fn what_only_happens_is_closed_without_a_word(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let subject = AlertSubject::System(system(store, tenant, "odoo").await.key);
    store.raise_alert(AlertKind::WalLost, subject, &json!({}), 1).await.unwrap();
    assert_eq!(told(&bed, store).await, [(AlertKind::WalLost, true, 1)]);
    bed.clock.advance(SETTLE * 2);
    store.raise_alert(AlertKind::WalLost, subject, &json!({}), 1).await.unwrap();
    assert_eq!(told(&bed, store).await, []);
    bed.clock.advance(REPEAT);
    assert_eq!(told(&bed, store).await, [(AlertKind::WalLost, true, 2)], "what was left out is told");
    bed.clock.advance(REPEAT);
    assert_eq!(told(&bed, store).await, []);
    assert!(all(store, tenant).await[0].resolved_at.is_some());
}

async fn two_nodes_tell_of_an_alert_once(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let subject = AlertSubject::System(system(store, tenant, "odoo").await.key);
    store.raise_alert(AlertKind::CircuitOpen, subject, &json!({}), 1).await.unwrap();
    let alert = store.alerts_to_tell(Timestamp::from_micros(0), 10).await.unwrap().remove(0);
    let job = NewJob {
        tenant: alert.tenant,
        kind: "send_alert".to_owned(),
        payload: json!({}),
        run_at: bed.clock.now(),
        attempts_max: 5,
        unique_key: None,
    };
    let both = futures_util::future::join(
        store.tell_alert(&alert, std::slice::from_ref(&job)),
        store.tell_alert(&alert, std::slice::from_ref(&job)),
    );
    let (one, other) = both.await;
    assert_eq!(u8::from(one.unwrap()) + u8::from(other.unwrap()), 1);
    assert_eq!(store.open_jobs("send_alert").await.unwrap(), 1);
    assert_eq!(store.alert(alert.id).await.unwrap().unwrap().told, 1);
}

async fn a_tenant_sees_its_own_alerts_page_by_page(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let other = store.create_tenant("Two", "free").await.unwrap().id;
    for name in ["a", "b", "c"] {
        let subject = AlertSubject::System(system(store, tenant, name).await.key);
        store.raise_alert(AlertKind::CircuitOpen, subject, &json!({}), 1).await.unwrap();
        let subject = AlertSubject::System(system(store, other, name).await.key);
        store.raise_alert(AlertKind::WalLost, subject, &json!({}), 1).await.unwrap();
    }
    let first = store.alerts(tenant, Some(true), None, 2).await.unwrap();
    let rest = store.alerts(tenant, Some(true), Some(first[1].id), 2).await.unwrap();
    let names: Vec<_> = first.iter().chain(&rest).map(|alert| alert.system_id.clone().unwrap().to_string()).collect();
    assert_eq!(names, ["c", "b", "a"]);
    assert!(first.iter().chain(&rest).all(|alert| alert.tenant == Some(tenant)));
    assert_eq!(store.alerts(tenant, Some(false), None, 10).await.unwrap(), []);
    assert!(store.alert(AlertId(99)).await.unwrap().is_none());
}

async fn alerts_that_are_over_are_purged(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let subject = AlertSubject::System(system(store, tenant, "odoo").await.key);
    store.raise_alert(AlertKind::CircuitOpen, subject, &json!({}), 1).await.unwrap();
    bed.clock.advance(SETTLE);
    store.end_alerts(bed.clock.now().minus(SETTLE), Timestamp::from_micros(0)).await.unwrap();
    bed.clock.advance(SETTLE);
    assert_eq!(store.purge_alerts(bed.clock.now(), 10).await.unwrap(), 0, "nobody was told that it is over");
    assert_eq!(told(&bed, store).await.len(), 1);
    store.raise_alert(AlertKind::CircuitOpen, subject, &json!({}), 1).await.unwrap();
    assert_eq!(store.purge_alerts(bed.clock.now(), 10).await.unwrap(), 1);
    assert_eq!(all(store, tenant).await.len(), 1);
}

async fn the_alerts_of_a_deleted_system_go_with_it(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let odoo = system(store, tenant, "odoo").await;
    store.raise_alert(AlertKind::CircuitOpen, AlertSubject::System(odoo.key), &json!({}), 1).await.unwrap();
    assert!(store.delete_system(tenant, &odoo.system_id).await.unwrap());
    assert_eq!(all(store, tenant).await, []);
    store.raise_alert(AlertKind::CircuitOpen, AlertSubject::System(odoo.key), &json!({}), 1).await.unwrap();
    assert_eq!(all(store, tenant).await, []);
}
