//! Cursors of devices.

use super::accounts::tenant_with_user;
use super::bed::changes;
use super::{Bed, contract};
use crate::{Cursor, CursorKey, LogSpan, Retention, StoreError, User};
use bridge_model::{AppType, Clock as _, DeviceId, ModelName, Position, SystemKey, TenantId, UserId};
use std::time::Duration;

contract! {
    a_cursor_is_read_as_it_was_saved,
    a_place_is_the_cursor_and_what_is_kept_of_the_log,
    every_part_of_the_key_tells_cursors_apart,
    models_in_any_order_are_one_filter,
    a_filter_may_be_long,
    of_two_savers_one_wins,
    a_cursor_needs_a_user_of_its_tenant,
    a_reset_puts_a_devices_cursors_to_a_position,
    unused_cursors_are_purged_in_batches,
    devices_are_listed_with_their_apps_and_forgotten_whole,
}

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn app(name: &str) -> AppType {
    AppType::parse(name).unwrap()
}

fn models(names: &[&str]) -> Vec<ModelName> {
    names.iter().map(|name| ModelName::parse(*name).unwrap()).collect()
}

fn key(user: &User, device_id: &str, system: Option<i64>, models: Option<Vec<ModelName>>) -> CursorKey {
    CursorKey::new(user.tenant, user.id, device(device_id), app("sales_app"), system.map(SystemKey), models)
}

/// A new cursor of a user's device at position 5.
pub(super) fn cursor_of(user: &User, device: &str, bed: &Bed) -> Cursor {
    Cursor::starting_at(key(user, device, None, None), Position::new(5), bed.clock.now())
}

async fn a_cursor_is_read_as_it_was_saved(bed: Bed) {
    let store = &bed.open().await;
    let (_, ada) = tenant_with_user(store, "ada").await;
    let fresh = cursor_of(&ada, "phone", &bed);
    assert_eq!(store.cursor(&fresh.key).await.unwrap(), None);
    assert!(store.save_cursor(&fresh).await.unwrap());
    let saved = store.cursor(&fresh.key).await.unwrap().unwrap();
    assert_eq!(saved, Cursor { version: 1, ..fresh });

    let moved = Cursor {
        confirmed: Position::new(10),
        offered: Position::new(30),
        batch_to: Position::new(10),
        offered_at: Some(bed.clock.now().plus(Duration::from_mins(1))),
        explicit: true,
        last_sync_at: Some(bed.clock.now().plus(Duration::from_mins(2))),
        sync_count: 3,
        events_synced: 25,
        last_event_count: 20,
        ..saved
    };
    assert!(store.save_cursor(&moved).await.unwrap());
    assert_eq!(store.cursor(&moved.key).await.unwrap(), Some(Cursor { version: 2, ..moved }));
}

async fn a_place_is_the_cursor_and_what_is_kept_of_the_log(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let fresh = cursor_of(&ada, "phone", &bed);
    let span = |after, up_to| LogSpan { after: Position::new(after), up_to: Position::new(up_to) };
    assert_eq!(store.place(&fresh.key).await.unwrap(), (None, span(0, 0)));
    store.save_cursor(&fresh).await.unwrap();
    let saved = Some(Cursor { version: 1, ..fresh.clone() });
    assert_eq!(store.place(&fresh.key).await.unwrap(), (saved.clone(), span(0, 0)));
    store.append(tenant, changes(1..=9)).await.unwrap();
    let keep =
        Retention { received_before: bed.clock.now(), rows_max: 4, keep_after: bed.clock.now(), batch_rows_max: 2 };
    bed.clock.advance(Duration::from_secs(1));
    store.trim(tenant, &Retention { keep_after: bed.clock.now(), ..keep }).await.unwrap();
    assert_eq!(store.place(&fresh.key).await.unwrap(), (saved, span(5, 9)));
    let other = key(&ada, "tablet", None, Some(models(&["sale.order"])));
    assert_eq!(store.place(&other).await.unwrap(), (None, span(5, 9)));
    assert_eq!(store.kept(tenant).await.unwrap(), span(5, 9));
    assert!(store.delete_user(tenant, ada.id).await.unwrap());
    assert_eq!(store.place(&fresh.key).await.unwrap(), (None, span(5, 9)));
}

