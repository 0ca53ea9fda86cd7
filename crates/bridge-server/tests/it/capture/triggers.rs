//! What the triggers write down, and that they never make Odoo's transaction fail.

use crate::support::OdooDatabase;
use bridge_erp::odoo::database::capture::outbox::Outbox;
use bridge_erp::odoo::database::capture::{CaptureOptions, status};
use bridge_erp::odoo::database::{Database, DatabaseErrorKind, DatabaseOptions, TableMap};

/// What the outbox tells, in words.
async fn told(database: &OdooDatabase) -> Vec<String> {
    let reader = Database::connect(&database.role_url(), &DatabaseOptions::default()).await.unwrap();
    let outbox = Outbox::open(&reader).await.unwrap();
    let tables = TableMap::read(&reader).await.unwrap();
    let rows = outbox.rows(&reader, "life", 0, 1_000).await.unwrap();
    let lines = rows.iter().flat_map(|row| tables.told_by(&row.change)).map(|told| {
        let record = told.record_id.map_or("all".to_owned(), |id| id.to_string());
        format!("{} {record} {}", told.model, told.event)
    });
    let lines = lines.collect();
    let ids: Vec<i64> = rows.iter().map(|row| row.witness.id).collect();
    outbox.delete(&reader, &ids).await.unwrap();
    lines
}

#[tokio::test]
async fn every_committed_change_of_a_row_is_written_down() {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let client = database.client().await;
    let run = async |sql: &str| client.batch_execute(sql).await.unwrap();

    run("INSERT INTO res_partner (name) VALUES ('one'), ('two')").await;
    run("UPDATE res_partner SET name = name || '!'").await;
    assert_eq!(
        told(&database).await,
        ["res.partner 1 create", "res.partner 2 create", "res.partner 1 write", "res.partner 2 write"]
    );
    run("BEGIN; INSERT INTO sale_tag (name) VALUES ('gone'); ROLLBACK").await;
    run("BEGIN; SAVEPOINT s; INSERT INTO sale_tag (name) VALUES ('gone'); ROLLBACK TO s;
        INSERT INTO sale_tag (id, name) VALUES (9, 'kept'); COMMIT")
    .await;
    run("INSERT INTO sale_order (id, partner_id) VALUES (5, 1), (6, 2)").await;
    run("INSERT INTO sale_order_line (id, order_id) VALUES (50, 5)").await;
    run("INSERT INTO sale_order_tag_rel VALUES (5, 9)").await;
    assert_eq!(
        told(&database).await,
        [
            "sale.tag 9 create",
            "sale.order 5 create",
            "sale.order 6 create",
            "sale.order.line 50 create",
            "sale.order 5 write"
        ]
    );
    // What the database does by itself is told as well.
    run("DELETE FROM res_partner WHERE id IN (1, 2)").await;
    let mut found = told(&database).await;
    found.sort();
    assert_eq!(found, ["res.partner 1 unlink", "res.partner 2 unlink", "sale.order 5 write", "sale.order 6 write"]);
    run("DELETE FROM sale_order WHERE id = 5").await;
    let mut found = told(&database).await;
    found.sort();
    assert_eq!(found, ["sale.order 5 unlink", "sale.order 5 write", "sale.order.line 50 unlink"]);
    run("UPDATE sale_order SET id = 7 WHERE id = 6").await;
    assert_eq!(told(&database).await, ["sale.order 6 unlink", "sale.order 7 write"]);
    run("TRUNCATE sale_order_tag_rel").await;
    run("TRUNCATE res_partner CASCADE").await;
    let mut found = told(&database).await;
    found.sort();
    found.dedup();
    let all = ["my.model all reset", "res.partner all reset", "sale.order all reset", "sale.order.line all reset"];
    assert_eq!(found, all);
    run("INSERT INTO ir_act_window (name) VALUES ('w')").await;
    run("UPDATE ir_actions SET name = 'x'").await;
    let window = ["ir.actions.act_window 1 create", "ir.actions.actions 1 create"];
    let written = ["ir.actions.act_window 1 write", "ir.actions.actions 1 write"];
    assert_eq!(told(&database).await, [window, written].concat(), "a row shows in the table above it, too");
    run("INSERT INTO not_odoos DEFAULT VALUES; INSERT INTO sale_wizard DEFAULT VALUES").await;
    assert!(told(&database).await.is_empty());
}

#[tokio::test]
async fn columns_and_images_are_written_on_request_and_hold_no_secrets() {
    let database = OdooDatabase::create().await;
    let options =
        CaptureOptions { changed_columns: true, row_image_bytes_max: 300, notify: true, ..database.options() };
    database.install(&options).await;
    let client = database.client().await;
    let sql = "INSERT INTO res_partner (name, password, notes) VALUES ('one', 'hush', '{\"a\": 1}');
        UPDATE res_partner SET name = 'two', password = 'hush hush'; UPDATE res_partner SET name = repeat('x', 400)";
    client.batch_execute(sql).await.unwrap();
    let reader = Database::connect(&database.role_url(), &DatabaseOptions::default()).await.unwrap();
    let outbox = Outbox::open(&reader).await.unwrap();
    let rows = outbox.rows(&reader, "life", 0, 10).await.unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].change.changed_columns, None);
    assert_eq!(rows[0].change.new.as_ref().unwrap()["name"], "one");
    assert_eq!(rows[1].change.changed_columns.as_deref().unwrap(), ["name", "password"]);
    assert_eq!(rows[1].change.old.as_ref().unwrap()["name"], "one");
    assert!(rows.iter().all(|row| !format!("{row:?}").contains("hush")));
    assert!(rows[2].change.new.is_none(), "too large");
}

