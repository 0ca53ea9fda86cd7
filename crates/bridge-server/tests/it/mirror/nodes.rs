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
    let mut lease = store.acquire_lease("mirror:1", "another node", Duration::from_mins(10)).await.unwrap().unwrap();
    let system = register_demo_system(&app.admin().await, &erp, "main").await;
    assert_eq!(system["id"], 1, "the lease is the one of this system's mirror");
    let seller = app.user("seller", Some(SALES)).await;
    happen(&app, &erp, 2).await;
    Device::new(&seller, "my-phone").pull_after("0").await;
    let mut looks = 0;
    eventually("it was looked several times while the lease holds", PATIENCE, async || {
        assert_eq!(shown(&erp, "my-phone"), [] as [Value; 0], "another node leads");
        looks += 1;
        (looks > 100).then_some(())
    })
    .await;
    assert!(store.renew_lease(&mut lease, Duration::from_millis(100)).await.unwrap());
    eventually("the lease has run out and the device is shown", PATIENCE, async || {
        (shown(&erp, "my-phone").len() == 1).then_some(())
    })
    .await;
    app.stop().await;
    erp.stop().await;
}
