//! What is known of polled models.

use super::bed::changes;
use super::{Bed, contract};
use crate::{Append, Polled, PolledSave, StoreError};
use bridge_model::{ModelName, SystemKey, Timestamp};
use std::time::Duration;

contract! { what_is_known_is_kept_with_the_changes_or_not_at_all }

const SYSTEM: SystemKey = SystemKey(1);

fn model() -> ModelName {
    ModelName::parse("res.partner").unwrap()
}

fn known(second: i64, adopted: Option<&[u8]>) -> Polled {
    let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
    Polled { settled_to: at(second), seen_to: at(second + 1), adopted: adopted.map(Vec::from), quiet_to: None }
}

fn save(polled: &Polled, anew: bool, blocks: &[(i64, Option<&[u8]>)]) -> PolledSave {
    let blocks = blocks.iter().map(|(block, ids)| (*block, ids.map(Vec::from))).collect();
    PolledSave { system: SYSTEM, model: model(), polled: polled.clone(), anew, blocks }
}

async fn what_is_known_is_kept_with_the_changes_or_not_at_all(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    assert_eq!(store.polled(tenant, SYSTEM, &model()).await.unwrap(), None);
    let first = save(&known(5, Some(b"noted")), true, &[(0, Some(b"one")), (7, Some(b"two"))]);
    store.append(tenant, Append { polled: Some(first), ..changes([1]) }).await.unwrap();
    assert_eq!(store.polled(tenant, SYSTEM, &model()).await.unwrap(), Some(known(5, Some(b"noted"))));
    let second = save(&known(6, None), false, &[(0, Some(b"three")), (7, None), (9, Some(b"four"))]);
    store.append(tenant, Append { polled: Some(second), ..changes([2]) }).await.unwrap();
    assert_eq!(store.polled(tenant, SYSTEM, &model()).await.unwrap(), Some(known(6, None)));
    let blocks = vec![(0, b"three".to_vec()), (9, b"four".to_vec())];
    assert_eq!(store.polled_ids(tenant, SYSTEM, &model()).await.unwrap(), blocks);

    let lease = store.acquire_lease("poller", "a node", Duration::from_secs(1)).await.unwrap().unwrap();
    bed.clock.advance(Duration::from_secs(2));
    let late = Append { polled: Some(save(&known(9, None), true, &[])), fence: Some(lease.fence()), ..changes([3]) };
    let refused = store.append(tenant, late).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert_eq!(store.polled_ids(tenant, SYSTEM, &model()).await.unwrap(), blocks);
    assert_eq!(store.polled_models(tenant, SYSTEM).await.unwrap().into_iter().collect::<Vec<_>>(), [model()]);
    let other = bed.tenant(&store).await;
    assert_eq!(store.polled(other, SYSTEM, &model()).await.unwrap(), None);

    let anew = save(&known(7, None), true, &[(1, Some(b"five"))]);
    store.append(tenant, Append { polled: Some(anew), ..Append::default() }).await.unwrap();
    assert_eq!(store.polled_ids(tenant, SYSTEM, &model()).await.unwrap(), [(1, b"five".to_vec())]);

    // Whoever polled before can't take away what its successor knows.
    let ttl = Duration::from_secs(5);
    let now = store.acquire_lease("poller", "another node", ttl).await.unwrap().unwrap();
    let refused = store.forget_polled(tenant, SYSTEM, &[model()], &lease.fence()).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert_eq!(store.polled_ids(tenant, SYSTEM, &model()).await.unwrap(), [(1, b"five".to_vec())]);
    store.forget_polled(tenant, SYSTEM, &[model()], &now.fence()).await.unwrap();
    assert_eq!(store.polled(tenant, SYSTEM, &model()).await.unwrap(), None);
    assert_eq!(store.polled_ids(tenant, SYSTEM, &model()).await.unwrap(), []);
}
