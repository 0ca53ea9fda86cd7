//! The outbox is read into the log: everything, in order, once.

use crate::ingest::pusher::{log_of, tenant_of};
use crate::support::{App, Client, OdooDatabase, Setup, eventually, on_both_databases};
use bridge_model::{ModelClass, ModelName, Strategy, SystemKey, TenantId};
use bridge_store::{FoundModel, Ownership};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// The models that capture owns here.
const OWNED: [&str; 3] = ["res.partner", "sale.order", "sale.order.line"];

on_both_databases!(
    what_is_committed_gets_into_the_log_in_its_order,
    a_transaction_that_is_alone_is_waited_for,
    a_restored_database_is_a_new_life,
    an_error_in_a_trigger_and_one_that_was_off_are_answered_by_a_reset,
    an_error_that_no_tables_counter_tells_of_is_answered_for_all,
);

/// The service, a system whose changes are read from a database, and the models that capture owns.
pub(crate) struct Scene {
    pub(crate) app: App,
    pub(crate) admin: Client,
    pub(crate) tenant: TenantId,
    pub(crate) system: SystemKey,
}

impl Scene {
    pub(crate) async fn start(setup: &Setup, database: &OdooDatabase) -> Self {
        let quick = setup.clone().config(|config| {
            config.ingest.capture_check_ms = 50;
            config.ingest.capture_interval_max_ms = 50;
            config.detection.owners_fresh_ms = 0;
        });
        let app = quick.start().await;
        let admin = app.admin().await;
        let system = admin.post("/api/v1/systems", &database.registration("main")).await.expect(201);
        let scene =
            Self { tenant: tenant_of(&admin).await, system: SystemKey(system["id"].as_i64().unwrap()), app, admin };
        scene.own(&OWNED).await;
        scene
    }

    async fn own(&self, models: &[&str]) {
        let found = |name: &&str| FoundModel {
            model: ModelName::parse(*name).unwrap(),
            label: None,
            table_name: None,
            modules: None,
            class: ModelClass::Critical,
            has_write_date: true,
            available: Strategy::ALL.to_vec(),
            recommended: Some(Strategy::Capture),
        };
        let cx = self.app.context();
        let found: Vec<_> = models.iter().map(found).collect();
        cx.store.save_found_models(self.tenant, self.system, &found, None).await.unwrap();
        let cut = Ownership::Cut { from: None, to: Some(Strategy::Capture) };
        let steps: Vec<_> = found.iter().map(|found| (found.model.clone(), cut.clone())).collect();
        cx.store.move_ownership(self.tenant, self.system, &steps, None).await.unwrap();
        cx.owners.forget(self.system);
    }

    /// The log in words.
    async fn log(&self) -> Vec<String> {
        let line = |change: bridge_model::Change| {
            let body = change.body;
            let record = body.record_id.map_or("all".to_owned(), |id| id.to_string());
            format!("{} {record} {} {} {}", body.model, body.event, body.origin, body.priority)
        };
        log_of(&self.app, &self.admin).await.into_iter().map(line).collect()
    }

    async fn log_is(&self, expected: &[&str]) {
        self.log_is_but_for("nothing", expected).await;
    }

    /// The same without these events.
    async fn log_is_but_for(&self, event: &str, expected: &[&str]) {
        let looked = eventually("the log holds as many changes", PATIENCE, async || {
            let mut log = self.log().await;
            log.retain(|line| !line.contains(event));
            (log.len() >= expected.len()).then_some(log)
        });
        assert_eq!(looked.await, expected);
    }

    /// Waits until the outbox was looked at so many times.
    async fn looks(&self, count: usize) {
        let mut seen = std::collections::BTreeSet::new();
        eventually("the outbox is looked at", PATIENCE, async || {
            let status = self.admin.get("/api/v1/systems/main/status").await.expect(200);
            seen.insert(status["readers"]["capture"]["last_success_at"].to_string());
            (seen.len() > count).then_some(())
        })
        .await;
    }

