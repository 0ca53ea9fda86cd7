//! Fills logs by the store itself, without the service around it.

use crate::service::{Database, ENCRYPTION_KEY};
use crate::stats::count;
use crate::time::now;
use anyhow::Context as _;
use bridge_model::clock::{Clock, SystemClock};
use bridge_model::entropy::SeededEntropy;
use bridge_model::{Event, ModelName, NewChange, Origin, RecordId, SourceId, SystemKey, Timestamp};
use bridge_store::{Append, NewUser, Role, Store, StoreOptions};
use serde_json::value::RawValue;
use std::sync::Arc;

/// How many changes one append carries.
const BATCH_ROWS: i64 = 5_000;

/// The models of the app type that pulls: every change in the log is for its devices.
const MODELS: [&str; 5] = ["sale.order", "sale.order.line", "res.partner", "product.template", "product.product"];

/// Appends so many changes to the log of the one tenant; nothing else may have a SQLite database open. Answers the
/// changes a second.
pub(crate) async fn fill(database: &Database, changes: i64) -> anyhow::Result<f64> {
    let store = open(database).await?;
    let systems = store.all_systems().await.context("look for the system")?;
    let system = systems.first().context("there is no system")?;
    let begin = now();
    let mut next = 1;
    while next <= changes {
        let end = (next + BATCH_ROWS).min(changes + 1);
        let batch = (next..end).map(|n| change(system.key, n, SystemClock.now())).collect::<anyhow::Result<_>>()?;
        store
            .append(system.tenant, Append { changes: batch, ..Append::default() })
            .await
            .context("append to the log")?;
        next = end;
    }
    let seconds = (now() - begin).as_secs_f64();
    store.close().await;
    Ok(count(usize::try_from(changes).unwrap_or(0)) / seconds)
}

fn change(system: SystemKey, n: i64, occurred_at: Timestamp) -> anyhow::Result<NewChange> {
    let place = usize::try_from(n).unwrap_or(0) % MODELS.len();
    let model = ModelName::parse(MODELS[place])?;
    Ok(NewChange {
        origin: Origin::Push,
        source_id: Some(SourceId::from(n)),
        changed_fields: Some(vec!["state".to_owned(), "amount_total".to_owned()]),
        payload: Some(RawValue::from_string(r#"{"state":"sale"}"#.to_owned())?),
        erp_user_id: Some(2),
        ..NewChange::of(system, model, RecordId::Number(n), Event::Write, occurred_at)
    })
}

/// The admin of the other tenant, with the password of the first one's.
pub(crate) const OTHER_ADMIN: &str = "other-admin";

/// Makes another tenant with an admin; nothing else may have a SQLite database open.
pub(crate) async fn other_tenant(database: &Database) -> anyhow::Result<()> {
    let store = open(database).await?;
    let admin = store.user_by_name("admin").await.context("look for the admin")?.context("there is no admin")?;
    let tenant = store.create_tenant("other", "enterprise").await.context("make a tenant")?;
    let other = NewUser {
        username: OTHER_ADMIN.to_owned(),
        password_hash: admin.password_hash,
        role: Role::Admin,
        odoo_user_id: None,
        language: None,
    };
    store.create_user(tenant.id, other).await.context("make a user")?;
    store.close().await;
    Ok(())
}

async fn open(database: &Database) -> anyhow::Result<Store> {
    let options = StoreOptions::new(database.url.clone(), vec![ENCRYPTION_KEY.to_owned()]);
    let opened = Store::open(options, Arc::new(SystemClock), Arc::new(SeededEntropy::new(1))).await;
    opened.context("open the database")
}

/// The `event_id` from which pushed events are numbered: above every change that is filled in.
pub(crate) const FIRST_PUSHED: i64 = 1_000_000_000;

/// An event as an ERP pushes it.
pub(crate) fn pushed_event(n: i64) -> String {
    format!(
        r#"{{"model":"sale.order","record_id":{n},"event":"write","priority":"high","timestamp":"2025-11-16T10:30:00Z","changed_fields":["state","amount_total"],"user_id":2,"payload":{{"state":"sale"}},"_webhook_metadata":{{"event_id":{n}}}}}"#
    )
}
