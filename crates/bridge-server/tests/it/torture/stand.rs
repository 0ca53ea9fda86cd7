//! What a round stands on: the service as a process of its own, its store on PostgreSQL, and an ERP's database, with a
//! network in between that can be cut.

use super::faults::Fault;
use super::gate::Gate;
use super::judge::{PATIENCE, Told};
use super::link::Link;
use super::odoo::OdooServer;
use super::proxy::{Net, Proxy};
use super::script::{Part, Script, Statement, TABLES, Transaction};
use super::writers::{self, Change, Writers};
use super::{Asked, Path, Reaches, restore, transaction_age_max};
use crate::crash::process::Process;
use crate::ingest::pusher::tenant_of;
use crate::support::{OdooDatabase, Setup, eventually, pause};
use bridge_model::{ModelClass, ModelName, SystemKey};
use bridge_store::{FoundModel, Ownership};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::sync::Mutex;

/// The stand of one path.
pub(super) struct Stand {
    pub(super) path: &'static Path,
    pub(super) database: OdooDatabase,
    net: Proxy,
    /// Where the ERP is reached by its API.
    _odoo: Option<OdooServer>,
    /// By how much the ERP's clock is put forward when a round is over, so that no transaction can still be open.
    pub(super) jump: Duration,
    setup: Setup,
    variables: Vec<(&'static str, String)>,
    /// The service's store.
    pub(super) store: Link,
    /// The ERP's database.
    pub(super) erp: Link,
    /// Taken while it is killed and started again.
    service: Mutex<Option<Process>>,
}

impl Stand {
    pub(super) async fn start(path: &'static Path, asked: &Asked) -> Self {
        let setup = Setup::postgres().await;
        // Tests of other paths, which go on beside this one, kill the ERPs' server.
        let _nobody_kills = Gate::of(&setup).enter().await;
        let database = match &asked.erp_server {
            Some(server) => OdooDatabase::create_on(server).await,
            None => OdooDatabase::create().await,
        };
        prepare(path, &database).await;
        let odoo = match path.reaches {
            Reaches::Database => None,
            Reaches::Api { has_feed } => Some(OdooServer::start(&database, has_feed).await),
        };
        let server = url::Url::parse(&database.url()).unwrap();
        let there = odoo.as_ref().map_or_else(
            || format!("{}:{}", server.host_str().unwrap(), server.port().unwrap()),
            |odoo| odoo.address.to_string(),
        );
        let net = Proxy::start(there).await;
        let (store, erp) = (Link::to(setup.store_url().to_owned()), Link::to(database.url()));
        register(path, &setup, &database, &net).await;
        // Only now, so that nobody has read them before it was decided who owns the models.
        let inserts =
            TABLES.map(|(table, _)| format!("INSERT INTO {table} (version) SELECT 1 FROM generate_series(1, 5);"));
        database.client().await.batch_execute(&inserts.concat()).await.unwrap();
        let service = Mutex::new(None);
        let variables = (path.variables)(asked);
        let jump = transaction_age_max(asked.hold_ms_max(path)) + Duration::from_mins(2);
        let stand = Self { path, database, net, _odoo: odoo, jump, setup, variables, store, erp, service };
        stand.start_service().await;
        eventually(&format!("{}: the changes are read", path.name), PATIENCE, async || {
            stand.store.ask(path.is_ready, &[]).await.get::<_, bool>(0).then_some(())
        })
        .await;
        stand
    }

    pub(super) fn writers(&self) -> Writers {
        Writers { url: self.database.url(), truncate: self.path.tells_truncate }
    }

    /// The last position in the log.
    pub(super) async fn head(&self) -> i64 {
        self.store.ask("SELECT coalesce(max(position), 0) FROM changes", &[]).await.get(0)
    }

    /// How many changes the log holds after a position.
    pub(super) async fn count(&self, from: i64) -> i64 {
        self.store.ask("SELECT count(*) FROM changes WHERE position > $1", &[&from]).await.get(0)
    }

    /// What the log holds after a position.
    pub(super) async fn told(&self, from: i64) -> Vec<Told> {
        let sql = "SELECT position, model, record_id, event, coalesce(new_data, old_data, payload), source_id,
            received_at FROM changes WHERE position > $1 ORDER BY position";
        let rows = eventually("the log is read", PATIENCE, async || {
            self.store.open().await.ok()?.query(sql, &[&from]).await.ok()
        })
        .await;
        rows.iter().map(Told::of_log).collect()
    }

    /// Writes one record more, when all writers have ended.
    pub(super) async fn write_last(&self) -> Change {
        let insert = Part::Do(Statement::Insert { table: 0, rows: 1 });
        let script = Script { writers: vec![vec![Transaction { parts: vec![insert], commits: true }]] };
        let written = eventually("one record more is written", PATIENCE, async || {
            writers::run(&self.writers(), &script).await.pop()
        });
        written.await
    }

    async fn start_service(&self) {
        let started =
            eventually("the service starts", PATIENCE, async || Process::try_start(&self.setup, &self.variables).await);
        *self.service.lock().await = Some(started.await);
    }

    async fn kill_service(&self) {
        let service = self.service.lock().await.take();
        if let Some(service) = service {
            service.kill_9().await;
        }
    }

