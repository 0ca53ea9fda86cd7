//! What an ERP is told of the devices, and the event ids that go with it.

use super::accounts::tenant_with_user;
use super::bed;
use super::cursors::cursor_of;
use super::systems::new_system;
use super::{Bed, contract};
use crate::{Append, Cursor, MirroredState, Retention, StateToMirror, Store, System, Told, User};
use bridge_model::{Clock as _, Epoch, NewChange, Origin, Position, SourceId, SystemKey, TenantId};
use std::time::Duration;

contract! {
    a_state_is_told_once_and_again_when_it_changes,
    cursors_of_an_app_are_one_state,
    those_told_longest_ago_come_first,
    a_device_that_is_gone_is_ended,
    the_highest_id_is_that_up_to_the_position,
    ids_of_another_life_and_another_system_do_not_count,
    marks_are_made_step_by_step,
}

/// A tenant with a system and a user who is linked to it.
async fn linked(store: &Store) -> (TenantId, System, User) {
    let (tenant, early) = tenant_with_user(store, "ada").await;
    let system = store.create_system(tenant, new_system("main")).await.unwrap();
    (tenant, system, early)
}

async fn pending(store: &Store, system: &System) -> Vec<StateToMirror> {
    store.states_to_mirror(system, 10).await.unwrap()
}

async fn tell(store: &Store, system: &System, states: Vec<StateToMirror>) {
    let told = |state: StateToMirror| MirroredState {
        told: Told { epoch: Epoch(0), confirmed: state.confirmed, last_event_id: 7 },
        state,
        refusal: None,
    };
    let told: Vec<_> = states.into_iter().map(told).collect();
    store.note_mirrored(system, &told, &[]).await.unwrap();
}

async fn a_state_is_told_once_and_again_when_it_changes(bed: Bed) {
    let store = &bed.open().await;
    let (_, system, ada) = linked(store).await;
    // Bound to whichever system is primary, since there was none when the link was made.
    assert_eq!((ada.odoo_user_id.is_some(), ada.odoo_system), (true, None));
    let cursor = Cursor { last_sync_at: Some(bed.clock.now()), ..cursor_of(&ada, "phone", &bed) };
    assert!(store.save_cursor(&cursor).await.unwrap());
    let states = pending(store, &system).await;
    assert_eq!(states.len(), 1);
    assert_eq!((states[0].confirmed, states[0].is_starting, states[0].told), (Position::new(5), false, None));
    assert_eq!(Some(states[0].key.erp_user_id), ada.odoo_user_id);
    let other = System { key: SystemKey(system.key.0 + 1), is_primary: false, ..system.clone() };
    assert_eq!(pending(store, &other).await, []);
    tell(store, &system, states).await;
    assert_eq!(pending(store, &system).await, []);

    let saved = store.cursor(&cursor.key).await.unwrap().unwrap();
    let moved = Cursor { confirmed: Position::new(9), offered: Position::new(9), ..saved };
    assert!(store.save_cursor(&moved).await.unwrap());
    let states = pending(store, &system).await;
    let told = Told { epoch: Epoch(0), confirmed: Position::new(5), last_event_id: 7 };
    assert_eq!((states[0].confirmed, states[0].told), (Position::new(9), Some(told)));
    tell(store, &system, states).await;

    bed.clock.advance(Duration::from_secs(1));
    let device = &cursor.key.device;
    assert_eq!(store.reset_cursors(ada.tenant, ada.id, device, None, Position::new(20)).await.unwrap(), 1);
    let states = pending(store, &system).await;
    assert!(states[0].is_starting, "{states:?}");
    tell(store, &system, states).await;
    assert_eq!(pending(store, &system).await, []);
}

async fn cursors_of_an_app_are_one_state(bed: Bed) {
    let store = &bed.open().await;
    let (_, system, ada) = linked(store).await;
    let all = Cursor { last_sync_at: Some(bed.clock.now()), sync_count: 2, ..cursor_of(&ada, "phone", &bed) };
    let mut narrow = Cursor { confirmed: Position::new(3), sync_count: 1, ..all.clone() };
    narrow.key.system = Some(system.key);
    let mut elsewhere = Cursor { confirmed: Position::new(1), ..all.clone() };
    elsewhere.key.system = Some(SystemKey(system.key.0 + 1));
    for cursor in [&all, &narrow, &elsewhere] {
        assert!(store.save_cursor(cursor).await.unwrap());
    }
    let states = pending(store, &system).await;
    assert_eq!(states.len(), 1, "{states:?}");
    assert_eq!((states[0].confirmed, states[0].sync_count), (Position::new(3), 3));
}

async fn those_told_longest_ago_come_first(bed: Bed) {
    let store = &bed.open().await;
    let (_, system, ada) = linked(store).await;
    let names = ["a-phone", "b-phone", "c-phone"];
    for name in names {
        store.save_cursor(&cursor_of(&ada, name, &bed)).await.unwrap();
    }
    for round in 0..6 {
        bed.clock.advance(Duration::from_secs(1));
        for name in names {
            let key = cursor_of(&ada, name, &bed).key;
            let cursor = store.cursor(&key).await.unwrap().unwrap();
            store.save_cursor(&cursor).await.unwrap();
        }
        let states = store.states_to_mirror(&system, 1).await.unwrap();
        assert_eq!(states[0].key.device.as_str(), names[round % 3], "however busy the others are");
        tell(store, &system, states).await;
    }
}