async fn every_part_of_the_key_tells_cursors_apart(bed: Bed) {
    let store = &bed.open().await;
    let (_, ada) = tenant_with_user(store, "ada").await;
    let (_, eve) = tenant_with_user(store, "eve").await;
    let keys = [
        key(&ada, "phone", None, None),
        key(&ada, "tablet", None, None),
        key(&ada, "phone", Some(1), None),
        key(&ada, "phone", Some(2), None),
        key(&ada, "phone", None, Some(models(&["sale.order"]))),
        key(&ada, "phone", None, Some(models(&["sale.order", "res.partner"]))),
        key(&ada, "phone", None, Some(models(&[]))),
        CursorKey { app_type: app("delivery_app"), ..key(&ada, "phone", None, None) },
        key(&eve, "phone", None, None),
    ];
    for (position, key) in (1..).zip(&keys) {
        let cursor = Cursor::starting_at(key.clone(), Position::new(position), bed.clock.now());
        assert!(store.save_cursor(&cursor).await.unwrap(), "{key:?}");
    }
    for (position, key) in (1..).zip(&keys) {
        let found = store.cursor(key).await.unwrap().unwrap();
        assert_eq!((&found.key, found.confirmed), (key, Position::new(position)));
    }
    assert_eq!(store.cursors(ada.tenant, ada.id, None).await.unwrap().len(), 8);
    let phone = store.cursors(ada.tenant, ada.id, Some(&device("phone"))).await.unwrap();
    assert_eq!(phone.len(), 7);
    assert!(phone.iter().all(|cursor| cursor.key.device == device("phone")));
}

async fn models_in_any_order_are_one_filter(bed: Bed) {
    let store = &bed.open().await;
    let (_, ada) = tenant_with_user(store, "ada").await;
    let asked = key(&ada, "phone", None, Some(models(&["sale.order", "res.partner", "sale.order"])));
    assert_eq!(asked.models, Some(models(&["res.partner", "sale.order"])));
    let cursor = Cursor::starting_at(asked, Position::new(3), bed.clock.now());
    assert!(store.save_cursor(&cursor).await.unwrap());
    let same = key(&ada, "phone", None, Some(models(&["res.partner", "sale.order"])));
    assert_eq!(store.cursor(&same).await.unwrap().unwrap().confirmed, Position::new(3));
}

async fn a_filter_may_be_long(bed: Bed) {
    let store = &bed.open().await;
    let (_, ada) = tenant_with_user(store, "ada").await;
    let many = |last: &str| {
        let mut names: Vec<_> =
            (0..600).map(|n| ModelName::parse(format!("a.model.whose.name.is.number.{n}")).unwrap()).collect();
        names.push(ModelName::parse(last).unwrap());
        key(&ada, "phone", None, Some(names))
    };
    for (position, last) in [(1, "x.one"), (2, "x.two")] {
        let cursor = Cursor::starting_at(many(last), Position::new(position), bed.clock.now());
        assert!(store.save_cursor(&cursor).await.unwrap());
    }
    assert_eq!(store.cursor(&many("x.one")).await.unwrap().unwrap().confirmed, Position::new(1));
    assert_eq!(store.cursor(&many("x.two")).await.unwrap().unwrap().confirmed, Position::new(2));
}

