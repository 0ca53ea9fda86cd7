//! Whether the log holds exactly what was committed, once, and in each record's order.

use super::stand::Stand;
use super::writers::Change;
use crate::support::eventually;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the log may take to hold everything.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

impl Stand {
    /// Fails the test, naming the round, unless the log after `from` is what was committed.
    pub(super) async fn judge(&self, from: i64, committed: &[Change], tells_versions: bool, round: &str) {
        let store = self.store().await;
        let wanted = expected(committed, tells_versions);
        let what = format!("{round}: the log holds {} changes", committed.len());
        eventually(&what, PATIENCE, async || {
            let sql = "SELECT count(*) FROM changes WHERE position > $1";
            let count: i64 = store.query_one(sql, &[&from]).await.ok()?.get(0);
            (usize::try_from(count).unwrap() >= committed.len()).then_some(())
        })
        .await;
        let outbox = self.erp().await;
        eventually(&format!("{round}: the outbox is empty but for the last row"), PATIENCE, async || {
            let rows: i64 = outbox.query_one("SELECT count(*) FROM bridgecore.outbox", &[]).await.ok()?.get(0);
            (rows <= 1).then_some(())
        })
        .await;
        let told = told(&store, from, tells_versions).await;
        for (record, wanted) in &wanted {
            assert_eq!(told.get(record), Some(wanted), "{round}: {record:?}");
        }
        for (record, told) in &told {
            assert!(wanted.contains_key(record), "{round}: {record:?} was never committed, but the log has {told:?}");
        }
    }
}

/// What happened to each record, in its order. Where the log can't tell versions, they are left out.
type Histories = BTreeMap<(String, Option<i64>), Vec<(String, i64)>>;

fn expected(committed: &[Change], tells_versions: bool) -> Histories {
    let mut sorted = committed.to_vec();
    // A record's deletion bears the version of its last write, and comes after it.
    sorted.sort_by_key(|change| (change.version, change.event == "unlink"));
    let mut histories = Histories::new();
    for change in sorted {
        let version = if tells_versions { change.version } else { 0 };
        histories.entry((change.model, change.record)).or_default().push((change.event.to_owned(), version));
    }
    histories
}

async fn told(store: &tokio_postgres::Client, from: i64, tells_versions: bool) -> Histories {
    let sql = "SELECT model, record_id, event, coalesce(new_data, old_data) FROM changes WHERE position > $1
        ORDER BY position";
    let mut histories = Histories::new();
    for row in store.query(sql, &[&from]).await.unwrap() {
        let (model, record, event): (String, Option<String>, String) = (row.get(0), row.get(1), row.get(2));
        let record = record.filter(|record| !record.is_empty()).map(|record| record.parse().unwrap());
        let image: Option<String> = row.get(3);
        let version = image
            .filter(|_| tells_versions)
            .map_or(0, |image| serde_json::from_str::<serde_json::Value>(&image).unwrap()["version"].as_i64().unwrap());
        histories.entry((model, record)).or_default().push((event, version));
    }
    histories
}
