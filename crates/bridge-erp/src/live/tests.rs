//! The live suite on the demo ERP.

use super::*;
use crate::fake::{DemoErp, Fault, Options};
use bridge_model::clock::SystemClock;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn options() -> ClientOptions {
    ClientOptions { retries_max: 0, ..ClientOptions::default() }
}

async fn left(erp: &DemoErp) -> u64 {
    let adapter = Odoo::new(&erp.connection(), &options(), clock()).unwrap();
    adapter.count(&model(MODEL).unwrap(), &json!([["name", "like", "BridgeCore live"]])).await.unwrap()
}

fn with_key(erp: &DemoErp) -> Connection {
    Connection { api_key: erp.connection_with_key("admin").api_key, ..erp.connection() }
}

#[tokio::test]
async fn every_protocol_passes_and_nothing_is_left() {
    let erp = DemoErp::start(Options::default()).await.unwrap();
    let report = run(&with_key(&erp), &options(), &clock()).await.unwrap();
    assert!(report.is_good(), "{report}");
    let protocols = ["json2", "jsonrpc session", "jsonrpc key", "xmlrpc"];
    for protocol in protocols {
        let passed = report.lines.iter().filter(|line| line.protocol == protocol).count();
        assert!(passed >= 12, "{protocol}: {report}");
    }
    assert_eq!(report.counts().2, 0, "{report}");
    assert_eq!(left(&erp).await, 0);
}

#[tokio::test]
async fn a_failure_leaves_nothing_behind_either() {
    let erp = DemoErp::start(Options::default()).await.unwrap();
    erp.faults().fail_method(MODEL, "write", 1, Fault::Status(500));
    let report = run(&with_key(&erp), &options(), &clock()).await.unwrap();
    assert!(!report.is_good(), "{report}");
    assert!(report.to_string().contains("FAILED   json2: life of a record"), "{report}");
    assert_eq!(left(&erp).await, 0);
}

#[tokio::test]
async fn one_who_may_not_delete_creates_nothing() {
    let erp = DemoErp::start(Options::default()).await.unwrap();
    let error = run(&erp.connection_as("stock", "stock"), &options(), &clock()).await.unwrap_err();
    assert_eq!(error.kind, ErpErrorKind::AccessDenied, "{error}");
    assert_eq!(erp.faults().calls(MODEL, "create"), 0);
}
