//! What the reader of a system remembers.

use super::bed::changes;
use super::{Bed, contract};
use crate::{Append, Gap, SourceProgress, SourceState, StoreError};
use bridge_model::{Clock as _, Epoch, SystemKey};
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

contract! {
    progress_and_gaps_are_remembered,
    another_identity_opens_another_epoch,
    whoever_saved_progress_reads_it_whatever_others_read_meanwhile,
    progress_that_nobody_waits_for_is_read_all_the_same,
}

const SYSTEM: SystemKey = SystemKey(1);

async fn progress_and_gaps_are_remembered(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    assert_eq!(store.source(tenant, SYSTEM).await.unwrap(), SourceState::default());
    let first_seen = bed.clock.now();
    let save = async |progress: SourceProgress, ids: &[i64]| {
        let batch = Append { progress: Some(progress), ..changes(ids.iter().copied()) };
        store.append(tenant, batch).await.map(drop)
    };
    save(progress(0, 9, &[4, 2, 3], &[]), &[1, 9]).await.unwrap();
    bed.clock.advance(Duration::from_secs(1));
    save(progress(0, 12, &[3, 11], &[2]), &[2, 12]).await.unwrap();
    let state = store.source(tenant, SYSTEM).await.unwrap();
    let gap = |id, seen_at| Gap { id, seen_at };
    assert_eq!(state.gaps, [gap(3, first_seen), gap(4, first_seen), gap(11, bed.clock.now())]);
    assert_eq!((state.epoch, state.read_to, state.identity), (Epoch(0), 12, None));
    // A reader that looks back, for example over an overlap, does not lose what was read.
    save(progress(0, 5, &[], &[]), &[]).await.unwrap();
    assert_eq!(store.source(tenant, SYSTEM).await.unwrap().read_to, 12);
    let other = bed.tenant(&store).await;
    assert_eq!(store.source(other, SYSTEM).await.unwrap(), SourceState::default());
}

async fn another_identity_opens_another_epoch(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    store.append(tenant, Append { progress: Some(progress(0, 9, &[4], &[])), ..changes([9]) }).await.unwrap();
    // The first identity ever told adopts what is there.
    assert_eq!(store.open_epoch(tenant, SYSTEM, "database 1", 0, None).await.unwrap(), Epoch(0));
    assert_eq!(store.open_epoch(tenant, SYSTEM, "database 1", 0, None).await.unwrap(), Epoch(0));
    let state = store.source(tenant, SYSTEM).await.unwrap();
    assert_eq!((state.read_to, state.gaps.len(), state.identity.as_deref()), (9, 1, Some("database 1")));

    let lease = store.acquire_lease("reader", "node a", Duration::from_secs(5)).await.unwrap().unwrap();
    bed.clock.advance(Duration::from_secs(6));
    let fenced = store.open_epoch(tenant, SYSTEM, "database 2", 0, Some(lease.fence())).await;
    assert!(matches!(fenced, Err(StoreError::Fenced)), "{fenced:?}");
    let lease = store.acquire_lease("reader", "node a", Duration::from_secs(5)).await.unwrap().unwrap();
    let opened = store.open_epoch(tenant, SYSTEM, "database 2", 0, Some(lease.fence())).await;
    assert_eq!(opened.unwrap(), Epoch(1));
    let state = store.source(tenant, SYSTEM).await.unwrap();
    assert_eq!((state.epoch, state.read_to, state.gaps.len()), (Epoch(1), 0, 0));
    // What a reader of the old life still has under way is refused.
    let late = store.append(tenant, Append { progress: Some(progress(0, 10, &[], &[])), ..changes([10]) }).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    store.append(tenant, Append { progress: Some(progress(1, 3, &[], &[])), ..changes([]) }).await.unwrap();
    assert_eq!(store.source(tenant, SYSTEM).await.unwrap().read_to, 3);
    // Going back to the first database is a third life, since nobody knows what happened to it meanwhile.
    assert_eq!(store.open_epoch(tenant, SYSTEM, "database 1", 7, None).await.unwrap(), Epoch(2));
    // What is gone when a life is first seen need not be read; what goes later is another matter.
    assert_eq!(store.source(tenant, SYSTEM).await.unwrap().read_to, 7);
    assert_eq!(store.open_epoch(tenant, SYSTEM, "database 1", 8, None).await.unwrap(), Epoch(2));
    assert_eq!(store.source(tenant, SYSTEM).await.unwrap().read_to, 7);
    // The same holds for the very first life, also where a push has told of it before.
    let (pushed, unread) = (bed.tenant(&store).await, bed.tenant(&store).await);
    store.append(pushed, Append { progress: Some(progress(0, 9, &[], &[])), ..changes([9]) }).await.unwrap();
    for (tenant, read_to) in [(pushed, 9), (unread, 7)] {
        assert_eq!(store.open_epoch(tenant, SYSTEM, "database 1", 7, None).await.unwrap(), Epoch(0));
        assert_eq!(store.source(tenant, SYSTEM).await.unwrap().read_to, read_to);
    }
}

async fn whoever_saved_progress_reads_it_whatever_others_read_meanwhile(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    for _ in 0..4 {
        let (store, done) = (store.clone(), Arc::clone(&done));
        others.spawn(async move {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let read_to = store.source(tenant, SYSTEM).await.unwrap().read_to;
                assert!(read_to >= last, "{read_to} after {last}");
                last = read_to;
                tokio::task::yield_now().await;
            }
        });
    }
    for read_to in 1..=200 {
        let batch = Append { progress: Some(progress(0, read_to, &[], &[])), ..Append::default() };
        store.append(tenant, batch).await.unwrap();
        assert_eq!(store.source(tenant, SYSTEM).await.unwrap().read_to, read_to);
    }
    done.store(true, Ordering::Relaxed);
    others.join_all().await;
}

async fn progress_that_nobody_waits_for_is_read_all_the_same(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    assert_eq!(store.source(tenant, SYSTEM).await.unwrap(), SourceState::default());
    let batch = Append { progress: Some(progress(0, 9, &[4], &[])), ..changes([9]) };
    assert!(store.append(tenant, batch).now_or_never().is_none(), "the caller has gone away");
    // Appends are kept in the order in which they were asked for.
    store.append(tenant, changes([10])).await.unwrap();
    let state = store.source(tenant, SYSTEM).await.unwrap();
    assert_eq!((state.read_to, state.gaps.len()), (9, 1));
}

fn progress(epoch: i64, read_to: i64, opened: &[i64], closed: &[i64]) -> SourceProgress {
    SourceProgress {
        system: SYSTEM,
        epoch: Epoch(epoch),
        read_to,
        gaps_opened: opened.to_vec(),
        gaps_closed: closed.to_vec(),
    }
}
