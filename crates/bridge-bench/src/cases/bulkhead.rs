//! Reads of one tenant while the system of another hangs, beside the same reads while nothing does.

use super::Bench;
use super::records::{one_turn, read_passed_on};
use crate::http::{Connection, request};
use crate::load;
use crate::report::{Floor, Goal, Row};
use crate::round::Turns;
use crate::service::Service;
use anyhow::Context as _;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Who reads.
const CONNECTIONS: usize = 8;

/// Who waits for the system that hangs: as many as may call it and wait for a call. More would be turned away at once, and
/// turning them away would be measured.
const HANGING: usize = 64;

/// The settings of the measured service: a circuit that opens would end the hanging.
pub(super) const SETTINGS: [(&str, &str); 1] = [("BRIDGECORE_ERP__CIRCUIT_FAILURES_MAX", "1000000")];

/// How long the waiting ones may take to be inside.
const BEGINNING: Duration = Duration::from_millis(500);

pub(super) async fn measure(bench: &mut Bench<'_>, service: Service) -> anyhow::Result<Service> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen for the calls that hang")?;
    let address = listener.local_addr().context("the address of what hangs")?;
    let mut silence = JoinSet::new();
    silence.spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let (service, token) = service.with_other_tenant(address).await?;
    let asked = json!({ "action": "count", "model": "res.partner" }).to_string();
    let path = "/api/v1/systems/hanging/crud";
    // Each of them with a call of its own, and none that waits for the answer of another.
    let headers = [("authorization", &*format!("Bearer {token}")), ("cache-control", "no-store")];
    let hanging = request("POST", path, &headers, asked.as_bytes());
    let requests = Arc::new(load::same(read_passed_on(&service)));
    let (mut beside, mut alone) = (Turns::default(), Turns::default());
    for _ in 0..bench.args.rounds {
        let (pid, address) = (service.program.pid, service.address());
        alone.0.push(one_turn(bench, pid, address, CONNECTIONS, Arc::clone(&requests)).await?);
        let mut waiting = JoinSet::new();
        for _ in 0..HANGING {
            waiting.spawn(keep_asking(address, hanging.clone()));
        }
        tokio::time::sleep(BEGINNING).await;
        beside.0.push(one_turn(bench, pid, address, CONNECTIONS, Arc::clone(&requests)).await?);
        anyhow::ensure!(waiting.try_join_next().is_none(), "what should hang was answered");
    }
    let p99 = |turns: &Turns| turns.median(|turn| turn.p99_ms);
    let ratio = p99(&beside) / p99(&alone);
    bench.report.goal(Goal::at_most("p99 of reads while another tenant's system hangs, as a multiple", 1.25, ratio));
    let floor = Floor::rate("the same while nothing hangs", alone.per_second());
    let floor = floor.with_latency(alone.median(|turn| turn.p50_ms), p99(&alone));
    let what = format!("search_read passed on while {HANGING} requests of another tenant wait for a system that hangs");
    bench.report.row(Row::of(what, CONNECTIONS, &beside).with_floors([floor]));
    Ok(service)
}

/// Sends the request again whenever it was turned away. Any other answer ends it: then nothing hangs.
async fn keep_asking(address: SocketAddr, request: Vec<u8>) {
    if let Ok(mut connection) = Connection::open(address).await {
        while connection.call(&request).await.is_ok_and(|answer| answer.status >= 500) {}
    }
}