async fn of_two_savers_one_wins(bed: Bed) {
    let nodes = bed.nodes(2).await;
    let store = &nodes[0];
    let (_, ada) = tenant_with_user(store, "ada").await;
    let mut cursor = cursor_of(&ada, "phone", &bed);
    // The first round inserts, the others update.
    for round in 0..5 {
        let saves = (0..8).map(|turn| {
            let store = &nodes[turn % nodes.len()];
            let cursor = Cursor { sync_count: i64::try_from(turn).unwrap(), ..cursor.clone() };
            async move { store.save_cursor(&cursor).await.unwrap().then_some(cursor.sync_count) }
        });
        let won: Vec<_> = futures_util::future::join_all(saves).await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        cursor = store.cursor(&cursor.key).await.unwrap().unwrap();
        assert_eq!(cursor.sync_count, won[0], "what is stored is what the winner saved");
        assert_eq!(cursor.version, round + 1);
    }
}

async fn a_cursor_needs_a_user_of_its_tenant(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let (other, _) = tenant_with_user(store, "eve").await;
    for (tenant, user) in [(other, ada.id), (tenant, UserId(999)), (TenantId(999), ada.id)] {
        let mut cursor = cursor_of(&ada, "phone", &bed);
        cursor.key.tenant = tenant;
        cursor.key.user = user;
        let refused = store.save_cursor(&cursor).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert!(store.save_cursor(&cursor_of(&ada, "phone", &bed)).await.unwrap());
    let foreign = CursorKey { tenant: other, ..key(&ada, "phone", None, None) };
    assert_eq!(store.cursor(&foreign).await.unwrap(), None);
    assert_eq!(store.cursors(other, ada.id, None).await.unwrap(), vec![]);
    assert_eq!(store.reset_cursors(other, ada.id, &device("phone"), None, Position::START).await.unwrap(), 0);
    let kept = store.cursor(&key(&ada, "phone", None, None)).await.unwrap().unwrap();
    assert_eq!(kept.confirmed, Position::new(5));
}

async fn a_reset_puts_a_devices_cursors_to_a_position(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let phone = device("phone");
    let plain = Cursor {
        offered: Position::new(9),
        offered_at: Some(bed.clock.now()),
        explicit: true,
        ..cursor_of(&ada, "phone", &bed)
    };
    let filtered = Cursor { key: key(&ada, "phone", Some(1), Some(models(&["sale.order"]))), ..plain.clone() };
    let other_app = Cursor {
        key: CursorKey { app_type: app("delivery_app"), ..plain.key.clone() },
        explicit: false,
        ..plain.clone()
    };
    let tablet = cursor_of(&ada, "tablet", &bed);
    for cursor in [&plain, &filtered, &other_app, &tablet] {
        assert!(store.save_cursor(cursor).await.unwrap());
    }
    let at = Position::new(50);
    assert_eq!(store.reset_cursors(tenant, ada.id, &phone, Some(&app("sales_app")), at).await.unwrap(), 2);
    for cursor in [&plain, &filtered] {
        let reset = store.cursor(&cursor.key).await.unwrap().unwrap();
        assert_eq!((reset.confirmed, reset.offered, reset.batch_to), (at, at, at));
        assert_eq!((reset.offered_at, reset.explicit), (None, true));
        assert!(!store.save_cursor(&Cursor { version: 1, ..cursor.clone() }).await.unwrap(), "it is another version");
    }
    assert_eq!(store.cursor(&other_app.key).await.unwrap().unwrap().offered, Position::new(9));
    assert_eq!(store.reset_cursors(tenant, ada.id, &phone, None, Position::START).await.unwrap(), 3);
    let reset = store.cursor(&other_app.key).await.unwrap().unwrap();
    assert_eq!((reset.confirmed, reset.explicit), (Position::START, false));
    assert_eq!(store.cursor(&tablet.key).await.unwrap().unwrap().confirmed, Position::new(5));
}

async fn unused_cursors_are_purged_in_batches(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    for number in 0..7 {
        assert!(store.save_cursor(&cursor_of(&ada, &format!("old{number}"), &bed)).await.unwrap());
    }
    let used = cursor_of(&ada, "used", &bed);
    assert!(store.save_cursor(&used).await.unwrap());
    bed.clock.advance(Duration::from_mins(10));
    assert!(store.save_cursor(&Cursor { version: 1, ..used }).await.unwrap());
    assert!(store.save_cursor(&cursor_of(&ada, "new", &bed)).await.unwrap());
    assert_eq!(store.purge_cursors(bed.clock.now().minus(Duration::from_mins(10)), 3).await.unwrap(), 0);
    assert_eq!(store.purge_cursors(bed.clock.now(), 3).await.unwrap(), 7);
    let left: Vec<_> = store.cursors(tenant, ada.id, None).await.unwrap();
    let left: Vec<_> = left.iter().map(|cursor| cursor.key.device.as_str()).collect();
    assert_eq!(left, ["new", "used"]);
}

async fn devices_are_listed_with_their_apps_and_forgotten_whole(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let (other, eve) = tenant_with_user(store, "eve").await;
    let began = bed.clock.now();
    let plain = Cursor { sync_count: 3, events_synced: 7, ..cursor_of(&ada, "phone", &bed) };
    let narrow = Cursor {
        key: key(&ada, "phone", Some(1), Some(models(&["sale.order"]))),
        confirmed: Position::new(2),
        sync_count: 1,
        events_synced: 2,
        last_sync_at: Some(began),
        ..plain.clone()
    };
    let delivery = CursorKey { app_type: app("delivery_app"), ..plain.key.clone() };
    for cursor in [&plain, &narrow, &Cursor { key: delivery, ..plain.clone() }, &cursor_of(&eve, "phone", &bed)] {
        assert!(store.save_cursor(cursor).await.unwrap());
    }
    bed.clock.advance(Duration::from_mins(1));
    for name in ["tablet", "watch"] {
        assert!(store.save_cursor(&cursor_of(&ada, name, &bed)).await.unwrap());
    }
    let rows = store.devices(tenant, ada.id, None, 10).await.unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.device.as_str(), row.app_type.as_str(), row.cursors)).collect();
    let expected = [
        ("phone", "delivery_app", 1),
        ("phone", "sales_app", 2),
        ("tablet", "sales_app", 1),
        ("watch", "sales_app", 1),
    ];
    assert_eq!(shown, expected);
    let sales = &rows[1];
    assert_eq!((sales.confirmed.get(), sales.sync_count, sales.events_synced), (2, 4, 9));
    assert_eq!((sales.last_sync_at, sales.created_at, sales.used_at), (Some(began), began, began));
    assert_eq!(rows[2].used_at, bed.clock.now());
    // The limit counts devices, not rows.
    let page = store.devices(tenant, ada.id, None, 1).await.unwrap();
    assert_eq!(page.iter().map(|row| row.device.as_str()).collect::<Vec<_>>(), ["phone", "phone"]);
    let page = store.devices(tenant, ada.id, Some(&device("phone")), 1).await.unwrap();
    assert_eq!(page.iter().map(|row| row.device.as_str()).collect::<Vec<_>>(), ["tablet"]);
    assert!(store.devices(other, ada.id, None, 10).await.unwrap().is_empty());

    assert_eq!(store.forget_device(other, ada.id, &device("phone")).await.unwrap(), 0);
    assert_eq!(store.forget_device(tenant, eve.id, &device("phone")).await.unwrap(), 0);
    assert_eq!(store.forget_device(tenant, ada.id, &device("phone")).await.unwrap(), 3);
    assert_eq!(store.forget_device(tenant, ada.id, &device("phone")).await.unwrap(), 0);
    let left = store.devices(tenant, ada.id, None, 10).await.unwrap();
    assert_eq!(left.iter().map(|row| row.device.as_str()).collect::<Vec<_>>(), ["tablet", "watch"]);
    assert_eq!(store.devices(other, eve.id, None, 10).await.unwrap().len(), 1);
}
