//! The machine that is measured on.

use crate::stats::Latencies;
use crate::time::now;
use anyhow::Context as _;
use bridge_model::clock::{Clock as _, SystemClock};
use std::io::Write as _;
use std::path::Path;

/// What of a machine decides the numbers.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_gb: f64,
    pub(crate) system: String,
    pub(crate) kernel: String,
    /// How long it takes to append 4 KiB and sync, in milliseconds: half of the tries, and 99 of 100.
    pub(crate) sync_ms: (f64, f64),
    /// Programs that wanted a core in the last minute before the run, on average.
    pub(crate) load_before: f64,
}

/// Up to this load a machine counts as quiet: the build that comes before a run is still in it.
const LOAD_QUIET_MAX: f64 = 2.5;

/// How often the sync is tried.
const SYNCS: usize = 300;

impl Machine {
    /// The load before the run, with a warning if something else was at work.
    pub(crate) fn load_text(&self) -> String {
        let load = self.load_before;
        if load < LOAD_QUIET_MAX {
            return format!("{load:.2}");
        }
        format!("{load:.2}: other programs were at work, so that rates here are too low and latencies too high")
    }

    /// Looks at the machine, and at the disk under `folder`.
    pub(crate) fn look(folder: &Path) -> anyhow::Result<Self> {
        let cpuinfo = read("/proc/cpuinfo");
        let memory_kib: f64 = after(&read("/proc/meminfo"), "MemTotal:").trim_end_matches(" kB").parse().unwrap_or(0.0);
        Ok(Self {
            date: SystemClock.now().whole_seconds().to_string(),
            cores: std::thread::available_parallelism().context("count the cores")?.get(),
            processor: after(&cpuinfo, "model name").trim_start_matches(':').trim().to_owned(),
            memory_gb: memory_kib * 1_024.0 / 1e9,
            system: after(&read("/etc/os-release"), "PRETTY_NAME=").trim_matches('"').to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").split(['-', '\n']).next().unwrap_or_default().to_owned(),
            sync_ms: sync_ms(folder)?,
            load_before: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        })
    }
}

fn sync_ms(folder: &Path) -> anyhow::Result<(f64, f64)> {
    let mut file = tempfile::tempfile_in(folder).context("make a file to sync")?;
    let mut latencies = Latencies::default();
    for _ in 0..SYNCS {
        let begin = now();
        file.write_all(&[b'x'; 4_096]).context("append")?;
        file.sync_data().context("sync")?;
        latencies.add(u32::try_from((now() - begin).as_micros()).unwrap_or(u32::MAX));
    }
    Ok((latencies.quantile_ms(500), latencies.quantile_ms(990)))
}

/// What the page can't know is left empty.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn after(text: &str, key: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned()
}
