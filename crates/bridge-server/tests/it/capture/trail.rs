//! What Odoo notes of changes is added to those that the triggers saw, and never stands in their way.

use super::read::Scene;
use crate::ingest::pusher::log_of;
use crate::support::{OdooDatabase, Setup, eventually, on_both_databases};
use bridge_erp::odoo::database::capture::CaptureOptions;
use bridge_model::Change;
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

on_both_databases!(
    a_change_gets_what_was_noted_in_its_own_transaction,
    a_trail_that_hangs_holds_changes_up_once_and_briefly,
    an_outbox_of_an_earlier_version_is_read_on,
);

/// Odoo's tables for its notes, as far as they are read.
const TRAIL: &str = "
    ALTER TABLE res_partner ADD write_uid integer;
    CREATE TABLE mail_message (id serial PRIMARY KEY, model varchar, res_id integer, create_date timestamp,
        create_uid integer, body text);
    CREATE TABLE mail_tracking_value (id serial PRIMARY KEY, mail_message_id integer, field_id integer,
        old_value_integer integer, new_value_integer integer, old_value_char varchar, new_value_char varchar);
    INSERT INTO ir_model_fields (model, model_id, name, ttype, store)
        SELECT model, id, unnest(ARRAY['message_ids', 'name', 'password']), 'char', true
        FROM ir_model WHERE model = 'res.partner';";

/// Writes a record as Odoo does: the row, and the note of it, in one transaction.
fn write_as(user: i64, old: &str, new: &str) -> String {
    let note = |field: &str| {
        format!(
            "INSERT INTO mail_tracking_value (mail_message_id, field_id, old_value_char, new_value_char)
                SELECT currval('mail_message_id_seq'), id, '{old}', '{new}' FROM ir_model_fields WHERE name = '{field}';"
        )
    };
    format!(
        "BEGIN;
        UPDATE res_partner SET name = '{new}', write_uid = {user}, write_date = now() AT TIME ZONE 'UTC' WHERE id = 1;
        INSERT INTO mail_message (model, res_id, create_date, create_uid)
            VALUES ('res.partner', 1, now() AT TIME ZONE 'UTC', {user});
        {} {}
        COMMIT",
        note("name"),
        note("password")
    )
}

async fn scene(setup: Setup, database: &OdooDatabase, timeout_ms: u64) -> Scene {
    database.client().await.batch_execute(TRAIL).await.unwrap();
    let options = CaptureOptions { trail: true, ..database.options() };
    database.install(&options).await;
    let setup = setup.config(|config| {
        config.detection.trail.timeout_ms = timeout_ms;
        config.detection.trail.rest_ms = 3_600_000;
    });
    let scene = Scene::start(&setup, database).await;
    scene.is_reading().await;
    scene
}

/// The log once it holds so many changes.
async fn log_with(scene: &Scene, count: usize) -> Vec<Change> {
    eventually("the log holds as many changes", PATIENCE, async || {
        let log = log_of(&scene.app, &scene.admin).await;
        (log.len() >= count).then_some(log)
    })
    .await
}

fn told(change: &Change) -> (Option<i64>, Value, Value) {
    let json = |data: &Option<Box<serde_json::value::RawValue>>| {
        data.as_ref().map_or(Value::Null, |data| serde_json::from_str(data.get()).unwrap())
    };
    (change.body.erp_user_id, json(&change.body.old_data), json(&change.body.new_data))
}

async fn a_change_gets_what_was_noted_in_its_own_transaction(setup: Setup) {
    let database = OdooDatabase::create().await;
    let scene = scene(setup, &database, 60_000).await;
    let client = database.client().await;
    client.batch_execute("INSERT INTO res_partner (id, name, write_uid) VALUES (1, 'a', 5)").await.unwrap();
    client.batch_execute(&write_as(7, "a", "b")).await.unwrap();
    client.batch_execute(&write_as(8, "b", "c")).await.unwrap();
    // Nobody's, although the row still names who wrote it last.
    client.batch_execute("UPDATE res_partner SET name = 'd' WHERE id = 1").await.unwrap();
    client.batch_execute("DELETE FROM res_partner WHERE id = 1").await.unwrap();
    let log = log_with(&scene, 5).await;
    let name = |name: &str| serde_json::json!({ "name": name });
    // The password was noted as well, and is not passed on.
    let expected = [
        (Some(5), Value::Null, Value::Null),
        (Some(7), name("a"), name("b")),
        (Some(8), name("b"), name("c")),
        (None, Value::Null, Value::Null),
        (None, Value::Null, Value::Null),
    ];
    assert_eq!(log.iter().map(told).collect::<Vec<_>>(), expected);
    scene.app.stop().await;
}

async fn a_trail_that_hangs_holds_changes_up_once_and_briefly(setup: Setup) {
    let database = OdooDatabase::create().await;
    let scene = scene(setup, &database, 300).await;
    let (client, mut other) = (database.client().await, database.client().await);
    client.batch_execute("INSERT INTO res_partner (id, name) VALUES (1, 'a')").await.unwrap();
    log_with(&scene, 1).await;
    client.batch_execute(&write_as(7, "a", "b")).await.unwrap();
    let held = other.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE mail_tracking_value").await.unwrap();
    let sql = "UPDATE res_partner SET write_uid = 7, write_date = now() AT TIME ZONE 'UTC' WHERE id = 1";
    for _ in 0..5 {
        client.batch_execute(sql).await.unwrap();
    }
    let log = log_with(&scene, 7).await;
    assert_eq!(told(&log[6]), (Some(7), Value::Null, Value::Null), "who wrote it is in the row");
    let lookups = |outcome: &str| scene.app.context().metrics.trail_lookups.with_label_values(&[outcome]).get();
    assert_eq!(lookups("failed"), 1, "after a failure nothing is looked up for an hour");
    held.rollback().await.unwrap();
    scene.app.stop().await;
}

async fn an_outbox_of_an_earlier_version_is_read_on(setup: Setup) {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let client = database.client().await;
    client.batch_execute("ALTER TABLE bridgecore.outbox DROP COLUMN began_at, DROP COLUMN user_id").await.unwrap();
    let scene = Scene::start(&setup, &database).await;
    scene.is_reading().await;
    client.batch_execute("INSERT INTO res_partner (id, name) VALUES (1, 'a')").await.unwrap();
    assert_eq!(told(&log_with(&scene, 1).await[0]), (None, Value::Null, Value::Null));
    scene.app.stop().await;
}