    pub(crate) async fn is_reading(&self) {
        eventually("the outbox is read", PATIENCE, async || {
            let status = self.admin.get("/api/v1/systems/main/status").await.expect(200);
            (status["readers"]["capture"]["state"] == "running").then_some(())
        })
        .await;
    }
}

async fn what_is_committed_gets_into_the_log_in_its_order(setup: Setup) {
    let database = OdooDatabase::create().await;
    database.make_role().await;
    let scene = Scene::start(&setup, &database).await;
    eventually("it is told that there is no outbox", PATIENCE, async || {
        let status = scene.admin.get("/api/v1/systems/main/status").await.expect(200);
        (status["readers"]["capture"]["state"] == "no_feed").then_some(())
    })
    .await;
    database.install(&database.options()).await;
    // A table whose triggers came after the reading had begun is reset, if it is seen between two steps.
    scene.is_reading().await;

    // A lower id that is committed later is not passed over.
    let (mut slow, quick) = (database.client().await, database.client().await);
    let open = slow.transaction().await.unwrap();
    open.batch_execute("INSERT INTO res_partner (id) VALUES (1)").await.unwrap();
    quick.batch_execute("INSERT INTO res_partner (id) VALUES (2)").await.unwrap();
    scene.log_is_but_for("reset", &["res.partner 2 create capture high"]).await;
    open.commit().await.unwrap();
    quick.batch_execute("UPDATE res_partner SET name = 'x' WHERE id = 1").await.unwrap();
    quick.batch_execute("INSERT INTO sale_tag (id) VALUES (1); DELETE FROM res_partner WHERE id = 1").await.unwrap();
    let expected = [
        "res.partner 2 create capture high",
        "res.partner 1 create capture high",
        "res.partner 1 write capture high",
        "res.partner 1 unlink capture high",
    ];
    scene.log_is_but_for("reset", &expected).await;
    let left = "SELECT count(*) FROM bridgecore.outbox";
    eventually("all but the last row is deleted", PATIENCE, async || {
        (quick.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(())
    })
    .await;

    // What stays of the outbox is known after a restart.
    let setup = scene.app.stop().await;
    let app = setup.start().await;
    let admin = app.admin().await;
    quick.batch_execute("INSERT INTO res_partner (id) VALUES (3)").await.unwrap();
    let scene = Scene { app, admin, ..scene };
    scene.log_is_but_for("reset", &[&expected[..], &["res.partner 3 create capture high"]].concat()).await;
    scene.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_several_batches_does_not_swap_a_records_writes() {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let mut store = String::new();
    let setup = Setup::postgres().await.config(|config| {
        store.clone_from(&config.store.url);
        config.ingest.capture_rows_max = 2;
    });
    let scene = Scene::start(&setup, &database).await;
    scene.is_reading().await;
    let (mut held, connection) = tokio_postgres::connect(&store, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let (mut slow, quick) = (database.client().await, database.client().await);
    // While this is held, a batch that was read waits to be appended.
    let lock = held.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE changes IN EXCLUSIVE MODE").await.unwrap();
    let open = slow.transaction().await.unwrap();
    open.batch_execute("INSERT INTO res_partner (id) VALUES (1)").await.unwrap();
    quick.batch_execute("INSERT INTO res_partner (id) SELECT generate_series(2, 6)").await.unwrap();
    eventually("the first batch is read", PATIENCE, async || {
        let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'changes'::regclass)";
        lock.query_one(sql, &[]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
    // Neither was there for that batch; the second has a higher id than everything else.
    open.commit().await.unwrap();
    quick.batch_execute("UPDATE res_partner SET name = 'x' WHERE id = 1").await.unwrap();
    lock.commit().await.unwrap();
    let partner = |change: &str| format!("res.partner {change} capture high");
    let expected = ["2 create", "3 create", "1 create", "4 create", "5 create", "6 create", "1 write"].map(partner);
    scene.log_is(&expected.each_ref().map(String::as_str)).await;
    scene.app.stop().await;
}

/// The owner of a model gives it up when a look that began knowing so has read everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_is_cut_short_gives_nothing_up() {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let mut store = String::new();
    let setup = Setup::postgres().await.config(|config| {
        store.clone_from(&config.store.url);
        config.ingest.capture_rows_max = 2;
        config.ingest.lease_ms = 6_000;
    });
    let scene = Scene::start(&setup, &database).await;
    scene.is_reading().await;
    let (mut held, connection) = tokio_postgres::connect(&store, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let (aside, connection) = tokio_postgres::connect(&store, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'detections'::regclass)";
    let may_be_renewed = "SELECT bool_or(expires_at - extract(epoch FROM clock_timestamp()) * 1000000 < 3900000)
        FROM leases WHERE name LIKE 'capture:%'";

    // The next look waits to be told who owns what, while a backlog comes into being and the lease has to be renewed.
    let lock = held.transaction().await.unwrap();
    let hand_over = "LOCK TABLE detections IN ACCESS EXCLUSIVE MODE;
        UPDATE tracked_models SET successor = 'wal', successor_ready = 1 WHERE model = 'res.partner';
        UPDATE detections SET version = version + 1";
    lock.batch_execute(hand_over).await.unwrap();
    for (what, asked) in [("a look has begun", waiting), ("the lease has to be renewed", may_be_renewed)] {
        eventually(what, PATIENCE, async || aside.query_one(asked, &[]).await.unwrap().get::<_, bool>(0).then_some(()))
            .await;
    }
    let rows = "INSERT INTO res_partner (id) SELECT generate_series(1, 6)";
    database.client().await.batch_execute(rows).await.unwrap();
    let refuse =
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not now''; END';
        CREATE TRIGGER refuse BEFORE UPDATE ON leases FOR EACH ROW
          WHEN (new.name LIKE 'capture:%' AND new.expires_at > old.expires_at) EXECUTE FUNCTION refuse()";
    aside.batch_execute(refuse).await.unwrap();
    lock.commit().await.unwrap();
    let owner = async || {
        let models = scene.app.context().store.tracked_models(scene.tenant, scene.system).await.unwrap();
        models.into_iter().find(|model| model.found.model.as_str() == "res.partner").unwrap().owner
    };
    eventually("the look has failed, or has given the model up", PATIENCE, async || {
        let status = scene.admin.get("/api/v1/systems/main/status").await.expect(200);
        let is_failing = status["readers"]["capture"]["state"] == "failing";
        (is_failing || owner().await == Some(Strategy::Wal)).then_some(())
    })
    .await;
    aside.batch_execute("DROP TRIGGER refuse ON leases").await.unwrap();
    eventually("the model is given up", PATIENCE, async || (owner().await == Some(Strategy::Wal)).then_some(())).await;
    let expected = (1..=6).map(|id| format!("res.partner {id} create capture high")).collect::<Vec<_>>();
    assert_eq!(scene.log().await, expected);
    scene.app.stop().await;
}

/// While nobody else ends a transaction, the server's snapshots say nothing of the one that is open.
async fn a_transaction_that_is_alone_is_waited_for(setup: Setup) {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let scene = Scene::start(&setup, &database).await;
    scene.is_reading().await;
    let mut client = database.client().await;
    let open = client.transaction().await.unwrap();
    open.batch_execute("INSERT INTO res_partner (id) VALUES (1)").await.unwrap();
    scene.looks(10).await;
    open.batch_execute("INSERT INTO res_partner (id) VALUES (2)").await.unwrap();
    open.commit().await.unwrap();
    scene.log_is(&["res.partner 1 create capture high", "res.partner 2 create capture high"]).await;
    scene.app.stop().await;
}

async fn a_restored_database_is_a_new_life(setup: Setup) {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let scene = Scene::start(&setup, &database).await;
    scene.is_reading().await;
    let client = database.client().await;
    client.batch_execute("INSERT INTO res_partner (id) VALUES (1)").await.unwrap();
    scene.log_is(&["res.partner 1 create capture high"]).await;
    drop(client);
    let setup = scene.app.stop().await;
    let name = &database.name;
    database.on_server(&format!("CREATE DATABASE {name}_kept TEMPLATE {name}")).await;

    let app = setup.start().await;
    let admin = app.admin().await;
    let scene = Scene { app, admin, ..scene };
    let client = database.client().await;
    client.batch_execute("INSERT INTO res_partner (id) VALUES (2)").await.unwrap();
    scene.log_is(&["res.partner 1 create capture high", "res.partner 2 create capture high"]).await;
    drop(client);
    database.on_server(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    database.on_server(&format!("CREATE DATABASE {name} TEMPLATE {name}_kept")).await;
    // The ids start over: this one has the id that the lost one had.
    let client = database.client().await;
    client.batch_execute("INSERT INTO res_partner (id) VALUES (3)").await.unwrap();
    eventually("the new life's change is in the log", PATIENCE, async || {
        scene.log().await.contains(&"res.partner 3 create capture high".to_owned()).then_some(())
    })
    .await;
    let log = scene.log().await;
    for model in OWNED {
        let reset = format!("{model} all reset capture medium");
        assert_eq!(log.iter().filter(|line| **line == reset).count(), 1, "{log:?}");
    }

    // The outbox is put back in its place, with all its names: the row that was read last is gone.
    client.batch_execute("TRUNCATE bridgecore.outbox").await.unwrap();
    eventually("that is a new life, too", PATIENCE, async || {
        let resets = scene.log().await.iter().filter(|line| line.contains("res.partner all reset")).count();
        (resets == 2).then_some(())
    })
    .await;
    scene.app.stop().await;
}

async fn an_error_in_a_trigger_and_one_that_was_off_are_answered_by_a_reset(setup: Setup) {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let scene = Scene::start(&setup, &database).await;
    scene.is_reading().await;
    let mut client = database.client().await;
    client.batch_execute("ALTER TABLE bridgecore.outbox ADD CHECK (record_id <> 77)").await.unwrap();
    let open = client.transaction().await.unwrap();
    open.batch_execute("INSERT INTO res_partner (id) VALUES (77)").await.unwrap();
    let reset = "res.partner all reset capture medium";
    scene.log_is(&[reset]).await;
    // The row that was missed is there for readers only now.
    open.commit().await.unwrap();
    scene.log_is(&[reset, reset]).await;

    client.batch_execute("ALTER TABLE sale_order DISABLE TRIGGER bridgecore_insert").await.unwrap();
    client.batch_execute("INSERT INTO sale_order (id) VALUES (1)").await.unwrap();
    client.batch_execute("ALTER TABLE sale_order ENABLE TRIGGER bridgecore_insert").await.unwrap();
    scene.log_is(&[reset, reset, "sale.order all reset capture medium"]).await;
    scene.app.stop().await;
}

async fn an_error_that_no_tables_counter_tells_of_is_answered_for_all(setup: Setup) {
    let database = OdooDatabase::create().await;
    database.install(&database.options()).await;
    let scene = Scene::start(&setup, &database).await;
    scene.is_reading().await;
    let client = database.client().await;
    client.batch_execute("ALTER TABLE bridgecore.outbox ADD CHECK (record_id <> 77)").await.unwrap();
    client.batch_execute("INSERT INTO res_partner (id) VALUES (77)").await.unwrap();
    let reset = "res.partner all reset capture medium";
    scene.log_is(&[reset, reset]).await;
    // The table was forgotten and captured again: its counter begins anew, and comes to the number that is known.
    let number = "SELECT number FROM bridgecore.tables WHERE table_name = 'res_partner'";
    let number: i32 = client.query_one(number, &[]).await.unwrap().get(0);
    client.batch_execute(&format!("ALTER SEQUENCE bridgecore.mark_{number} RESTART")).await.unwrap();
    client.batch_execute("UPDATE res_partner SET name = 'x' WHERE id = 77").await.unwrap();
    let all = OWNED.map(|model| format!("{model} all reset capture medium"));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    scene.log_is(&[&[reset, reset], &all[..], &all[..]].concat()).await;
    scene.app.stop().await;
}
