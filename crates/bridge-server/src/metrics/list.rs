//! The list of metrics for people, `docs/METRICS.md`.

use super::DESCRIBED;
use std::fmt::Write as _;

/// What stands above the list.
const HEAD: &str = "\
# Metrics

`GET /metrics` answers these in Prometheus' text format. It is open to whoever reaches the listener, unless
`server.metrics_token` is set: then it asks for `Authorization: Bearer` with that token. The values are those of one
node; ask each. It answers also while the service is too busy for other requests. What needs a look at the database
(lag, gaps, dead letters, positions, jobs) is looked up at most every five seconds.

`ops/prometheus/` holds a scrape config and alert rules. This list is generated from the table that registers the
metrics, `crates/bridge-server/src/metrics/mod.rs`, and a test fails when it is stale.

| name | type | labels | meaning |
|---|---|---|---|
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut lines: Vec<_> = DESCRIBED.iter().collect();
    lines.sort_by_key(|line| line.name);
    for line in lines {
        let labels: Vec<String> = line.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            line.name,
            line.kind,
            labels.join(", "),
            line.meaning.trim().trim_end_matches('.')
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set to write the page instead of comparing it.
    const WRITE_VARIABLE: &str = "BRIDGECORE_WRITE_DOCS";

    #[test]
    fn the_list_of_metrics_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
        if std::env::var_os(WRITE_VARIABLE).is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == markdown(),
            "docs/METRICS.md is stale: {WRITE_VARIABLE}=1 cargo test -p bridge-server --lib metrics"
        );
    }
}
