//! `sync/pull`: with nothing new, with 100 changes, and the same on logs of different lengths.

use super::{Bench, SHORT_LOG};
use crate::load::{self, Requests};
use crate::report::{Floor, Goal, Row, whole};
use crate::round::{Turn, Turns, turn};
use crate::service::{Service, pull_request};
use crate::{floor_server, http};
use std::sync::Arc;

const CONNECTIONS: usize = 64;
const PAGE: u32 = 100;

/// Each connection is a device that has everything and asks again and again.
pub(super) async fn nothing_new(bench: &mut Bench<'_>, service: &Service) -> anyhow::Result<()> {
    let head = reset_devices(service).await?;
    let bearer = service.bearer();
    let requests = Arc::new(move |connection: usize, _: u64, out: &mut Vec<u8>| {
        out.extend_from_slice(&pull_request(&bearer, &device(connection), head, PAGE));
        true
    });
    let (turns, floor) = beside_floor(bench, service, requests).await?;
    let what = format!("pull with nothing new, {}", service.database.name);
    if service.database.name == "SQLite" {
        bench.report.goal(Goal::at_least("pull with nothing new: answers a second", 30_000.0, turns.per_second()));
    }
    bench.report.row(Row::of(what, CONNECTIONS, &turns).with_floors([empty_handler(&floor, &turns)]));
    Ok(())
}

/// Each connection is a device that gets 100 changes from somewhere in the log with each pull.
pub(super) async fn hundred(bench: &mut Bench<'_>, service: &Service) -> anyhow::Result<()> {
    let head = reset_devices(service).await?;
    let (turns, floor) = beside_floor(bench, service, Arc::new(between(service, 0, head))).await?;
    let what = format!("pull of 100 changes, {}", service.database.name);
    if service.database.name == "SQLite" {
        bench.report.goal(Goal::at_least("pull of 100 changes: answers a second", 8_000.0, turns.per_second()));
        bench.report.goal(Goal::at_most("pull of 100 changes: p99, ms", 20.0, turns.median(|turn| turn.p99_ms)));
    }
    bench.report.row(Row::of(what, CONNECTIONS, &turns).with_floors([empty_handler(&floor, &turns)]));
    Ok(())
}

/// Where the changes of a pull come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The newest ones, which the service keeps in memory.
    Tail,
    /// Anywhere in the log; the service keeps nothing in memory.
    Database,
}

/// The pull of 100 changes on the short log and on the long one, in turns.
pub(super) async fn long_log(
    bench: &mut Bench<'_>,
    short: &Service,
    long: &Service,
    long_log: i64,
    from: From,
) -> anyhow::Result<()> {
    let (short_head, long_head) = (reset_devices(short).await?, reset_devices(long).await?);
    let first = if from == From::Tail { long_head - short_head } else { 0 };
    let in_short = Arc::new(between(short, 0, short_head));
    let in_long = Arc::new(between(long, first, long_head));
    let (mut of_short, mut of_long) = (Turns::default(), Turns::default());
    for _ in 0..bench.args.rounds {
        of_short.0.push(one_turn(bench, short, &in_short).await?);
        of_long.0.push(one_turn(bench, long, &in_long).await?);
    }
    let slower = of_short.per_second() / of_long.per_second();
    let (long_log, short_log) = (grouped(long_log), grouped(SHORT_LOG));
    let which = match from {
        From::Tail => format!("pull of 100 of the newest {short_log} changes, log of {long_log}"),
        From::Database => format!("pull of 100 changes anywhere in a log of {long_log}, read from the database"),
    };
    let what = format!("{which}: times as slow as in a log of {short_log}");
    bench.report.goal(Goal::at_most(what, 1.3, slower));
    let floor = Floor::rate("the same on the short log", of_short.per_second());
    bench.report.row(Row::of(format!("{which}, SQLite"), CONNECTIONS, &of_long).with_floors([floor]));
    Ok(())
}

fn grouped(changes: i64) -> String {
    whole(i32::try_from(changes).map_or(f64::NAN, f64::from))
}

/// The `n`-th pull of a connection starts at a place between `first` and `head` that looks random and is the same in
/// every run.
fn between(service: &Service, first: i64, head: i64) -> impl Requests + use<> {
    let bearer = service.bearer();
    let places = u64::try_from(head - first - i64::from(PAGE)).unwrap_or(1).max(1);
    move |connection: usize, n: u64, out: &mut Vec<u8>| {
        let mixed = (n * 64 + u64::try_from(connection).unwrap_or(0)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
        let place = first + i64::try_from(mixed % places).unwrap_or(0);
        out.extend_from_slice(&pull_request(&bearer, &device(connection), place, PAGE));
        true
    }
}

async fn beside_floor(
    bench: &Bench<'_>,
    service: &Service,
    requests: Arc<impl Requests>,
) -> anyhow::Result<(Turns, Turns)> {
    let (mut turns, mut floors) = (Turns::default(), Turns::default());
    for _ in 0..bench.args.rounds {
        let measured = one_turn(bench, service, &requests).await?;
        let body = br#"{"device_id":"phone-1","app_type":"sales_app","limit":100,"last_sync_token":"10000"}"#;
        let path = floor_server::answer_path(measured.answer_bytes);
        let same = Arc::new(load::same(http::request("POST", &path, &[], body)));
        let floor = &bench.floor;
        let folder = &service.database.folder;
        floors.0.push(turn(floor.pid, folder, floor.address, CONNECTIONS, bench.turn_time(), same).await?);
        turns.0.push(measured);
    }
    Ok((turns, floors))
}

async fn one_turn(bench: &Bench<'_>, service: &Service, requests: &Arc<impl Requests>) -> anyhow::Result<Turn> {
    let (pid, folder) = (service.program.pid, &service.database.folder);
    turn(pid, folder, service.address(), CONNECTIONS, bench.turn_time(), Arc::clone(requests)).await
}

fn empty_handler(floor: &Turns, turns: &Turns) -> Floor {
    let bytes = turns.0.last().map_or(0, |turn| turn.answer_bytes);
    Floor::rate(format!("empty handler, same body, {bytes} bytes back"), floor.per_second())
}

async fn reset_devices(service: &Service) -> anyhow::Result<i64> {
    let mut head = 0;
    for connection in 0..CONNECTIONS {
        head = service.reset(&device(connection)).await?;
        // The rights of the user are asked for once, before anything is measured.
        http::call_json(service.address(), &service.pull(&device(connection), head - 1, 1)).await?;
    }
    Ok(head)
}

fn device(connection: usize) -> String {
    format!("phone-{connection}")
}
