//! What is told about each call to whoever watches.

use super::*;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the fields of every `erp.call` span.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

#[derive(Clone, Default, Debug)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "erp.call"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().unwrap();
        let mut fields = Fields::default();
        span.record(&mut fields);
        spans.push(fields);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let at = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut self.0.lock().unwrap()[at]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn each_call_has_a_span_without_secrets() {
    let server = Server::start(odoo(|request| match request.earlier_on_this_path {
        0 => error("odoo.exceptions.LockError"),
        _ => result(json!(3)),
    }))
    .await;
    let spans = Spans::default();
    let watching = tracing::subscriber::set_default(spans.clone());
    count(&adapter(&server)).await.unwrap();
    drop(watching);

    let seen = spans.0.lock().unwrap().clone();
    let outcomes: Vec<_> = seen.iter().map(|span| span.0["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["Unavailable", "ok"], "the failed try and the good one");
    for Fields(span) in &seen {
        assert_eq!((span["model"].as_str(), span["method"].as_str()), ("res.partner", "search_count"));
        assert_eq!(format!("http://{}", span["system.host"]), server.url());
        assert!(span["duration_ms"].parse::<i64>().unwrap() >= 0);
    }
    assert!(!format!("{seen:?}").contains("good"), "the password is nowhere: {seen:?}");
    // Nor does it show when somebody prints the adapter.
    let adapter = adapter(&server);
    let shown = format!("{adapter:?} {:?}", connection(&server));
    assert!(!shown.contains("good") && !shown.contains("password"), "{shown}");
}
