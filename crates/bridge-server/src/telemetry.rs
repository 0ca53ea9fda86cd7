//! Log lines: to standard error, for people or for collectors.

use crate::config::{Log, LogFormat};
use anyhow::Context as _;
use std::io::IsTerminal as _;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts writing log lines, also of panics. `RUST_LOG` wins over the config.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ => log.level.clone(),
    };
    let filter = EnvFilter::try_new(&filter).with_context(|| format!("log.level: {filter}"))?;
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_written));
    match log.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
    .context("start the log")?;
    // As a log line like any other, in the span of the request or job. The usual text would spoil a log of JSON.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.location = location, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    Ok(())
}

/// Below `info` only our own lines are written, whatever the level. Libraries print at `debug` and `trace` what passes
/// through them: WebSocket frames with tokens, the values in SQL statements.
fn may_be_written(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || line.target().starts_with("bridge")
}
