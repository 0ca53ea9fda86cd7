//! The metrics as Prometheus reads them.

use crate::support::{App, Client, eventually};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longer than the values that need the database are kept.
const PATIENCE: Duration = Duration::from_mins(2);

/// The answer of `/metrics`, each series (`name{label="value",…}`) with its value.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) types: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

impl Scrape {
    /// Asks now.
    pub(crate) async fn of(app: &App) -> Self {
        let answer = app.anonymous().get("/metrics").await;
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::read(answer.expect(200).as_str().expect("text"))
    }

    /// Asks until a condition holds.
    pub(crate) async fn until(app: &App, what: &str, holds: impl Fn(&Self) -> bool) -> Self {
        eventually(what, PATIENCE, async || Some(Self::of(app).await).filter(|scrape| holds(scrape))).await
    }

    fn read(text: &str) -> Self {
        let (mut types, mut values) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
                let before = values.insert(series.to_owned(), value.parse().unwrap());
                assert!(before.is_none(), "{series} twice");
            }
        }
        Self { types, values }
    }

    /// The value of a series; `None` if there is none.
    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }

    /// The value of a series that counts, 0 if nothing was counted.
    pub(crate) fn count(&self, series: &str) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small whole numbers")]
        self.get(series).map_or(0, |value| value as u64)
    }

    /// The values that a label has in a metric.
    pub(crate) fn label_values(&self, metric: &str, label: &str) -> BTreeSet<String> {
        let start = format!("{label}=\"");
        let of_metric = self.values.keys().filter(|series| series.starts_with(&format!("{metric}{{")));
        of_metric
            .filter_map(|series| {
                let from = series.find(&start)? + start.len();
                series[from..].split('"').next().map(str::to_owned)
            })
            .collect()
    }
}

/// Registers a system at whose address nobody listens; the client pushes as it.
pub(crate) async fn pusher(app: &App, admin: &Client, system_id: &str) -> Client {
    let body = json!({
        "system_id": system_id,
        "system_type": "odoo",
        "connection_config": { "url": "http://127.0.0.1:9", "database": "none", "username": "u", "password": "p" },
    });
    let system = admin.post("/api/v1/systems", &body).await.expect(201);
    app.anonymous().with_token(system["push_key"].as_str().unwrap())
}