#[tokio::test]
async fn an_error_in_a_trigger_is_marked_and_does_not_stop_odoo() {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let client = database.client().await;
    client.batch_execute("ALTER TABLE bridgecore.outbox ADD CHECK (record_id <> 77)").await.unwrap();
    client.batch_execute("INSERT INTO res_partner (id) VALUES (77)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO sale_tag (id) VALUES (77); ROLLBACK").await.unwrap();
    let count: i64 = client.query_one("SELECT count(*) FROM res_partner", &[]).await.unwrap().get(0);
    assert_eq!(count, 1, "Odoo's row is there");
    let reader = Database::connect(&database.role_url(), &DatabaseOptions::default()).await.unwrap();
    let errors: Vec<_> = status(&reader).await.unwrap().tables.into_iter().filter(|table| table.errors > 0).collect();
    let errors: Vec<_> = errors.iter().map(|table| (table.table.as_str(), table.errors)).collect();
    assert_eq!(errors, [("res_partner", 1), ("sale_tag", 1)], "the mark outlives the rollback");
    let pulse = Outbox::open(&reader).await.unwrap().pulse(&reader, None).await.unwrap();
    assert_eq!(pulse.marks, 2);

    // A cancellation is Odoo's own wish and is not caught.
    let locked = database.client().await;
    locked.batch_execute("BEGIN; LOCK TABLE bridgecore.outbox IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let sql = "SET statement_timeout = 100; INSERT INTO res_partner (id) VALUES (78)";
    let error = client.batch_execute(sql).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014", "{error:?}");
}

#[tokio::test]
async fn the_role_may_read_the_outbox_and_nothing_else() {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let reader = Database::connect(&database.role_url(), &DatabaseOptions::default()).await.unwrap();
    for sql in [
        "SELECT * FROM res_partner",
        "INSERT INTO bridgecore.outbox (table_name, operation, txid, occurred_at) VALUES ('x', 'U', 1, now())",
        "UPDATE bridgecore.outbox SET record_id = 1",
        "UPDATE bridgecore.settings SET value = 'x'",
        "SELECT nextval('bridgecore.marks')",
        "CREATE TABLE bridgecore.mine (id integer)",
        "DELETE FROM ir_model",
    ] {
        let error = reader.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.kind, DatabaseErrorKind::Denied, "{sql}: {error:?}");
    }
    // Somebody else in Odoo's database can't make the triggers write what did not happen.
    let client = database.client().await;
    client
        .batch_execute("CREATE ROLE stranger_of_capture; GRANT CREATE ON SCHEMA public TO stranger_of_capture")
        .await
        .ok();
    let sql = "SET ROLE stranger_of_capture; CREATE TEMP TABLE res_partner (id integer);
        CREATE TRIGGER t AFTER INSERT ON pg_temp.res_partner EXECUTE FUNCTION bridgecore.note_truncate('1')";
    let error = client.batch_execute(sql).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501", "{error:?}");
}
