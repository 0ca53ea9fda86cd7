//! Several nodes.

use super::{PATIENCE, SALES, happen, often, shown};
use crate::support::{Setup, demo_erp, eventually, register_demo_system};
use crate::sync::device::Device;
use serde_json::Value;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_node_with_the_lease_mirrors() {
    let setup = often(&Setup::postgres().await).config(|config| config.ingest.lease_ms = 1_000);
    let (app, erp) = (setup.start().await, demo_erp().await);
    let store = &app.context().store;
    let lease = store.acquire_lease("mirror:1", "another node", Duration::from_secs(4)).await.unwrap().unwrap();
    let system = register_demo_system(&app.admin().await, &erp, "main").await;
    assert_eq!(system["id"], 1, "the lease is the one of this system's mirror");
    let seller = app.user("seller", Some(SALES)).await;
    happen(&app, &erp, 2).await;
    Device::new(&seller, "my-phone").pull_after("0").await;
    let mut looks = 0;
    eventually("the lease has run out and the device is shown", PATIENCE, async || {
        let found = shown(&erp, "my-phone");
        if app.context().clock.now() < lease.expires_at {
            assert_eq!(found, [] as [Value; 0], "another node leads");
            looks += 1;
        }
        (found.len() == 1).then_some(())
    })
    .await;
    assert!(looks > 10, "{looks}");
    app.stop().await;
    erp.stop().await;
}
