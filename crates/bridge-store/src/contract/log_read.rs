//! Reading: filters, what was looked at, and the places that cannot be read.

use super::bed::{change, changes, ids};
use super::{Bed, contract};
use crate::{Append, LogPage, LogQuery, LogRead, Store};
use bridge_model::{Clock as _, ModelName, NewChange, Position, SystemKey, TenantId};
use std::time::Duration;

contract! {
    filters_choose_and_scanned_to_says_how_far_it_looked,
    a_position_that_was_never_given_is_ahead,
    a_time_finds_the_position_before_it,
}

async fn filters_choose_and_scanned_to_says_how_far_it_looked(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    // Positions 1 to 30: every third one is a product, every fifth is of system 2.
    let batch = (1..=30)
        .map(|number| NewChange {
            model: model(if number % 3 == 0 { "product.product" } else { "sale.order" }),
            system: SystemKey(if number % 5 == 0 { 2 } else { 1 }),
            ..change(number)
        })
        .collect();
    store.append(tenant, Append { changes: batch, ..Append::default() }).await.unwrap();

    let everything = query(0, 100, 100);
    let page = page(&store, tenant, &everything).await;
    assert_eq!((ids(&page.changes), at(&page)), ((1..=30).collect(), (30, 30)));
    // The limit ends the page at the last change that matched.
    let page = page_of(&store, tenant, query(4, 10, 100), None, None).await;
    assert_eq!((ids(&page.changes), at(&page)), ((5..=14).collect(), (14, 30)));
    let products = Some(vec![model("product.product")]);
    let page = page_of(&store, tenant, query(0, 2, 100), products.clone(), None).await;
    assert_eq!((ids(&page.changes), at(&page)), (vec![3, 6], (6, 30)));
    // Few matched: it looked as far as it may, and no further than the head.
    let page = page_of(&store, tenant, query(0, 50, 10), products.clone(), None).await;
    assert_eq!((ids(&page.changes), at(&page)), (vec![3, 6, 9], (10, 30)));
    let page = page_of(&store, tenant, query(25, 50, 10), products.clone(), None).await;
    assert_eq!((ids(&page.changes), at(&page)), (vec![27, 30], (30, 30)));
    // Both filters, several models, none that match, none at all.
    let page = page_of(&store, tenant, query(0, 50, 100), products, Some(SystemKey(2))).await;
    assert_eq!(ids(&page.changes), [15, 30]);
    let both = Some(vec![model("product.product"), model("sale.order")]);
    assert_eq!(page_of(&store, tenant, query(0, 50, 100), both, None).await.changes.len(), 30);
    let page = page_of(&store, tenant, query(0, 50, 20), Some(vec![model("res.partner")]), None).await;
    assert_eq!((page.changes.len(), at(&page)), (0, (20, 30)));
    let page = page_of(&store, tenant, query(0, 50, 100), Some(Vec::new()), None).await;
    assert_eq!((page.changes.len(), at(&page)), (0, (30, 30)));
    // At the head there is nothing more, and zero limits count as one.
    let page = page_of(&store, tenant, query(30, 50, 100), None, None).await;
    assert_eq!((page.changes.len(), at(&page)), (0, (30, 30)));
    let page = page_of(&store, tenant, query(0, 0, 0), None, None).await;
    assert_eq!((ids(&page.changes), at(&page)), (vec![1], (1, 30)));
}

async fn a_position_that_was_never_given_is_ahead(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let empty = page(&store, tenant, &query(0, 10, 10)).await;
    assert_eq!((empty.changes.len(), at(&empty)), (0, (0, 0)));
    assert!(matches!(store.read(tenant, &query(1, 10, 10)).await.unwrap(), LogRead::Ahead { head } if head.get() == 0));
    store.append(tenant, changes([1, 2])).await.unwrap();
    assert!(matches!(store.read(tenant, &query(3, 10, 10)).await.unwrap(), LogRead::Ahead { head } if head.get() == 2));
    assert!(matches!(store.read(tenant, &query(2, 10, 10)).await.unwrap(), LogRead::Page(_)));
}

async fn a_time_finds_the_position_before_it(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    assert_eq!(store.position_before(tenant, bed.clock.now()).await.unwrap(), Position::START);
    let mut times = Vec::new();
    for round in 0..7 {
        times.push(bed.clock.now());
        store.append(tenant, changes(round * 3..round * 3 + 3)).await.unwrap();
        bed.clock.advance(Duration::from_secs(1));
    }
    for (round, time) in (0..).zip(&times) {
        let at = store.position_before(tenant, *time).await.unwrap();
        assert_eq!(at, Position::new(round * 3), "the three of this time come after it");
        let later = store.position_before(tenant, time.plus(Duration::from_millis(1))).await.unwrap();
        assert_eq!(later, Position::new(round * 3 + 3));
    }
    assert_eq!(store.position_before(tenant, bed.clock.now()).await.unwrap(), Position::new(21));
    assert_eq!(store.position_before(tenant, times[0].minus(Duration::from_secs(9))).await.unwrap(), Position::START);
}

fn model(name: &str) -> ModelName {
    ModelName::parse(name).unwrap()
}

fn query(after: i64, limit: u32, scan_max: u32) -> LogQuery {
    LogQuery { after: Position::new(after), models: None, system: None, limit, scan_max, contents: true }
}

fn at(page: &LogPage) -> (i64, i64) {
    (page.scanned_to.get(), page.head.get())
}

async fn page_of(
    store: &Store,
    tenant: TenantId,
    query: LogQuery,
    models: Option<Vec<ModelName>>,
    system: Option<SystemKey>,
) -> LogPage {
    page(store, tenant, &LogQuery { models, system, ..query }).await
}

async fn page(store: &Store, tenant: TenantId, query: &LogQuery) -> LogPage {
    match store.read(tenant, query).await.unwrap() {
        LogRead::Page(page) => page,
        other => panic!("{other:?}"),
    }
}