async fn a_device_that_is_gone_is_ended(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, system, ada) = linked(store).await;
    for name in ["phone", "tablet"] {
        store.save_cursor(&cursor_of(&ada, name, &bed)).await.unwrap();
    }
    tell(store, &system, pending(store, &system).await).await;
    assert_eq!(store.states_to_end(&system, 10).await.unwrap(), []);
    let phone = cursor_of(&ada, "phone", &bed).key;
    store.forget_device(tenant, ada.id, &phone.device).await.unwrap();
    let ended = store.states_to_end(&system, 10).await.unwrap();
    assert_eq!(ended.iter().map(|key| key.device.as_str()).collect::<Vec<_>>(), ["phone"]);
    store.note_mirrored(&system, &[], &ended).await.unwrap();
    assert_eq!(store.states_to_end(&system, 10).await.unwrap(), []);

    // Linked to somebody else: the old one's state ends, and only then is the new one's told.
    let linked_anew = User { odoo_user_id: Some(99), odoo_system: Some(system.key), ..ada.clone() };
    store.update_user(&linked_anew).await.unwrap();
    assert_eq!(pending(store, &system).await, []);
    let ended = store.states_to_end(&system, 10).await.unwrap();
    assert_eq!(ended.iter().map(|key| key.erp_user_id).collect::<Vec<_>>(), [ada.odoo_user_id.unwrap()]);
    store.note_mirrored(&system, &[], &ended).await.unwrap();
    assert_eq!(pending(store, &system).await[0].key.erp_user_id, 99);
    tell(store, &system, pending(store, &system).await).await;

    // The user is gone, with everything.
    store.delete_user(tenant, ada.id).await.unwrap();
    assert_eq!(store.states_to_end(&system, 10).await.unwrap().len(), 1);
    // And so is the system: nobody is left to be told.
    store.delete_system(tenant, &system.system_id).await.unwrap();
    assert_eq!(store.states_to_end(&system, 10).await.unwrap(), []);
}

const SYSTEM: SystemKey = SystemKey(1);

/// A change that was read from the event table.
fn change(number: i64) -> NewChange {
    NewChange { origin: Origin::Pull, ..bed::change(number) }
}

async fn append(store: &Store, tenant: TenantId, changes: impl IntoIterator<Item = NewChange>) {
    let changes: Vec<_> = changes.into_iter().collect();
    store.append(tenant, Append { changes, ..Append::default() }).await.unwrap();
}

async fn highest(store: &Store, tenant: TenantId, position: i64) -> Option<i64> {
    store.highest_event_id(tenant, SYSTEM, Epoch(0), Position::new(position)).await.unwrap()
}

async fn the_highest_id_is_that_up_to_the_position(bed: Bed) {
    let store = &bed.open().await;
    let tenant = bed.tenant(store).await;
    assert_eq!(highest(store, tenant, 0).await, Some(0));
    // Ids in another order than positions, and keys of ours that are no ids.
    let reset = NewChange { source_id: Some(SourceId("reset:9:sale.order".to_owned())), ..change(1) };
    let bare = NewChange { source_id: None, ..change(1) };
    append(store, tenant, [change(12), reset, change(9), bare, change(10), change(31), change(30)]).await;
    let mut found = Vec::new();
    for position in 0..=7 {
        found.push(highest(store, tenant, position).await.unwrap());
    }
    assert_eq!(found, [0, 12, 12, 12, 12, 12, 31, 31]);
}

async fn ids_of_another_life_and_another_system_do_not_count(bed: Bed) {
    let store = &bed.open().await;
    let tenant = bed.tenant(store).await;
    let other_life = NewChange { epoch: Epoch(1), ..change(500) };
    let other_system = NewChange { system: SystemKey(2), ..change(600) };
    let other_origin = NewChange { origin: Origin::Poll, ..change(700) };
    append(store, tenant, [change(3), other_life, other_system, other_origin]).await;
    assert_eq!(highest(store, tenant, 4).await, Some(3));
    let of_life = store.highest_event_id(tenant, SYSTEM, Epoch(1), Position::new(3)).await.unwrap();
    assert_eq!(of_life, Some(500));
}

async fn marks_are_made_step_by_step(bed: Bed) {
    let store = &bed.open().await;
    let tenant = bed.tenant(store).await;
    // A high id at the very beginning, then 2,500 lower ones.
    append(store, tenant, std::iter::once(change(900_000)).chain((1..=2_499).map(change))).await;
    assert_eq!(highest(store, tenant, 999).await, Some(900_000));
    assert_eq!(highest(store, tenant, 2_400).await, None, "too far from the last mark");
    let mark = |position: i64, steps| store.mark_events(tenant, SYSTEM, Epoch(0), Position::new(position), steps);
    assert!(!mark(2_400, 0).await.unwrap());
    assert!(mark(1_500, 1).await.unwrap());
    assert_eq!(highest(store, tenant, 1_999).await, Some(900_000));
    assert_eq!(highest(store, tenant, 2_000).await, None);
    // Not beyond the log's end, where more may come.
    assert!(mark(1_000_000, 2).await.unwrap());
    append(store, tenant, [change(900_001)]).await;
    assert_eq!(highest(store, tenant, 2_500).await, Some(900_000));
    assert_eq!(highest(store, tenant, 2_501).await, Some(900_001));
    assert_eq!(highest(store, tenant, 1).await, Some(900_000));

    // What was trimmed is still known by the marks.
    bed.clock.advance(Duration::from_secs(10));
    let now = bed.clock.now();
    let keep = Retention { received_before: now, rows_max: 0, keep_after: now, batch_rows_max: 10_000 };
    store.trim(tenant, &keep).await.unwrap();
    assert_eq!(highest(store, tenant, 2_501).await, Some(900_000), "the last one is not");
}
