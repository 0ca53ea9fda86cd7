//! Looking back: the newest changes of a stretch, and its counts.

use super::bed::change;
use super::{Bed, contract};
use crate::{Append, LogFilter, LogSpan, Newest, Retention, Store};
use bridge_model::{
    Clock as _, Event, ModelName, NewChange, Origin, Position, Priority, RecordId, SystemKey, TenantId,
};
use std::time::Duration;

contract! {
    the_newest_come_first_by_their_time_in_the_erp,
    every_filter_chooses,
    kinds_are_counted_within_the_stretch,
    what_is_kept_is_known,
}

const ALL: Newest = Newest { before: None, offset: 0, limit: 100 };

fn span(after: i64, up_to: i64) -> LogSpan {
    LogSpan { after: Position::new(after), up_to: Position::new(up_to) }
}

fn model(name: &str) -> ModelName {
    ModelName::parse(name).unwrap()
}

async fn found(store: &Store, tenant: TenantId, span: LogSpan, filter: &LogFilter, page: Newest) -> Vec<i64> {
    let changes = store.newest(tenant, span, filter, page).await.unwrap();
    changes.iter().map(|change| change.position.get()).collect()
}

/// Positions 1 to 8, of which 3 and 4 happened long before they arrived, and 6 and 7 at the same time.
async fn log(bed: &Bed, store: &Store) -> TenantId {
    let tenant = bed.tenant(store).await;
    let happened = [10, 20, 3, 4, 30, 40, 40, 50];
    let changes = (1..)
        .zip(happened)
        .map(|(number, second)| NewChange {
            occurred_at: bed.clock.now().plus(Duration::from_secs(second)),
            model: model(if number % 2 == 0 { "res.partner" } else { "sale.order" }),
            system: SystemKey(if number > 6 { 2 } else { 1 }),
            record_id: match number {
                1 => Some(RecordId::Number(5)),
                2 => Some(RecordId::Text("5".to_owned())),
                8 => None,
                _ => Some(RecordId::Number(100 + number)),
            },
            event: match number {
                8 => Event::Reset,
                5 => Event::Unlink,
                _ => Event::Write,
            },
            ..change(number)
        })
        .collect();
    store.append(tenant, Append { changes, ..Append::default() }).await.unwrap();
    tenant
}

async fn the_newest_come_first_by_their_time_in_the_erp(bed: Bed) {
    let store = &bed.open().await;
    let tenant = log(&bed, store).await;
    let other = bed.tenant(store).await;
    store.append(other, Append { changes: vec![change(1)], ..Append::default() }).await.unwrap();
    let all = &LogFilter::default();
    let order = [8, 7, 6, 5, 2, 1, 4, 3];
    assert_eq!(found(store, tenant, span(0, 8), all, ALL).await, order);
    assert_eq!(found(store, other, span(0, 8), all, ALL).await, [1], "each tenant has a log of its own");
    // Only the stretch is looked at, both ends as they are said.
    assert_eq!(found(store, tenant, span(2, 6), all, ALL).await, [6, 5, 4, 3]);
    // Pages by offset and pages after a place give the same.
    for limit in 1..=3 {
        let mut before = None;
        let mut after_place = Vec::new();
        loop {
            let page = store.newest(tenant, span(0, 8), all, Newest { before, offset: 0, limit }).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some((last.body.occurred_at, last.position));
            after_place.extend(page.iter().map(|change| change.position.get()));
        }
        assert_eq!(after_place, order, "{limit}");
    }
    let third = Newest { before: None, offset: 4, limit: 2 };
    assert_eq!(found(store, tenant, span(0, 8), all, third).await, [2, 1]);
    // What comes back is what was appended.
    let newest = store.newest(tenant, span(0, 8), all, Newest { limit: 1, ..ALL }).await.unwrap().remove(0);
    assert_eq!((newest.body.event, newest.body.record_id, newest.body.system), (Event::Reset, None, SystemKey(2)));
    assert_eq!(newest.received_at, bed.clock.now());
}

