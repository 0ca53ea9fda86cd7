//! Turns: a case and its floors alternate, so that what happens on the machine meanwhile meets all of them.

use crate::load::{Load, Requests, run};
use crate::stats::{count, median};
use crate::usage::{cpu_micros, disk_flushes};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One turn of a case, with what it cost.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Processor time of the server for one answer, in microseconds.
    pub(crate) server_cpu_us: f64,
    /// Processor time of the driver for one answer, in microseconds.
    pub(crate) driver_cpu_us: f64,
    /// Answers for one flush of the disk: how many shared a commit. `None` where the kernel does not count flushes.
    pub(crate) per_flush: Option<f64>,
    pub(crate) answer_bytes: usize,
}

/// Measures what `work` does to the process `server` and to the disk under `folder`.
pub(crate) async fn observe(
    server: u32,
    folder: &Path,
    work: impl Future<Output = anyhow::Result<Load>>,
) -> anyhow::Result<Turn> {
    let own = std::process::id();
    let (server_before, driver_before) = (cpu_micros(server)?, cpu_micros(own)?);
    let flushes_before = disk_flushes(folder);
    let mut load = work.await?;
    let answers = count(load.latencies.len()).max(1.0);
    let flushes =
        flushes_before.zip(disk_flushes(folder)).and_then(|(before, after)| u32::try_from(after - before).ok());
    Ok(Turn {
        per_second: load.per_second,
        p50_ms: load.latencies.quantile_ms(500),
        p99_ms: load.latencies.quantile_ms(990),
        // Processor time runs during the warm-up as well, which does not count as answers.
        server_cpu_us: (cpu_micros(server)? - server_before) / answers * load.share_measured(),
        driver_cpu_us: (cpu_micros(own)? - driver_before) / answers * load.share_measured(),
        per_flush: flushes
            .filter(|flushes| *flushes > 0)
            .map(|flushes| answers / f64::from(flushes) / load.share_measured()),
        answer_bytes: load.answer_bytes,
    })
}

/// A turn of a server under load.
pub(crate) async fn turn(
    server: u32,
    folder: &Path,
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    requests: Arc<impl Requests>,
) -> anyhow::Result<Turn> {
    observe(server, folder, run(address, connections, duration, requests)).await
}

/// The turns of one case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(pub(crate) Vec<Turn>);

impl Turns {
    pub(crate) fn median(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.0.iter().map(of))
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.median(|turn| turn.per_second)
    }

    /// The lowest and the highest turn, in answers a second.
    pub(crate) fn range(&self) -> (f64, f64) {
        self.0.iter().fold((f64::INFINITY, 0.0), |(low, high), turn| {
            (f64::min(low, turn.per_second), f64::max(high, turn.per_second))
        })
    }

    /// How many answers share a flush of the disk; `None` if that is not counted.
    pub(crate) fn per_flush(&self) -> Option<f64> {
        let known: Vec<f64> = self.0.iter().filter_map(|turn| turn.per_flush).collect();
        (!known.is_empty()).then(|| median(known))
    }
}
