//! Showing devices in `user.sync.state`.

use super::*;
use crate::DeviceState;
use crate::fake::{Addon, DemoErp, Options};

const SALES: i64 = 6;

async fn erp(addon: Addon) -> DemoErp {
    DemoErp::start(Options { addon, ..Options::default() }).await.unwrap()
}

fn device(number: usize) -> DeviceState {
    DeviceState {
        erp_user_id: SALES,
        device_id: format!("phone-{number}"),
        app_type: "sales_app".to_owned(),
        last_event_id: 40,
        last_sync_at: Some(Timestamp::parse_rfc3339("2026-03-02T09:00:00Z").unwrap()),
        sync_count: 3,
        last_event_count: 2,
        total_events_synced: i64::MAX,
        is_active: true,
    }
}

fn rows(erp: &DemoErp) -> Vec<Value> {
    let fields = json!(["device_id", "last_event_id", "last_sync_time", "total_events_synced", "is_active"]);
    let rows = erp.db().begin(2).call("user.sync.state", "search_read", vec![json!([]), fields]).unwrap();
    let mut rows = rows.as_array().unwrap().clone();
    rows.sort_by_key(|row| row["id"].as_i64());
    rows
}

#[tokio::test]
async fn both_add_ons_show_the_same_and_repeating_it_changes_nothing() {
    for addon in [Addon::Bridgecore, Addon::AutoWebhook] {
        let erp = erp(addon).await;
        for protocol in [Protocol::Jsonrpc, Protocol::Xmlrpc, Protocol::Json2] {
            let keyed = protocol == Protocol::Json2;
            let connection = if keyed { erp.connection_with_key("admin") } else { erp.connection() };
            let connection = Connection { protocol: Some(protocol), ..connection };
            let adapter = connect("odoo", &connection, &options(), Arc::new(SystemClock)).unwrap();
            let gone = DeviceState { is_active: false, ..device(1) };
            let never_seen = DeviceState { is_active: false, ..device(9) };
            let states = [device(0), device(1), never_seen];
            assert_eq!(adapter.show_devices(&states, 10).await.unwrap(), [Ok(()), Ok(()), Ok(())], "{addon:?}");
            let first = rows(&erp);
            assert_eq!(first.len(), 2, "{addon:?} {protocol:?}");
            assert_eq!((&first[0]["last_event_id"], &first[0]["is_active"]), (&json!(40), &json!(true)));
            assert_eq!(first[0]["last_sync_time"], "2026-03-02 09:00:00");
            assert_eq!(first[0]["total_events_synced"], i32::MAX, "more than the field holds");
            adapter.show_devices(&states, 10).await.unwrap();
            assert_eq!(rows(&erp), first, "{addon:?} {protocol:?}");
            let starting = DeviceState { last_event_id: 0, last_sync_at: None, ..device(0) };
            adapter.show_devices(&[starting, gone], 10).await.unwrap();
            let then = rows(&erp);
            assert_eq!((&then[0]["last_event_id"], &then[0]["last_sync_time"]), (&json!(0), &json!(false)));
            assert_eq!((&then[1]["is_active"], &then[1]["last_event_id"]), (&json!(false), &json!(40)));
        }
    }
}

#[tokio::test]
async fn no_more_calls_are_made_than_allowed() {
    for (addon, count, calls_max, shown, calls) in [
        (Addon::Bridgecore, 450, 3, 450, 3),
        (Addon::Bridgecore, 450, 2, 400, 2),
        // One finds what is there, and each new one takes two.
        (Addon::AutoWebhook, 5, 20, 5, 11),
        (Addon::AutoWebhook, 5, 6, 2, 5),
        (Addon::AutoWebhook, 5, 1, 1, 3),
    ] {
        let erp = erp(addon).await;
        let adapter = connect("odoo", &erp.connection(), &options(), Arc::new(SystemClock)).unwrap();
        adapter.feed_info().await.unwrap();
        erp.faults().reset_counts();
        let states: Vec<_> = (0..count).map(device).collect();
        let outcomes = adapter.show_devices(&states, calls_max).await.unwrap();
        assert_eq!(outcomes, vec![Ok(()); shown], "{addon:?} {calls_max}");
        let login = erp.faults().calls("session", "authenticate");
        assert_eq!(erp.faults().calls_total() - login, calls, "{addon:?} {calls_max}");
        assert_eq!(erp.db().count("user.sync.state"), shown);
    }
}

#[tokio::test]
async fn one_that_is_refused_stands_alone_and_no_right_is_an_error() {
    for addon in [Addon::Bridgecore, Addon::AutoWebhook] {
        let erp = erp(addon).await;
        let adapter = connect("odoo", &erp.connection(), &options(), Arc::new(SystemClock)).unwrap();
        let unknown_app = DeviceState { app_type: "field_app".to_owned(), ..device(1) };
        let states = [unknown_app, device(0)];
        let outcomes = adapter.show_devices(&states, 10).await.unwrap();
        assert!(matches!(&outcomes[..], [Err(reason), Ok(())] if !reason.is_empty()), "{addon:?} {outcomes:?}");
        let seller = connect("odoo", &erp.connection_as("stock", "stock"), &options(), Arc::new(SystemClock)).unwrap();
        let error = seller.show_devices(&states, 10).await.unwrap_err();
        assert_eq!(error.kind, ErpErrorKind::AccessDenied, "{addon:?} {error}");
    }
    let erp = erp(Addon::None).await;
    let adapter = connect("odoo", &erp.connection(), &options(), Arc::new(SystemClock)).unwrap();
    assert_eq!(adapter.show_devices(&[device(0)], 10).await.unwrap_err().kind, ErpErrorKind::UnknownModel);
}

/// An add-on of ours from before it could take many states at once.
#[tokio::test]
async fn an_older_version_of_our_add_on_is_told_one_by_one() {
    let server = Server::start(odoo(|request| {
        let params = request.params();
        match (params["model"].as_str().unwrap(), params["method"].as_str().unwrap()) {
            ("update.webhook", "bridgecore_info") => result(json!({"version": "1.0.0", "epoch": "e", "max_id": 1})),
            ("user.sync.state", "mirror_states") => error_with("builtins.AttributeError", &json!(["no method"])),
            ("user.sync.state", "search_read") => result(json!([])),
            ("user.sync.state", "get_or_create_state") => result(json!({"id": 3})),
            ("user.sync.state", "write") => result(json!(true)),
            other => panic!("{other:?}"),
        }
    }))
    .await;
    assert_eq!(adapter(&server).show_devices(&[device(0)], 10).await.unwrap(), [Ok(())]);
}