    /// Makes the fault happen while the writers write; `random` says when.
    pub(super) async fn suffer(&self, fault: Fault, random: &mut ChaCha8Rng) -> Option<NamedTempFile> {
        let mut moment = || Duration::from_millis(random.random_range(0..200));
        let (first, second, third) = (moment(), moment(), moment());
        pause(first).await;
        match fault {
            Fault::Nothing => {}
            Fault::KillService => {
                self.kill_service().await;
                self.start_service().await;
            }
            Fault::CutNetwork => {
                for _ in 0..3 {
                    self.net.set(Net::Silent);
                    pause(second).await;
                    self.net.set(Net::Cut);
                    pause(third).await;
                    self.net.set(Net::Open);
                    pause(second + third).await;
                }
            }
            Fault::EndConnections => {
                for _ in 0..3 {
                    self.end_connections().await;
                    pause(second / 2).await;
                }
            }
            Fault::CrashDatabase { of_store } => {
                let link = if of_store { &self.store } else { &self.erp };
                let _nobody_starts = Gate::of(&self.setup).close().await;
                let process: i32 = link.ask("SELECT pg_backend_pid()", &[]).await.get(0);
                kill_9(&[process.to_string()]).await;
                link.ready().await;
            }
            Fault::KillServer => {
                let _nobody_starts = Gate::of(&self.setup).close().await;
                let sql = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)";
                let first: String = self.erp.ask(sql, &[]).await.get(0);
                // None of them gets the time to tell the others, or whoever is connected.
                let path = format!("/proc/{first}/task/{first}/children");
                let others = tokio::fs::read_to_string(path).await.unwrap_or_default();
                let all: Vec<_> = std::iter::once(first).chain(others.split_whitespace().map(str::to_owned)).collect();
                kill_9(&all).await;
                self.erp.ready().await;
            }
            Fault::LoseSlot => {
                eventually("the slot is dropped", PATIENCE, async || {
                    self.end_connections().await;
                    let sql = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
                        WHERE database = current_database()";
                    // That there is none is the end of it as well: a crash of the server, which other stands share, may
                    // have taken the answer to what was dropped, and the service can't make another under our hands.
                    self.erp.open().await.ok()?.query(sql, &[]).await.ok().map(drop)
                })
                .await;
            }
            Fault::Restore { caught_up, .. } => {
                let dump = restore::dump(&self.database).await;
                if !caught_up {
                    pause(second).await;
                    self.net.set(Net::Cut);
                }
                return Some(dump);
            }
        }
        None
    }

    /// Puts the ERP back to a dump. The service can't see it until [`Self::reconnect`].
    pub(super) async fn restore(&self, dump: &NamedTempFile, kills: bool) {
        self.net.set(Net::Cut);
        if kills {
            self.kill_service().await;
        }
        restore::restore(&self.database, dump.path(), self.path.on_restore).await;
    }

    /// Lets the service see the ERP again.
    pub(super) async fn reconnect(&self) {
        self.net.set(Net::Open);
        if self.service.lock().await.is_none() {
            self.start_service().await;
        }
    }

    async fn end_connections(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'bridgecore%'";
        // A server that is down has ended them already.
        self.erp.ready().await.query(sql, &[]).await.ok();
    }

    /// Ends the service and removes both databases: after a crash the server goes through the files of all it has.
    pub(super) async fn stop(self) {
        self.kill_service().await;
        let mut store = url::Url::parse(self.setup.store_url()).unwrap();
        let name = store.path().trim_start_matches('/').to_owned();
        store.set_path("postgres");
        restore::drop_database(store.as_str(), &name).await;
        restore::drop_database(self.database.server_url(), &self.database.name).await;
    }
}

/// Ends processes at once. Another stand may have been faster.
async fn kill_9(processes: &[String]) {
    let killed = tokio::process::Command::new("kill").arg("-9").args(processes).status().await.unwrap();
    println!("{} processes of a database were killed: {killed}", processes.len());
}

/// Makes the database what the path needs.
async fn prepare(path: &Path, database: &OdooDatabase) {
    let client = database.client().await;
    client.batch_execute("CREATE TABLE torture_marks (number bigint PRIMARY KEY)").await.unwrap();
    (path.prepare)(database).await;
}

/// Registers the ERP as a system, and puts the path's strategy in charge of the models.
async fn register(path: &Path, setup: &Setup, database: &OdooDatabase, net: &Proxy) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let mut registration = database.registration("main");
    let connection = registration["connection_config"].as_object_mut().unwrap();
    match path.reaches {
        Reaches::Database => {
            let mut url = url::Url::parse(&(path.reader_url)(database)).unwrap();
            url.set_port(Some(net.address.port())).unwrap();
            connection.insert("postgres_url".to_owned(), url.as_str().into());
        }
        Reaches::Api { .. } => {
            connection.remove("postgres_url");
            connection.insert("url".to_owned(), format!("http://{}", net.address).into());
        }
    }
    let system = admin.post("/api/v1/systems", &registration).await.expect(201);
    let (tenant, system) = (tenant_of(&admin).await, SystemKey(system["id"].as_i64().unwrap()));
    let found = TABLES.map(|(_, model)| FoundModel {
        model: ModelName::parse(model).unwrap(),
        label: None,
        table_name: None,
        modules: None,
        class: ModelClass::Standard,
        has_write_date: true,
        available: vec![path.strategy],
        recommended: Some(path.strategy),
    });
    let kept = &app.context().store;
    kept.save_found_models(tenant, system, &found, None).await.unwrap();
    let cut = Ownership::Cut { from: None, to: Some(path.strategy) };
    let steps = found.map(|found| (found.model, cut.clone()));
    kept.move_ownership(tenant, system, &steps, None).await.unwrap();
    app.stop().await;
}
