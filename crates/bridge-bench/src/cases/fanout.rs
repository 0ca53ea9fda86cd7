//! WebSocket fan-out: one change to a thousand connections, from its 2xx to its arrival at each.

use super::Bench;
use crate::http::{Connection, request};
use crate::load::Load;
use crate::report::{Floor, Row};
use crate::round::{Turns, observe};
use crate::seed;
use crate::service::{RECEIVE, Service};
use crate::stats::{Latencies, count};
use crate::time::now;
use crate::websocket::Listener;
use crate::{floor_server, stats};
use anyhow::Context as _;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const LISTENERS: usize = 1_000;
const RATES: [u32; 2] = [20, 200];

/// How many connections push: enough that none is late.
const PUSHERS: u32 = 16;

/// How long deliveries may go on after the last push before the rest counts as not delivered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where changes are pushed and where they come out.
struct Place<'a> {
    address: SocketAddr,
    push_path: &'a str,
    listen_path: &'a str,
    push_key: &'a str,
    bearer: String,
}

pub(super) async fn measure(bench: &mut Bench<'_>, service: &Service) -> anyhow::Result<()> {
    let real = Place {
        address: service.address(),
        push_path: RECEIVE,
        listen_path: "/ws/webhooks",
        push_key: &service.push_key,
        bearer: service.bearer(),
    };
    let floor = Place {
        address: bench.floor.address,
        push_path: floor_server::PUBLISH,
        listen_path: floor_server::CONNECT,
        push_key: "none",
        bearer: service.bearer(),
    };
    // The first change makes the service ask the ERP what the user may read.
    let mut next = seed::FIRST_PUSHED;
    deliver(&real, 20, 1, &mut next).await?;
    let folder = &service.database.folder;
    for rate in RATES {
        let (mut turns, mut floors) = (Turns::default(), Turns::default());
        let (mut wanted, mut missing) = (0, 0);
        for _ in 0..bench.args.rounds.min(3) {
            let pushes = rate * u32::try_from(bench.args.turn_ms / 1_000).unwrap_or(2).max(1);
            wanted += LISTENERS * usize::try_from(pushes).unwrap_or(0);
            let turn = async {
                let (load, late) = deliver(&real, rate, pushes, &mut next).await?;
                missing += late;
                Ok(load)
            };
            turns.0.push(observe(service.program.pid, folder, turn).await?);
            let turn = async { deliver(&floor, rate, pushes, &mut next).await.map(|(load, _)| load) };
            floors.0.push(observe(bench.floor.pid, folder, turn).await?);
        }
        let late = match missing {
            0 => "all in time".to_owned(),
            missing => format!("{:.0} % not within {} s", count(missing) / count(wanted) * 100.0, PATIENCE.as_secs()),
        };
        let what = format!("{LISTENERS} WebSockets, {rate} changes a second: deliveries ({late}), SQLite");
        let floor = Floor::rate("empty fan-out, same number of messages", floors.per_second()).with_latency(
            stats::median(floors.0.iter().map(|turn| turn.p50_ms)),
            stats::median(floors.0.iter().map(|turn| turn.p99_ms)),
        );
        bench.report.row(Row::of(what, LISTENERS, &turns).with_floors([floor]));
    }
    Ok(())
}

/// Opens the connections, pushes, and answers the deliveries with their latencies, and how many did not come. Their rate is over the time from the
/// first push to the last arrival, so that a server which can't keep up shows it.
async fn deliver(place: &Place<'_>, rate: u32, pushes: u32, next: &mut i64) -> anyhow::Result<(Load, usize)> {
    let mut listeners = JoinSet::new();
    let open = open_all(place).await?;
    let first = *next;
    *next += i64::from(pushes);
    let begin = now();
    let until = begin + Duration::from_secs(u64::from(pushes / rate)) + PATIENCE;
    let wanted = usize::try_from(pushes).unwrap_or(usize::MAX);
    for listener in open {
        listeners.spawn(listener.listen(wanted, until));
    }
    let acknowledged = push(place, rate, pushes, first, begin).await?;
    let mut latencies = Latencies::default();
    let mut last = begin;
    while let Some(arrivals) = listeners.join_next().await {
        for arrival in arrivals.context("a listener's task")?? {
            let Some(acknowledged) = acknowledged.get(&arrival.record) else { continue };
            last = last.max(arrival.at);
            // A change may arrive before its sender has read the 2xx: then there was no wait at all.
            let latency = arrival.at.saturating_duration_since(*acknowledged);
            latencies.add(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        }
    }
    let missing = wanted * LISTENERS - latencies.len();
    let seconds = (last - begin).as_secs_f64();
    let per_second = count(latencies.len()) / seconds;
    Ok((Load { per_second, latencies, seconds, warm_up_seconds: 0.0, answer_bytes: 0 }, missing))
}

/// Opens the connections, all at the same time.
async fn open_all(place: &Place<'_>) -> anyhow::Result<Vec<Listener>> {
    let mut opening = JoinSet::new();
    for _ in 0..LISTENERS {
        let (address, path, bearer) = (place.address, place.listen_path.to_owned(), place.bearer.clone());
        opening.spawn(async move { Listener::open(address, &path, &bearer).await });
    }
    let mut open = Vec::with_capacity(LISTENERS);
    while let Some(listener) = opening.join_next().await {
        open.push(listener.context("a listener's task")??);
    }
    Ok(open)
}

/// Pushes at a steady rate, and answers when each was acknowledged.
async fn push(
    place: &Place<'_>,
    rate: u32,
    pushes: u32,
    first: i64,
    begin: Instant,
) -> anyhow::Result<HashMap<i64, Instant>> {
    let mut tasks = JoinSet::new();
    for pusher in 0..PUSHERS {
        let mut connection = Connection::open(place.address).await?;
        let (path, key) = (place.push_path.to_owned(), place.push_key.to_owned());
        tasks.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in (pusher..pushes).step_by(16) {
                tokio::time::sleep_until((begin + Duration::from_secs(1) * n / rate).into()).await;
                let record = first + i64::from(n);
                let body = seed::pushed_event(record);
                let answer = connection.call(&request("POST", &path, &[("x-api-key", &key)], body.as_bytes())).await?;
                anyhow::ensure!(answer.status == 200, "a push was answered {}", answer.status);
                acknowledged.push((record, now()));
            }
            Ok(acknowledged)
        });
    }
    let mut all = HashMap::new();
    while let Some(acknowledged) = tasks.join_next().await {
        all.extend(acknowledged.context("a pusher's task")??);
    }
    Ok(all)
}
