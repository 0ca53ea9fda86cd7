//! `webhooks/receive`: one event in each request, durable before its answer.

use super::Bench;
use crate::http::request;
use crate::report::{Floor, Goal, Row};
use crate::round::{Turn, Turns, turn};
use crate::service::{RECEIVE, Service};
use crate::{floor_server, load, seed, sync_floor};
use anyhow::Context as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const CONNECTIONS: usize = 256;

pub(super) async fn measure(bench: &mut Bench<'_>, service: &Service) -> anyhow::Result<()> {
    let next = Arc::new(AtomicI64::new(seed::FIRST_PUSHED));
    let (mut turns, mut http) = (Turns::default(), Turns::default());
    let (mut synced, mut groups) = (Vec::new(), Vec::new());
    let floor_request = request("POST", floor_server::RECEIVE, &[], seed::pushed_event(seed::FIRST_PUSHED).as_bytes());
    for _ in 0..bench.args.rounds {
        let measured = one_turn(bench, service, &next).await?;
        // Half of the callers wait while the other half's group is written, where it is not counted.
        let group = measured.per_flush.map_or(CONNECTIONS / 2, whole).clamp(1, CONNECTIONS);
        let requests = Arc::new(load::same(floor_request.clone()));
        let floor = &bench.floor;
        http.0.push(
            turn(floor.pid, &service.database.folder, floor.address, CONNECTIONS, bench.turn_time(), requests).await?,
        );
        synced.push(sync_turn(service, group, bench.turn_time()).await?);
        groups.push(crate::stats::count(group));
        turns.0.push(measured);
    }
    let name = service.database.name;
    let (goal, source) = if name == "SQLite" { (25_000.0, "synchronous=FULL") } else { (12_000.0, "fsync on") };
    let what = format!("`webhooks/receive`, one event a request, {name} ({source})");
    bench.report.goal(Goal::at_least(format!("{what}: events a second"), goal, turns.per_second()));
    bench.report.goal(Goal::at_most(format!("{what}: p99, ms"), 30.0, turns.median(|turn| turn.p99_ms)));
    let group = crate::stats::median(groups);
    bench.report.row(Row::of(what, CONNECTIONS, &turns).with_floors([
        Floor::rate(format!("append + fdatasync, {group:.0} events a group"), crate::stats::median(synced)),
        Floor::rate("empty handler, same body", http.per_second()),
    ]));
    Ok(())
}

async fn one_turn(bench: &Bench<'_>, service: &Service, next: &Arc<AtomicI64>) -> anyhow::Result<Turn> {
    let (next, key) = (Arc::clone(next), service.push_key.clone());
    let requests = move |_: usize, _: u64, out: &mut Vec<u8>| {
        let event = seed::pushed_event(next.fetch_add(1, Ordering::Relaxed));
        out.extend_from_slice(&request("POST", RECEIVE, &[("x-api-key", &key)], event.as_bytes()));
        true
    };
    let folder = &service.database.folder;
    turn(service.program.pid, folder, service.address(), CONNECTIONS, bench.turn_time(), Arc::new(requests)).await
}

async fn sync_turn(service: &Service, group: usize, duration: Duration) -> anyhow::Result<f64> {
    let folder = service.database.folder.clone();
    let bytes = seed::pushed_event(seed::FIRST_PUSHED).len();
    tokio::task::spawn_blocking(move || sync_floor::events_per_second(&folder, bytes, group, duration))
        .await
        .context("the floor's task")?
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a group is clamped to a small number")]
fn whole(number: f64) -> usize {
    number.round().max(1.0) as usize
}
