//! Reads of records: out of the cache, and passed on to the ERP.

use super::Bench;
use crate::http::{call_json, request};
use crate::report::{Floor, Goal, Row};
use crate::round::{Turn, Turns, turn};
use crate::service::{Program, Service};
use crate::{floor_server, load};
use anyhow::bail;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CONNECTIONS: usize = 64;

/// The rows in an answer.
const ROWS: u32 = 20;

/// The settings of the measured service. The demo ERP has no add-on, so that its models are polled; a bound on the calls
/// of one system would measure that bound.
pub(super) const SETTINGS: [(&str, &str); 2] =
    [("BRIDGECORE_CACHE__POLLED_MODELS", "true"), ("BRIDGECORE_ERP__CALLS_AT_ONCE_MAX", "256")];

/// How long the service may take to find out who looks after the model.
const PATIENCE: Duration = Duration::from_mins(2);

/// A read of 20 rows that is in the cache, beside an empty handler.
pub(super) async fn cached(bench: &mut Bench<'_>, service: &Service) -> anyhow::Result<()> {
    wait_until_kept(service).await?;
    let requests = Arc::new(load::same(crud(service, &[])));
    let (mut turns, mut floors) = (Turns::default(), Turns::default());
    for _ in 0..bench.args.rounds {
        let measured =
            one_turn(bench, service.program.pid, service.address(), CONNECTIONS, Arc::clone(&requests)).await?;
        // It parses a pull, whose body is of about that size.
        let body = br#"{"device_id":"phone-1","app_type":"sales_app","limit":100,"last_sync_token":"10000"}"#;
        let path = floor_server::answer_path(measured.answer_bytes);
        let same = Arc::new(load::same(request("POST", &path, &[], body)));
        floors.0.push(one_turn(bench, bench.floor.pid, bench.floor.address, CONNECTIONS, same).await?);
        turns.0.push(measured);
    }
    bench.report.goal(Goal::at_least("cached read of 20 rows: answers a second", 25_000.0, turns.per_second()));
    let bytes = turns.0.last().map_or(0, |turn| turn.answer_bytes);
    let floor = Floor::rate(format!("empty handler, {bytes} bytes back"), floors.per_second());
    let what = format!("cached read of {ROWS} rows, {}", service.database.name);
    bench.report.row(Row::of(what, CONNECTIONS, &turns).with_floors([floor]));
    Ok(())
}

/// The same read passed on, on one connection, beside the ERP called directly: what the way through us adds.
pub(super) async fn added(bench: &mut Bench<'_>, service: &Service) -> anyhow::Result<()> {
    let (turns, direct) = passed_on(bench, service, bench.erp.pid, bench.erp.address, 1).await?;
    let p50 = |turns: &Turns| turns.median(|turn| turn.p50_ms);
    let added = p50(&turns) - p50(&direct);
    bench.report.goal(Goal::at_most("search_read of 20 rows passed on: added at p50, ms", 0.3, added));
    row(bench, &format!("search_read of {ROWS} rows passed on"), 1, &turns, &direct);
    Ok(())
}

/// The same on many connections, with an ERP that takes 10 ms.
pub(super) async fn behind_slow_erp(bench: &mut Bench<'_>, service: &Service, erp: &Program) -> anyhow::Result<()> {
    let (turns, direct) = passed_on(bench, service, erp.pid, erp.address, CONNECTIONS).await?;
    let share = turns.per_second() / direct.per_second();
    bench.report.goal(Goal::at_least(
        "search_read passed on to an ERP of 10 ms: share of the direct rate",
        0.95,
        share,
    ));
    let what = format!("search_read of {ROWS} rows passed on to an ERP that takes 10 ms");
    row(bench, &what, CONNECTIONS, &turns, &direct);
    Ok(())
}

async fn passed_on(
    bench: &Bench<'_>,
    service: &Service,
    erp_pid: u32,
    erp: SocketAddr,
    connections: usize,
) -> anyhow::Result<(Turns, Turns)> {
    let through = Arc::new(load::same(read_passed_on(service)));
    let direct = Arc::new(load::same(request("POST", "/jsonrpc", &[], search_read().to_string().as_bytes())));
    let answer = call_json(erp, &request("POST", "/jsonrpc", &[], search_read().to_string().as_bytes())).await?;
    if answer["result"].as_array().map(Vec::len) != usize::try_from(ROWS).ok() {
        bail!("the demo ERP does not answer {ROWS} rows: {answer}");
    }
    let (mut turns, mut directs) = (Turns::default(), Turns::default());
    for _ in 0..bench.args.rounds {
        let (pid, address) = (service.program.pid, service.address());
        turns.0.push(one_turn(bench, pid, address, connections, Arc::clone(&through)).await?);
        directs.0.push(one_turn(bench, erp_pid, erp, connections, Arc::clone(&direct)).await?);
    }
    Ok((turns, directs))
}

fn row(bench: &mut Bench<'_>, what: &str, connections: usize, turns: &Turns, direct: &Turns) {
    let (p50, p99) = (direct.median(|turn| turn.p50_ms), direct.median(|turn| turn.p99_ms));
    let floor = Floor::rate("the demo ERP called directly", direct.per_second()).with_latency(p50, p99);
    bench.report.row(Row::of(what, connections, turns).with_floors([floor]));
}

pub(super) async fn one_turn(
    bench: &Bench<'_>,
    pid: u32,
    address: SocketAddr,
    connections: usize,
    requests: Arc<impl load::Requests>,
) -> anyhow::Result<Turn> {
    let folder: &Path = &bench.args.folder;
    turn(pid, folder, address, connections, bench.turn_time(), requests).await
}

fn fields() -> [&'static str; 5] {
    ["name", "email", "phone", "city", "write_date"]
}

/// A read that the cache has nothing to do with.
pub(super) fn read_passed_on(service: &Service) -> Vec<u8> {
    crud(service, &[("cache-control", "no-store")])
}

/// The read as the service takes it.
fn crud(service: &Service, headers: &[(&str, &str)]) -> Vec<u8> {
    let body = json!({
        "action": "read", "model": "res.partner", "domain": [["active", "=", true]], "fields": fields(),
        "limit": ROWS, "order": "id asc",
    });
    let bearer = service.bearer();
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    request("POST", "/api/v1/systems/bench/crud", &all, body.to_string().as_bytes())
}

/// The same as the demo ERP takes it.
fn search_read() -> Value {
    let kwargs = json!({ "fields": fields(), "offset": 0, "limit": ROWS, "order": "id asc" });
    let args = json!(["demo", 2, "admin", "res.partner", "search_read", [[["active", "=", true]]], kwargs]);
    let params = json!({ "service": "object", "method": "execute_kw", "args": args });
    json!({ "jsonrpc": "2.0", "method": "call", "params": params, "id": 1 })
}

/// Reads until an answer comes out of the cache: before that, nobody looks after the model.
async fn wait_until_kept(service: &Service) -> anyhow::Result<()> {
    let looking = async {
        loop {
            call_json(service.address(), &crud(service, &[])).await?;
            let statistics = service.get("/api/v1/cache").await?;
            if statistics["hits"].as_u64().is_some_and(|hits| hits > 0) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(kept) => kept,
        Err(_) => bail!("nothing was kept within {PATIENCE:?}"),
    }
}
