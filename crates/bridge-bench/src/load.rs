//! Many connections that each send their next request when the last one is answered.

use crate::http::Connection;
use crate::stats::{Latencies, count};
use crate::time::now;
use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// What one run of requests gave.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Answers in time and without error, a second.
    pub(crate) per_second: f64,
    /// Of all answers that count.
    pub(crate) latencies: Latencies,
    /// The time that was measured, in seconds.
    pub(crate) seconds: f64,
    /// The time before that, in which requests were sent as well, in seconds.
    pub(crate) warm_up_seconds: f64,
    /// The size of an answer's body, in bytes.
    pub(crate) answer_bytes: usize,
}

impl Load {
    /// The share of the work that counts: some is warm-up.
    pub(crate) fn share_measured(&self) -> f64 {
        self.seconds / (self.seconds + self.warm_up_seconds)
    }
}

/// The `n`-th request of a connection (both counted from 0), or `None` when that one is done.
pub(crate) trait Requests: Send + Sync + 'static {
    /// Writes the request into `out`; false: there is none.
    fn write(&self, connection: usize, n: u64, out: &mut Vec<u8>) -> bool;
}

impl<F: Fn(usize, u64, &mut Vec<u8>) -> bool + Send + Sync + 'static> Requests for F {
    fn write(&self, connection: usize, n: u64, out: &mut Vec<u8>) -> bool {
        self(connection, n, out)
    }
}

/// The same request again and again.
pub(crate) fn same(request: Vec<u8>) -> impl Requests {
    move |_: usize, _: u64, out: &mut Vec<u8>| {
        out.extend_from_slice(&request);
        true
    }
}

/// How long requests are sent before any counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// Sends for `duration` after a short warm-up. Any answer that is not a 200 is an error: it would be measured as if it
/// were work.
pub(crate) async fn run(
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    requests: Arc<impl Requests>,
) -> anyhow::Result<Load> {
    drive(address, connections, Some(duration), requests).await
}

/// Sends until there are no more requests.
pub(crate) async fn run_all(
    address: SocketAddr,
    connections: usize,
    requests: Arc<impl Requests>,
) -> anyhow::Result<Load> {
    drive(address, connections, None, requests).await
}

async fn drive(
    address: SocketAddr,
    connections: usize,
    duration: Option<Duration>,
    requests: Arc<impl Requests>,
) -> anyhow::Result<Load> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let warm_up = if duration.is_some() { WARM_UP } else { Duration::ZERO };
    let begin = now() + warm_up;
    let end = duration.map(|duration| begin + duration);
    let mut tasks = JoinSet::new();
    for (number, mut connection) in open.into_iter().enumerate() {
        let requests = Arc::clone(&requests);
        tasks.spawn(async move {
            let mut latencies = Latencies::default();
            let mut bytes = Vec::new();
            let mut answer_bytes = 0;
            for n in 0.. {
                bytes.clear();
                if !requests.write(number, n, &mut bytes) {
                    break;
                }
                let sent = now();
                let answer = connection.call(&bytes).await?;
                let answered = now();
                let body = connection.body(&answer);
                if answer.status != 200 {
                    bail!("an answer was {}: {}", answer.status, String::from_utf8_lossy(body));
                }
                if end.is_some_and(|end| answered > end) {
                    break;
                }
                if answered >= begin {
                    answer_bytes = answer_bytes.max(body.len());
                    latencies.add(u32::try_from((answered - sent).as_micros()).unwrap_or(u32::MAX));
                }
            }
            Ok((latencies, answer_bytes))
        });
    }
    let mut load = Load {
        per_second: 0.0,
        latencies: Latencies::default(),
        seconds: 0.0,
        warm_up_seconds: warm_up.as_secs_f64(),
        answer_bytes: 0,
    };
    while let Some(done) = tasks.join_next().await {
        let (latencies, answer_bytes) = done.context("a connection's task")??;
        load.latencies.merge(&latencies);
        load.answer_bytes = load.answer_bytes.max(answer_bytes);
    }
    load.seconds = duration.unwrap_or_else(|| now() - begin).as_secs_f64();
    load.per_second = count(load.latencies.len()) / load.seconds;
    Ok(load)
}
