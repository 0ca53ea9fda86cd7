//! Leases and their fences.

use super::{Bed, contract};
use crate::{Append, Fence, Lease, Store, StoreError};
use bridge_model::Clock as _;
use bridge_model::TenantId;
use std::time::Duration;

contract! {
    a_lease_has_one_holder_until_it_runs_out,
    a_renewed_lease_keeps_its_token,
    a_released_lease_is_free_and_its_token_is_not_given_again,
    many_who_ask_at_once_get_one_lease,
    a_fence_holds_as_long_as_its_lease,
}

async fn take(store: &Store, holder: &str) -> Option<Lease> {
    store.acquire_lease("pull:1", holder, Duration::from_mins(1)).await.unwrap()
}

async fn fenced(store: &Store, tenant: TenantId, fence: Fence) -> bool {
    match store.append(tenant, Append { fence: Some(fence), ..Append::default() }).await {
        Ok(_) => false,
        Err(StoreError::Fenced) => true,
        Err(error) => panic!("{error:?}"),
    }
}

async fn a_lease_has_one_holder_until_it_runs_out(bed: Bed) {
    let store = &bed.open().await;
    let mut first = take(store, "one").await.unwrap();
    assert_eq!((first.name.as_str(), first.holder.as_str()), ("pull:1", "one"));
    assert_eq!(first.expires_at, bed.clock.now().plus(Duration::from_mins(1)));
    assert_eq!(take(store, "two").await, None);
    assert!(
        store.acquire_lease("pull:2", "two", Duration::from_mins(1)).await.unwrap().is_some(),
        "names are independent"
    );
    bed.clock.advance(Duration::from_mins(1));
    let second = take(store, "two").await.unwrap();
    assert!(second.token > first.token);
    assert_eq!(take(store, "one").await, None);
    assert!(!store.renew_lease(&mut first, Duration::from_mins(1)).await.unwrap());
}

async fn a_renewed_lease_keeps_its_token(bed: Bed) {
    let store = &bed.open().await;
    let mut first = take(store, "one").await.unwrap();
    bed.clock.advance(Duration::from_mins(1).checked_sub(Duration::from_secs(1)).unwrap());
    assert!(store.renew_lease(&mut first, Duration::from_mins(1)).await.unwrap());
    assert_eq!(first.expires_at, bed.clock.now().plus(Duration::from_mins(1)));
    bed.clock.advance(Duration::from_mins(1).checked_sub(Duration::from_secs(1)).unwrap());
    let mut again = take(store, "one").await.unwrap();
    assert_eq!(again.token, first.token);
    assert_eq!(again.expires_at, bed.clock.now().plus(Duration::from_mins(1)));
    bed.clock.advance(Duration::from_mins(1));
    assert!(!store.renew_lease(&mut again, Duration::from_mins(1)).await.unwrap(), "what ran out is not renewed");
    let anew = take(store, "one").await.unwrap();
    assert!(anew.token > first.token, "what the holder began before is fenced off");
}

async fn a_released_lease_is_free_and_its_token_is_not_given_again(bed: Bed) {
    let store = &bed.open().await;
    let first = take(store, "one").await.unwrap();
    store.release_lease(&first).await.unwrap();
    let second = take(store, "two").await.unwrap();
    assert!(second.token > first.token);
    store.release_lease(&first).await.unwrap();
    assert_eq!(take(store, "one").await, None, "an old holder releases nothing");
    store.release_lease(&second).await.unwrap();
    assert!(take(store, "two").await.unwrap().token > second.token);
}

async fn many_who_ask_at_once_get_one_lease(bed: Bed) {
    let nodes = bed.nodes(2).await;
    let mut last_token = 0;
    for round in 0..5 {
        let asked = (0..8).map(|turn| {
            let store = &nodes[turn % nodes.len()];
            async move { store.acquire_lease("pull:1", &format!("node{turn}"), Duration::from_mins(1)).await.unwrap() }
        });
        let got: Vec<_> = futures_util::future::join_all(asked).await.into_iter().flatten().collect();
        assert_eq!(got.len(), 1, "round {round}: {got:?}");
        assert!(got[0].token > last_token);
        last_token = got[0].token;
        bed.clock.advance(Duration::from_mins(1));
    }
}

async fn a_fence_holds_as_long_as_its_lease(bed: Bed) {
    let store = &bed.open().await;
    let tenant = store.create_tenant("One", "free").await.unwrap().id;
    let first = take(store, "one").await.unwrap();
    assert!(!fenced(store, tenant, first.fence()).await);
    assert!(fenced(store, tenant, Fence { token: first.token + 1, ..first.fence() }).await);
    assert!(fenced(store, tenant, Fence { name: "pull:2".to_owned(), ..first.fence() }).await);
    bed.clock.advance(Duration::from_mins(1));
    assert!(fenced(store, tenant, first.fence()).await, "it ran out, though nobody else has it yet");
    let second = take(store, "two").await.unwrap();
    assert!(fenced(store, tenant, first.fence()).await);
    assert!(!fenced(store, tenant, second.fence()).await);
    store.release_lease(&second).await.unwrap();
    assert!(fenced(store, tenant, second.fence()).await);
}
