//! What a process and the disk did, as the kernel counts it.

use anyhow::Context as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The processor time that a process has used, in microseconds.
pub(crate) fn cpu_micros(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("read a process's times")?;
    // The name in brackets may hold anything; the fields after it are fixed.
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
    let (user, system) = (ticks(11), ticks(12));
    let ticks = user.zip(system).map(|(user, system)| f64::from(user) + f64::from(system));
    // Linux counts hundredths of a second for programs to read, whatever it uses inside.
    ticks.map(|ticks| ticks * 10_000.0).context("understand a process's times")
}

/// The memory that a process holds, in megabytes of 1,000,000 bytes.
pub(crate) fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read a process's memory")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u32>().ok())
        .context("understand a process's memory")?;
    Ok(f64::from(kib) * 1_024.0 / 1_000_000.0)
}

/// How often the disk under `path` was told to make its cache durable, ever; `None` where the kernel does not count
/// that. It counts for the whole disk: another program that syncs is counted, too.
pub(crate) fn disk_flushes(path: &Path) -> Option<u64> {
    let device = std::fs::metadata(path).ok()?.dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    let table = std::fs::read_to_string("/proc/diskstats").ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.first()? == &major.to_string() && fields.get(1)? == &minor.to_string();
        if is_it { fields.get(18)?.parse().ok() } else { None }
    })
}
