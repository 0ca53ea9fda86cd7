//! The adapter against the demo ERP, which answers as Odoo 19 does.

use super::*;
use crate::fake::{Addon, DemoErp, Fault, Options};
use crate::{FeedKind, SearchRead};
use bridge_model::{Event, RecordId};
use futures_util::future::join_all;

async fn erp(addon: Addon) -> DemoErp {
    DemoErp::start(Options { addon, ..Options::default() }).await.unwrap()
}

fn adapter_to(erp: &DemoErp) -> Arc<dyn Adapter> {
    connect("odoo", &erp.connection(), &options(), Arc::new(SystemClock)).unwrap()
}

fn values(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn named(name: &str) -> SearchRead {
    SearchRead {
        model: model("res.partner"),
        domain: json!([["name", "=", name]]),
        fields: vec!["name".into(), "city".into()],
        offset: 0,
        limit: 10,
        order: "id desc".into(),
        context: Map::new(),
    }
}

#[tokio::test]
async fn records_are_made_changed_found_and_deleted_and_each_step_is_in_the_feed() {
    let erp = erp(Addon::Bridgecore).await;
    let adapter = adapter_to(&erp);
    let partner = model("res.partner");
    let start = adapter.feed_info().await.unwrap().unwrap().newest_id;

    let ids =
        adapter.create(&partner, vec![values(json!({"name": "Ann"})), values(json!({"name": "Bo"}))]).await.unwrap();
    adapter.write(&partner, &ids[..1], values(json!({"city": "Nice"}))).await.unwrap();
    let found = adapter.search_read(&named("Ann")).await.unwrap();
    assert_eq!((found.len(), &found[0]["city"]), (1, &json!("Nice")));
    assert_eq!(adapter.count(&partner, &json!([["name", "in", ["Ann", "Bo"]]])).await.unwrap(), 2);
    adapter.unlink(&partner, &ids[1..]).await.unwrap();
    let again = adapter.unlink(&partner, &ids[1..]).await.unwrap_err();
    assert_eq!(again.kind, ErpErrorKind::MissingRecord);

    let events = adapter.feed_after(start, 100).await.unwrap();
    let seen: Vec<_> = events
        .into_iter()
        .map(|event| event.event.unwrap())
        .filter(|event| event.model == partner)
        .map(|event| (event.event, event.record_id))
        .collect();
    assert_eq!(
        seen,
        [
            (Event::Create, ids[0].clone()),
            (Event::Create, ids[1].clone()),
            (Event::Write, ids[0].clone()),
            (Event::Unlink, ids[1].clone()),
        ]
    );
}

#[tokio::test]
async fn events_that_commit_late_are_found_by_their_ids_and_undone_ones_are_not() {
    let erp = erp(Addon::Bridgecore).await;
    let adapter = adapter_to(&erp);
    let start = erp.db().last_event_id();
    let write = |name: &str| {
        let mut transaction = erp.db().begin(2);
        transaction.create("res.partner", json!({"name": name})).unwrap();
        transaction
    };
    let (late, undone, early) = (write("late"), write("undone"), write("early"));
    early.commit();
    let ids = |events: Vec<crate::FeedEvent>| events.into_iter().map(|event| event.id).collect::<Vec<_>>();
    let seen = ids(adapter.feed_after(start, 100).await.unwrap());
    let newest = *seen.last().unwrap();
    assert!(adapter.feed_info().await.unwrap().unwrap().oldest_transaction_ms.unwrap() > 0);
    let gaps: Vec<i64> = (start + 1..newest).filter(|id| !seen.contains(id)).collect();
    assert!(gaps.len() >= 2, "{gaps:?}");
    assert!(ids(adapter.feed_by_ids(&gaps).await.unwrap()).is_empty());
    late.commit();
    undone.rollback();
    let filled = ids(adapter.feed_by_ids(&gaps).await.unwrap());
    assert!(!filled.is_empty() && filled.len() < gaps.len(), "{filled:?} of {gaps:?}");
    assert!(ids(adapter.feed_after(newest, 100).await.unwrap()).is_empty(), "a plain cursor would have lost them");
    assert_eq!(adapter.feed_info().await.unwrap().unwrap().oldest_transaction_ms, Some(0));
}

#[tokio::test]
async fn an_expired_session_costs_one_log_in_however_many_notice() {
    let erp = erp(Addon::Bridgecore).await;
    let adapter = adapter_to(&erp);
    assert!(count(&adapter).await.unwrap() > 0);
    for round in 1..=3 {
        erp.expire_sessions();
        for outcome in join_all((0..10).map(|_| count(&adapter))).await {
            outcome.unwrap();
        }
        assert_eq!(erp.faults().calls("session", "authenticate"), round + 1);
    }
    // A write is repeated as well here, since Odoo has not run it.
    let before = erp.db().count("res.partner");
    erp.expire_sessions();
    adapter.create(&model("res.partner"), vec![values(json!({"name": "Once"}))]).await.unwrap();
    assert_eq!(erp.db().count("res.partner"), before + 1);
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_is_not_sent_again() {
    let erp = erp(Addon::Bridgecore).await;
    let adapter = adapter_to(&erp);
    let partner = model("res.partner");
    adapter.authenticate().await.unwrap();
    for fault in [Fault::ResetAfterWork, Fault::CutReply, Fault::Reset, Fault::Status(502)] {
        let before = (erp.db().count("res.partner"), erp.faults().calls("res.partner", "create"));
        erp.faults().fail_method("res.partner", "create", 1, fault);
        let error = adapter.create(&partner, vec![values(json!({"name": "Once"}))]).await.unwrap_err();
        let kind = if fault == Fault::Status(502) { ErpErrorKind::Unavailable } else { ErpErrorKind::Unreachable };
        assert_eq!(error.kind, kind, "{fault:?}: {error}");
        assert_eq!(erp.faults().calls("res.partner", "create"), before.1 + 1, "{fault:?}");
        let made = usize::from(matches!(fault, Fault::ResetAfterWork | Fault::CutReply));
        assert_eq!(erp.db().count("res.partner"), before.0 + made, "{fault:?}");
    }
}

#[tokio::test]
async fn a_read_gets_through_three_failures_of_any_kind_and_not_through_four() {
    let erp = erp(Addon::Bridgecore).await;
    let adapter = adapter_to(&erp);
    adapter.feed_info().await.unwrap();
    for fault in [Fault::ResetAfterWork, Fault::CutReply, Fault::Reset, Fault::Status(503)] {
        for (failures, through) in [(3, true), (4, false)] {
            erp.faults().reset_counts();
            erp.faults().fail_method("update.webhook", "search_read", failures, fault);
            assert_eq!(adapter.feed_after(0, 5).await.is_ok(), through, "{fault:?} {failures} times");
            assert_eq!(erp.faults().calls("update.webhook", "search_read"), 4, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_hangs_ends_at_its_time_out() {
    let erp = erp(Addon::Bridgecore).await;
    let connection = Connection { timeout_ms: Some(150), ..erp.connection() };
    let options = ClientOptions { retries_max: 1, ..options() };
    let adapter = connect("odoo", &connection, &options, Arc::new(SystemClock)).unwrap();
    adapter.authenticate().await.unwrap();
    erp.faults().fail_method("res.partner", "search_count", 2, Fault::Hang);
    assert_eq!(count(&adapter).await.unwrap_err().kind, ErpErrorKind::Timeout);
    assert_eq!(erp.faults().calls("res.partner", "search_count"), 2);
    assert!(count(&adapter).await.is_ok());
}

#[tokio::test]
async fn a_server_that_stops_and_comes_back_is_found_again_with_the_session_it_knows() {
    let erp = erp(Addon::Bridgecore).await;
    let adapter = adapter_to(&erp);
    count(&adapter).await.unwrap();
    erp.stop().await;
    assert_eq!(count(&adapter).await.unwrap_err().kind, ErpErrorKind::Unreachable);
    erp.restart().await.unwrap();
    count(&adapter).await.unwrap();
    assert_eq!(erp.faults().calls("session", "authenticate"), 1);
}

#[tokio::test]
async fn each_add_on_is_recognised_and_a_new_life_of_its_numbering_too() {
    for addon in [Addon::Bridgecore, Addon::AutoWebhook] {
        let erp = erp(addon).await;
        let adapter = adapter_to(&erp);
        let first = adapter.feed_info().await.unwrap().unwrap();
        assert_eq!(matches!(first.kind, FeedKind::Bridgecore { .. }), addon == Addon::Bridgecore);
        assert_eq!(adapter.feed_info().await.unwrap().unwrap().identity, first.identity);

        adapter.create(&model("res.partner"), vec![values(json!({"name": "Ann"}))]).await.unwrap();
        let events = adapter.feed_after(first.newest_id, 10).await.unwrap();
        let event = events[0].event.as_ref().unwrap();
        assert_eq!((event.event, event.model.as_str()), (Event::Create, "res.partner"));
        assert_eq!(event.changed_fields.is_some(), addon == Addon::Bridgecore);

        erp.new_life();
        let second = adapter.feed_info().await.unwrap().unwrap();
        assert_ne!(second.identity, first.identity, "{addon:?}");
        assert_eq!(second.newest_id, 0);
    }
    let erp = erp(Addon::None).await;
    assert_eq!(adapter_to(&erp).feed_info().await.unwrap(), None);
}

#[tokio::test]
async fn rights_are_the_same_with_our_add_on_and_without() {
    let names = ["sale.order", "purchase.order", "stock.picking", "stock.quant", "res.partner", "no.such.model"];
    let asked: Vec<ModelName> = names.into_iter().map(model).collect();
    let mut answers = Vec::new();
    for addon in [Addon::Bridgecore, Addon::AutoWebhook, Addon::None] {
        let erp = erp(addon).await;
        let adapter = adapter_to(&erp);
        let mut by_user = Vec::new();
        for login in ["admin", "sales", "stock"] {
            let own = connect("odoo", &erp.connection_as(login, login), &options(), Arc::new(SystemClock)).unwrap();
            let user_id = own.authenticate().await.unwrap().erp_user_id;
            let readable = adapter.readable_models(user_id, &asked).await.unwrap();
            // What is said to be readable can be read, and what is not cannot.
            for model in &asked {
                let outcome = own.count(model, &json!([])).await;
                assert_eq!(outcome.is_ok(), readable.contains(model), "{login} {model} {outcome:?}");
            }
            by_user.push(readable);
        }
        assert_ne!(by_user[1], by_user[2], "these two users differ");
        assert_eq!(adapter.readable_models(999_999, &asked).await.unwrap(), [], "nobody");
        answers.push(by_user);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn errors_have_the_kinds_that_the_real_server_gives_them() {
    let erp = erp(Addon::Bridgecore).await;
    let adapter = adapter_to(&erp);
    let partner = model("res.partner");
    let kind = |outcome: Result<(), ErpError>| outcome.unwrap_err().kind;
    assert_eq!(adapter.server_info().await.unwrap().major, 19);
    let unknown_model = adapter.count(&model("no.such"), &json!([])).await;
    assert_eq!(kind(unknown_model.map(drop)), ErpErrorKind::UnknownModel);
    let unknown_method = adapter.call(&partner, "no_such", vec![json!([1])], Map::new()).await;
    assert_eq!(kind(unknown_method.map(drop)), ErpErrorKind::UnknownMethod);
    let unknown_field = adapter.count(&partner, &json!([["no_such", "=", 1]])).await;
    assert_eq!(kind(unknown_field.map(drop)), ErpErrorKind::InvalidRequest);
    let missing = adapter.write(&partner, &[RecordId::Number(999_999)], values(json!({"name": "x"}))).await;
    assert_eq!(kind(missing), ErpErrorKind::MissingRecord);
    let text_key = adapter.write(&partner, &[RecordId::Text("7".into())], Map::new()).await;
    assert_eq!(kind(text_key), ErpErrorKind::InvalidRequest);
    let all = adapter.search_read(&SearchRead { limit: 0, ..named("x") }).await;
    assert_eq!(kind(all.map(drop)), ErpErrorKind::InvalidRequest);
    let wrong = Connection { password: "wrong".into(), ..erp.connection() };
    let refused = connect("odoo", &wrong, &options(), Arc::new(SystemClock)).unwrap().authenticate().await;
    assert_eq!(kind(refused.map(drop)), ErpErrorKind::Authentication);
    let elsewhere = Connection { database: "no_such".into(), ..erp.connection() };
    let unknown = connect("odoo", &elsewhere, &options(), Arc::new(SystemClock)).unwrap().authenticate().await;
    assert_eq!(kind(unknown.map(drop)), ErpErrorKind::UnknownDatabase);
}