async fn every_filter_chooses(bed: Bed) {
    let store = &bed.open().await;
    let tenant = log(&bed, store).await;
    let chosen = async |filter: LogFilter| {
        let mut found = found(store, tenant, span(0, 8), &filter, ALL).await;
        let counted: u64 =
            store.count_changes(tenant, span(0, 8), &filter).await.unwrap().iter().map(|count| count.count).sum();
        assert_eq!(counted, found.len() as u64, "{filter:?}");
        found.sort_unstable();
        found
    };
    let all = LogFilter::default;
    assert_eq!(chosen(LogFilter { models: Some(vec![model("sale.order")]), ..all() }).await, [1, 3, 5, 7]);
    let three = vec![model("no.model"), model("sale.order"), model("res.partner")];
    assert_eq!(chosen(LogFilter { models: Some(three), ..all() }).await.len(), 8);
    assert_eq!(chosen(LogFilter { models: Some(Vec::new()), ..all() }).await, [0; 0]);
    assert_eq!(chosen(LogFilter { system: Some(SystemKey(2)), ..all() }).await, [7, 8]);
    let number = RecordId::Number(5);
    assert_eq!(chosen(LogFilter { records: Some(vec![number.clone()]), ..all() }).await, [1]);
    let both = vec![number, RecordId::Text("5".to_owned())];
    assert_eq!(chosen(LogFilter { records: Some(both), ..all() }).await, [1, 2]);
    assert_eq!(chosen(LogFilter { event: Some(Event::Unlink), ..all() }).await, [5]);
    let since = bed.clock.now().plus(Duration::from_secs(40));
    assert_eq!(chosen(LogFilter { occurred_since: Some(since), ..all() }).await, [6, 7, 8]);
    let visible = vec![(SystemKey(1), model("res.partner")), (SystemKey(2), model("sale.order"))];
    assert_eq!(chosen(LogFilter { visible: Some(visible.clone()), ..all() }).await, [2, 4, 6, 7]);
    assert_eq!(chosen(LogFilter { visible: Some(Vec::new()), ..all() }).await, [0; 0]);
    let narrow = LogFilter { visible: Some(visible), models: Some(vec![model("sale.order")]), ..all() };
    assert_eq!(chosen(narrow).await, [7]);
}

async fn kinds_are_counted_within_the_stretch(bed: Bed) {
    let store = &bed.open().await;
    let tenant = bed.tenant(store).await;
    let kinds = [
        (Event::Write, Priority::High, Origin::Push),
        (Event::Write, Priority::High, Origin::Push),
        (Event::Write, Priority::Low, Origin::Push),
        (Event::Create, Priority::High, Origin::Pull),
        (Event::Write, Priority::High, Origin::Push),
    ];
    let changes = (1..)
        .zip(kinds)
        .map(|(number, (event, priority, origin))| NewChange { event, priority, origin, ..change(number) })
        .collect();
    store.append(tenant, Append { changes, ..Append::default() }).await.unwrap();
    let mut counts = store.count_changes(tenant, span(1, 5), &LogFilter::default()).await.unwrap();
    counts.sort_by_key(|count| count.last);
    let shown: Vec<_> = counts
        .iter()
        .map(|c| (c.event, c.priority, c.origin, c.count, c.last.get(), c.system, c.model.as_str()))
        .collect();
    let (system, name) = (SystemKey(1), "sale.order");
    assert_eq!(
        shown,
        [
            (Event::Write, Priority::Low, Origin::Push, 1, 3, system, name),
            (Event::Create, Priority::High, Origin::Pull, 1, 4, system, name),
            (Event::Write, Priority::High, Origin::Push, 2, 5, system, name),
        ]
    );
}

async fn what_is_kept_is_known(bed: Bed) {
    let store = &bed.open().await;
    let tenant = bed.tenant(store).await;
    assert_eq!(store.kept(tenant).await.unwrap(), span(0, 0));
    for number in 1..=5 {
        store.append(tenant, Append { changes: vec![change(number)], ..Append::default() }).await.unwrap();
        bed.clock.advance(Duration::from_secs(1));
    }
    let retention = Retention {
        received_before: bed.clock.now().minus(Duration::from_secs(2)),
        rows_max: 100,
        keep_after: bed.clock.now(),
        batch_rows_max: 100,
    };
    store.trim(tenant, &retention).await.unwrap();
    assert_eq!(store.kept(tenant).await.unwrap(), span(3, 5));
}
