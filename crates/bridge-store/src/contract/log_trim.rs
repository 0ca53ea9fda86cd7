//! Trimming: what goes, what stays, and that what went is still recognised.

use super::bed::{change, changes, positions};
use super::{Bed, contract};
use crate::{Append, LogQuery, LogRead, Retention, SourceProgress, Store, Trimmed};
use bridge_model::{Clock as _, Epoch, NewChange, Position, SourceId, SystemKey, TenantId};
use std::time::Duration;

contract! {
    age_and_rows_decide_what_goes,
    an_event_that_was_trimmed_is_still_known,
    an_id_that_was_missing_is_new_however_late,
    an_id_that_the_reader_has_not_passed_is_new,
}

async fn age_and_rows_decide_what_goes(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let start = bed.clock.now();
    let second = Duration::from_secs(1);
    for number in 1..=20 {
        store.append(tenant, changes([number])).await.unwrap();
        bed.clock.advance(second);
    }
    let keep_all = Retention { received_before: start, rows_max: 100, keep_after: start, batch_rows_max: 3 };
    assert_eq!(store.trim(tenant, &keep_all).await.unwrap(), Trimmed { rows: 0, trimmed_to: Position::START });
    // By age: the first 7 were received before second 7.
    let by_age = Retention { received_before: start.plus(7 * second), ..keep_all.clone() };
    assert_eq!(store.trim(tenant, &by_age).await.unwrap(), Trimmed { rows: 7, trimmed_to: Position::new(7) });
    // By rows: 5 may stay, but what is younger than second 12 must.
    let by_rows = Retention { rows_max: 5, keep_after: start.plus(12 * second), ..keep_all.clone() };
    assert_eq!(store.trim(tenant, &by_rows).await.unwrap(), Trimmed { rows: 5, trimmed_to: Position::new(12) });
    let by_rows = Retention { rows_max: 5, keep_after: bed.clock.now(), ..keep_all };
    assert_eq!(store.trim(tenant, &by_rows).await.unwrap(), Trimmed { rows: 3, trimmed_to: Position::new(15) });

    let read = async |after| {
        let query = LogQuery {
            after: Position::new(after),
            models: None,
            system: None,
            limit: 50,
            scan_max: 50,
            contents: true,
        };
        store.read(tenant, &query).await.unwrap()
    };
    assert!(matches!(
        read(14).await,
        LogRead::Trimmed { trimmed_to, head } if (trimmed_to.get(), head.get()) == (15, 20)
    ));
    assert!(matches!(read(0).await, LogRead::Trimmed { .. }));
    let LogRead::Page(page) = read(15).await else { panic!("15 is the last position that may be asked from") };
    assert_eq!(page.changes.len(), 5);
    assert_eq!(store.position_before(tenant, start).await.unwrap(), Position::new(15));
    // Everything may go; the head stays and numbering goes on.
    bed.clock.advance(second);
    let all = Retention { received_before: bed.clock.now(), ..by_rows };
    assert_eq!(store.trim(tenant, &all).await.unwrap().trimmed_to, Position::new(20));
    assert_eq!(positions(&store.append(tenant, changes([21])).await.unwrap()), [21]);
}

async fn an_event_that_was_trimmed_is_still_known(bed: Bed) {
    let store = bed.open().await;
    let (tenant, other) = (bed.tenant(&store).await, bed.tenant(&store).await);
    let named = NewChange { source_id: Some(SourceId("by name".to_owned())), ..change(1) };
    let batch = Append { changes: vec![change(7), change(9), named.clone(), change(10)], ..Append::default() };
    store.append(tenant, batch).await.unwrap();
    trim_all(&bed, &store, tenant).await;
    assert_eq!(positions(&store.append(tenant, changes([9, 10, 11])).await.unwrap()), [0, 0, 5]);
    // The mark is of numbers, of this system, epoch and tenant alone.
    let elsewhere =
        vec![NewChange { epoch: Epoch(1), ..change(9) }, NewChange { system: SystemKey(2), ..change(9) }, named];
    let batch = Append { changes: elsewhere, ..Append::default() };
    assert_eq!(positions(&store.append(tenant, batch).await.unwrap()), [6, 7, 8]);
    assert_eq!(positions(&store.append(other, changes([9])).await.unwrap()), [1]);
    // A second trim does not lower it.
    store.append(tenant, changes([12])).await.unwrap();
    trim_all(&bed, &store, tenant).await;
    assert_eq!(positions(&store.append(tenant, changes([10, 12, 13])).await.unwrap()), [0, 0, 10]);
}

async fn an_id_that_was_missing_is_new_however_late(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    // The reader saw 1 and 5, and that 3 and 4 are missing (2 it gave up before).
    let read = Append { progress: Some(progress(5, &[3, 4], &[])), ..changes([1, 5]) };
    store.append(tenant, read).await.unwrap();
    trim_all(&bed, &store, tenant).await;
    // 3 commits at last: it is new, and when its gap is closed it is known.
    let late = Append { progress: Some(progress(5, &[], &[3])), ..changes([3]) };
    assert_eq!(positions(&store.append(tenant, late.clone()).await.unwrap()), [3]);
    assert_eq!(positions(&store.append(tenant, late).await.unwrap()), [0], "it is in the log");
    trim_all(&bed, &store, tenant).await;
    assert_eq!(positions(&store.append(tenant, changes([3, 5, 2])).await.unwrap()), [0, 0, 0]);
    assert_eq!(positions(&store.append(tenant, changes([4])).await.unwrap()), [4], "4 is missing still");
}

async fn an_id_that_the_reader_has_not_passed_is_new(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    store.append(tenant, Append { progress: Some(progress(2, &[], &[])), ..changes([1, 2]) }).await.unwrap();
    // A push runs ahead of the reader and is trimmed before the reader comes by.
    store.append(tenant, changes([100])).await.unwrap();
    trim_all(&bed, &store, tenant).await;
    let read = Append { progress: Some(progress(50, &[], &[])), ..changes([2, 3, 50]) };
    assert_eq!(positions(&store.append(tenant, read).await.unwrap()), [0, 4, 5]);
}

fn progress(read_to: i64, opened: &[i64], closed: &[i64]) -> SourceProgress {
    SourceProgress {
        system: SystemKey(1),
        epoch: Epoch(0),
        read_to,
        gaps_opened: opened.to_vec(),
        gaps_closed: closed.to_vec(),
    }
}

async fn trim_all(bed: &Bed, store: &Store, tenant: TenantId) {
    bed.clock.advance(Duration::from_secs(1));
    let now = bed.clock.now();
    let retention = Retention { received_before: now, rows_max: 0, keep_after: now, batch_rows_max: 2 };
    let trimmed = store.trim(tenant, &retention).await.unwrap();
    assert_eq!(trimmed.trimmed_to, store.head(tenant).await.unwrap());
}
