//! Ten thousand devices, each with its own cursor: each gets 10 new changes, confirms them, and asks again.

use super::Bench;
use crate::load::{Load, Requests, run_all};
use crate::report::Row;
use crate::round::{Turns, observe};
use crate::service::{Service, pull_request, reset_request};
use crate::{http, seed};
use anyhow::Context as _;
use std::sync::Arc;

const DEVICES: usize = 10_000;
const CONNECTIONS: usize = 64;
const NEW_CHANGES: i64 = 10;

pub(super) async fn measure(bench: &mut Bench<'_>, service: &Service) -> anyhow::Result<()> {
    let mut head = service.reset("phone-0").await?;
    // The first pull of all asks the ERP what the user may read.
    http::call_json(service.address(), &service.pull("phone-0", head - 1, 1)).await?;
    let bearer = service.bearer();
    run_all(service.address(), CONNECTIONS, each(move |device| reset_request(&bearer, device)))
        .await
        .context("make the cursors")?;
    let (mut getting, mut confirming, mut asking) = (Turns::default(), Turns::default(), Turns::default());
    let (pid, folder) = (service.program.pid, service.database.folder.clone());
    for round in 0..i64::try_from(bench.args.rounds).unwrap_or(1) {
        let first = seed::FIRST_PUSHED + round * NEW_CHANGES;
        let events: Vec<String> = (first..first + NEW_CHANGES).map(seed::pushed_event).collect();
        service.push(format!("[{}]", events.join(",")).as_bytes()).await?;
        getting.0.push(observe(pid, &folder, one_pull_each(service, head)).await?);
        head += NEW_CHANGES;
        confirming.0.push(observe(pid, &folder, one_pull_each(service, head)).await?);
        asking.0.push(observe(pid, &folder, one_pull_each(service, head)).await?);
    }
    for (what, turns) in [("gets 10 changes", &getting), ("confirms them", &confirming), ("finds nothing new", &asking)]
    {
        bench.report.row(Row::of(format!("10,000 devices, each {what}, SQLite"), CONNECTIONS, turns));
    }
    Ok(())
}

/// One pull of every device with the same token.
async fn one_pull_each(service: &Service, token: i64) -> anyhow::Result<Load> {
    let bearer = service.bearer();
    run_all(service.address(), CONNECTIONS, each(move |device| pull_request(&bearer, device, token, 100))).await
}

/// One request of every device, each on one of the connections.
fn each(request: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Arc<impl Requests> {
    Arc::new(move |connection: usize, n: u64, out: &mut Vec<u8>| {
        let device = connection + usize::try_from(n).unwrap_or(usize::MAX).saturating_mul(CONNECTIONS);
        if device >= DEVICES {
            return false;
        }
        out.extend_from_slice(&request(&format!("phone-{device}")));
        true
    })
}
