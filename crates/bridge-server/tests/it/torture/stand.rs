//! What a round stands on: the service as a process of its own, its store on PostgreSQL, and an Odoo's database.

use super::Path;
use super::faults::Fault;
use super::judge::PATIENCE;
use super::script::TABLES;
use crate::crash::process::Process;
use crate::ingest::pusher::tenant_of;
use crate::support::{OdooDatabase, Setup, eventually};
use bridge_model::{ModelClass, ModelName, SystemKey};
use bridge_store::{FoundModel, Ownership};
use tokio::sync::Mutex;
use tokio_postgres::Client;

/// The stand of one path.
pub(super) struct Stand {
    pub(super) database: OdooDatabase,
    setup: Setup,
    /// The address of the service's store.
    store: String,
    /// Taken while it is killed and started again.
    service: Mutex<Option<Process>>,
}

impl Stand {
    pub(super) async fn start(path: &Path) -> Self {
        let database = OdooDatabase::create().await;
        let client = database.client().await;
        client.batch_execute("CREATE TABLE torture_marks (number bigint PRIMARY KEY)").await.unwrap();
        (path.prepare)(&database).await;
        let mut store = String::new();
        let setup = Setup::postgres().await.config(|config| store.clone_from(&config.store.url));
        let app = setup.start().await;
        let admin = app.admin().await;
        let system = admin.post("/api/v1/systems", &database.registration("main")).await.expect(201);
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
        let service = Mutex::new(Some(Process::start(&setup).await));
        Self { database, setup, store, service }
    }

    /// A connection to the service's store, as soon as the server lets us: it may just have been killed.
    pub(super) async fn store(&self) -> Client {
        connect(&self.store).await
    }

    /// The same to the ERP's database.
    pub(super) async fn erp(&self) -> Client {
        connect(&self.database.url()).await
    }

    /// The last position in the log.
    pub(super) async fn head(&self) -> i64 {
        let sql = "SELECT coalesce(max(position), 0) FROM changes";
        self.store().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Makes the fault happen, some milliseconds from now.
    pub(super) async fn suffer(&self, fault: Fault, pause_ms: u64) {
        let client = self.erp().await;
        let pause = f64::from(u32::try_from(pause_ms).unwrap()) / 1_000.0;
        client.execute("SELECT pg_sleep_for(make_interval(secs => $1))", &[&pause]).await.unwrap();
        match fault {
            Fault::Nothing => {}
            Fault::KillService => {
                let mut service = self.service.lock().await;
                service.take().unwrap().kill_9().await;
                *service = Some(Process::start(&self.setup).await);
            }
            Fault::CutConnections => {
                for _ in 0..3 {
                    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
                    client.execute(cut, &[&self.database.role()]).await.unwrap();
                    client.execute("SELECT pg_sleep_for(make_interval(secs => $1))", &[&(pause / 2.0)]).await.unwrap();
                }
            }
            Fault::CrashDatabase => {
                let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
                let kill = tokio::process::Command::new("kill").args(["-9", &pid.to_string()]).status().await.unwrap();
                assert!(kill.success());
            }
        }
    }

    pub(super) async fn stop(self) {
        if let Some(service) = self.service.into_inner() {
            service.kill_9().await;
        }
    }
}

/// Connects as soon as the server lets us: it may just have been killed.
pub(super) async fn connect(url: &str) -> Client {
    let connected = eventually("the database takes connections", PATIENCE, async || {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.ok()?;
        tokio::spawn(connection);
        client.batch_execute("SELECT").await.ok()?;
        Some(client)
    });
    connected.await
}
