//! People who work on the partners of an ERP at the same time, by a seed, and devices that follow them.

use crate::ingest::pusher::tenant_of;
use crate::support::{App, Client, Setup, eventually, register_demo_system};
use bridge_erp::fake::{Addon, DemoErp, Options, Transaction};
use bridge_erp::pool::ClientOptions;
use bridge_erp::{Adapter, SearchRead, pool};
use bridge_model::clock::SystemClock;
use bridge_model::{Clock, Event, ModelName, Position, RecordId, Strategy, SystemKey, TenantId, Timestamp};
use bridge_store::{LogQuery, LogRead, TrackedModel};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) const PATIENCE: Duration = Duration::from_mins(1);

pub(super) const PARTNER: &str = "res.partner";

pub(super) fn partner() -> ModelName {
    ModelName::parse(PARTNER).unwrap()
}

/// The ERP's clock: it goes as ours does, a day behind, and can be put forward and back.
#[derive(Debug, Default)]
pub(super) struct ErpTime(AtomicU64);

impl ErpTime {
    pub(super) fn jump(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Takes back a jump.
    pub(super) fn jump_back(&self, time: Duration) {
        self.0.fetch_sub(u64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ErpTime {
    fn now(&self) -> Timestamp {
        let jumped = Duration::from_micros(self.0.load(Ordering::SeqCst));
        SystemClock.now().minus(Duration::from_hours(24)).plus(jumped)
    }
}

/// The settings of a service that sees everything as quickly as it can.
pub(super) fn quick(setup: Setup) -> Setup {
    setup.config(|config| {
        config.ingest.transaction_age_max_ms = 60_000;
        let detection = &mut config.detection;
        detection.enabled = true;
        detection.owners_fresh_ms = 0;
        detection.watch_interval_ms = 50;
        let poll = &mut detection.poll;
        poll.share_percent = 100.0;
        poll.overlap_ms = 0;
        poll.thorough_interval_ms = 300;
        for interval in
            [&mut poll.critical_interval_ms, &mut poll.important_interval_ms, &mut poll.standard_interval_ms]
        {
            *interval = 20;
        }
        for interval in [&mut poll.critical_idle_ms, &mut poll.important_idle_ms, &mut poll.standard_idle_ms] {
            *interval = 100;
        }
        poll.rows_max = 40;
        poll.ids_max = 100;
    })
}

/// An ERP, the service that reads it, and everything that follows the partners.
pub(super) struct Company {
    pub(super) erp: DemoErp,
    pub(super) time: Arc<ErpTime>,
    app: Option<App>,
    adapter: Arc<dyn Adapter>,
    pub(super) dice: ChaCha8Rng,
    open: Vec<Open>,
    /// Partners of which the test knows that nothing else belongs to them, and the step that last changed each.
    partners: BTreeMap<i64, u64>,
    steps: u64,
    /// What a device knows that follows the log.
    device: BTreeMap<i64, String>,
    read_to: Position,
    /// What one knows that asks for `write_date > last`, and for nothing else.
    control: BTreeMap<i64, String>,
    control_last: String,
}

struct Open {
    tx: Transaction,
    began: u64,
    taken: BTreeSet<i64>,
    gone: BTreeSet<i64>,
}

impl Company {
    /// With some partners, and the service running.
    pub(super) async fn found(setup: Setup, addon: Addon, seed: u64, partners: usize) -> Self {
        let time = Arc::new(ErpTime::default());
        let options = Options { addon, seed, clock: time.clone(), ..Options::default() };
        let erp = DemoErp::start(options).await.unwrap();
        let adapter =
            pool::connect("odoo", &erp.connection(), &ClientOptions::default(), Arc::new(SystemClock)).unwrap();
        let mut first = erp.db().begin(2);
        let ids: Vec<i64> = (0..partners)
            .map(|number| first.create(PARTNER, json!({ "name": format!("Partner {number}") })).unwrap())
            .collect();
        first.commit();
        let app = setup.start().await;
        register_demo_system(&app.admin().await, &erp, "main").await;
        let mut company = Self {
            erp,
            time,
            app: Some(app),
            adapter,
            dice: ChaCha8Rng::seed_from_u64(seed),
            open: Vec::new(),
            partners: ids.into_iter().map(|id| (id, 0)).collect(),
            steps: 0,
            device: BTreeMap::new(),
            read_to: Position::START,
            control: BTreeMap::new(),
            control_last: "1970-01-01 00:00:00".to_owned(),
        };
        company.device = company.truth().await;
        company.control_looks().await;
        company
    }

    pub(super) fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    pub(super) async fn admin(&self) -> Client {
        self.app().admin().await
    }

    pub(super) async fn place(&self) -> (TenantId, SystemKey) {
        let admin = self.admin().await;
        let system = admin.get("/api/v1/systems/main").await.expect(200);
        (tenant_of(&admin).await, SystemKey(system["id"].as_i64().unwrap()))
    }

    /// Sets which strategy sees which model; answers the problem or the new state.
    pub(super) async fn set(&self, body: &Value) {
        self.admin().await.put("/api/v1/systems/main/detection", body).await.expect(200);
    }

    /// What is known of all models.
    pub(super) async fn models(&self) -> Vec<TrackedModel> {
        let (tenant, system) = self.place().await;
        self.app().context().store.tracked_models(tenant, system).await.unwrap()
    }

    /// What is known of the partners' ownership.
    pub(super) async fn tracked(&self) -> Option<TrackedModel> {
        self.models().await.into_iter().find(|model| model.found.model == partner())
    }

    /// Waits until this strategy alone has the partners.
    pub(super) async fn owned_by(&self, strategy: Strategy) {
        eventually(&format!("{strategy} owns the partners"), PATIENCE, async || {
            let model = self.tracked().await?;
            (model.owner == Some(strategy) && model.successor.is_none()).then_some(())
        })
        .await;
    }

    /// Waits until polling has taken the partners as they are.
    pub(super) async fn adopted(&self) {
        let (tenant, system) = self.place().await;
        let store = &self.app().context().store;
        eventually("the partners are taken as they are", PATIENCE, async || {
            store.polled(tenant, system, &partner()).await.unwrap().map(drop)
        })
        .await;
    }

    /// Lets nobody see the partners, does something, and lets them be polled again.
    pub(super) async fn polled_anew(&self, meanwhile: impl FnOnce()) {
        self.set(&json!({ "models": { "res.partner": "none" } })).await;
        self.forgotten().await;
        meanwhile();
        self.set(&json!({ "models": { "res.partner": "poll" } })).await;
        self.adopted().await;
        self.owned_by(Strategy::Poll).await;
    }

    /// Waits until polling knows nothing of the partners any more.
    pub(super) async fn forgotten(&self) {
        let (tenant, system) = self.place().await;
        let store = &self.app().context().store;
        eventually("the partners are forgotten", PATIENCE, async || {
            store.polled(tenant, system, &partner()).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    /// Waits until polling has looked at the partners again, from beginning to end.
    pub(super) async fn looked(&self) {
        let before = self.erp.faults().calls(PARTNER, "search_count");
        eventually("the partners are looked at", PATIENCE, async || {
            (self.erp.faults().calls(PARTNER, "search_count") >= before + 2).then_some(())
        })
        .await;
    }

    /// Stops the service and starts it again.
    pub(super) async fn restart(&mut self) {
        let setup = self.app.take().unwrap().stop().await;
        self.app = Some(setup.start().await);
    }

    /// Stops the service and starts it again with other settings.
    pub(super) async fn restarted_with(mut self, change: impl FnOnce(&mut bridge_server::config::Config)) -> Self {
        let setup = self.app.take().unwrap().stop().await.config(change);
        self.app = Some(setup.start().await);
        self
    }

    /// One thing that somebody does.
    pub(super) fn work(&mut self) {
        self.steps += 1;
        if self.open.is_empty() || (self.open.len() < 6 && self.dice.random_bool(0.4)) {
            let tx = self.erp.db().begin(2);
            self.open.push(Open { tx, began: self.steps, taken: BTreeSet::new(), gone: BTreeSet::new() });
        }
        let chosen = self.dice.random_range(0..self.open.len());
        match self.dice.random_range(0..10) {
            0..6 => self.change(chosen),
            6..9 => self.end(chosen, true),
            _ => self.end(chosen, false),
        }
    }

    fn change(&mut self, chosen: usize) {
        let taken: BTreeSet<i64> = self.open.iter().flat_map(|open| open.taken.iter().copied()).collect();
        let open = &mut self.open[chosen];
        // As a row lock and a repeatable read have it: nobody writes what another one writes, or has written since.
        let free: Vec<i64> = self
            .partners
            .iter()
            .filter(|(id, step)| **step < open.began && !taken.contains(id))
            .map(|(id, _)| *id)
            .collect();
        let own: Vec<i64> = open.taken.difference(&open.gone).copied().collect();
        let city = format!("City {}", self.steps);
        match (self.dice.random_range(0..10), free.choose(&mut self.dice), own.choose(&mut self.dice)) {
            (0..3, ..) | (_, None, None) => {
                open.taken.insert(open.tx.create(PARTNER, json!({ "name": "New", "city": city })).unwrap());
            }
            (3..5, Some(id), _) => {
                open.tx.unlink(PARTNER, &[*id]).unwrap();
                open.taken.insert(*id);
                open.gone.insert(*id);
            }
            (_, Some(id), None) | (5..9, Some(id), _) => {
                open.tx.write(PARTNER, &[*id], json!({ "city": city })).unwrap();
                open.taken.insert(*id);
            }
            (_, _, Some(id)) => open.tx.write(PARTNER, &[*id], json!({ "city": city })).unwrap(),
        }
    }

    fn end(&mut self, chosen: usize, commits: bool) {
        let open = self.open.swap_remove(chosen);
        if !commits {
            open.tx.rollback();
            return;
        }
        open.tx.commit();
        for id in open.taken {
            self.partners.insert(id, self.steps);
        }
        for id in open.gone {
            self.partners.remove(&id);
        }
    }

    /// Ends every transaction.
    pub(super) fn end_all(&mut self) {
        while !self.open.is_empty() {
            self.steps += 1;
            let (chosen, commits) = (self.dice.random_range(0..self.open.len()), self.dice.random_bool(0.8));
            self.end(chosen, commits);
        }
    }

    /// The longest transaction ends, and something happens from which the service learns what time it is: until then, a
    /// second write within a second may be told of, if its transaction took long.
    pub(super) fn let_time_pass(&mut self) {
        self.time.jump(Duration::from_mins(5));
        self.steps += 1;
        let mut transaction = self.erp.db().begin(2);
        let id = transaction.create(PARTNER, json!({ "name": "Later" })).unwrap();
        transaction.commit();
        self.partners.insert(id, self.steps);
    }

    /// The partners as they are in the ERP.
    pub(super) async fn truth(&self) -> BTreeMap<i64, String> {
        self.read(json!([["id", ">", 0]])).await.into_iter().map(|(id, (city, _))| (id, city)).collect()
    }

    async fn read(&self, domain: Value) -> BTreeMap<i64, (String, String)> {
        let query = SearchRead {
            model: partner(),
            domain,
            fields: ["id", "city", "write_date"].map(str::to_owned).to_vec(),
            offset: 0,
            limit: 100_000,
            order: "write_date, id".to_owned(),
            context: Map::from_iter([("active_test".to_owned(), json!(false))]),
        };
        let rows = self.adapter.search_read(&query).await.unwrap();
        rows.iter()
            .map(|row| {
                let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
                (row["id"].as_i64().unwrap(), (text("city"), text("write_date")))
            })
            .collect()
    }

    /// The device follows the log: it reads each record that it is told of, as it is now.
    pub(super) async fn device_follows(&mut self) {
        let tenant = tenant_of(&self.admin().await).await;
        loop {
            let query = LogQuery {
                after: self.read_to,
                models: None,
                system: None,
                limit: 1_000,
                scan_max: 1_000,
                contents: false,
            };
            let LogRead::Page(page) = self.app().context().store.read(tenant, &query).await.unwrap() else {
                panic!("the log is not whole");
            };
            let (mut changed, mut reset) = (BTreeSet::new(), false);
            for change in page.changes.iter().filter(|change| change.body.model == partner()) {
                match (&change.body.record_id, change.body.event) {
                    (_, Event::Reset) => reset = true,
                    (Some(RecordId::Number(id)), Event::Unlink) => {
                        self.device.remove(id);
                        changed.remove(id);
                    }
                    (Some(RecordId::Number(id)), _) => {
                        changed.insert(*id);
                    }
                    other => panic!("{other:?}"),
                }
            }
            if reset {
                self.device = self.truth().await;
            }
            let ids: Vec<i64> = changed.into_iter().collect();
            let now = self.read(json!([["id", "in", ids]])).await;
            self.device.extend(now.into_iter().map(|(id, (city, _))| (id, city)));
            self.read_to = page.scanned_to;
            if page.scanned_to >= page.head {
                return;
            }
        }
    }

    /// The control reader looks.
    pub(super) async fn control_looks(&mut self) {
        let found = self.read(json!([["write_date", ">", self.control_last]])).await;
        for (id, (city, written)) in found {
            self.control.insert(id, city);
            self.control_last = written.max(std::mem::take(&mut self.control_last));
        }
    }

    /// Waits until the device knows the partners as they are, and answers how many the control reader has wrong.
    pub(super) async fn device_is_right(&mut self, what: &str) -> usize {
        let truth = self.truth().await;
        let deadline = Duration::from_secs(30);
        let looking = async {
            loop {
                self.device_follows().await;
                if self.device == truth {
                    return;
                }
                self.looked_or_read().await;
            }
        };
        if tokio::time::timeout(deadline, looking).await.is_err() {
            let wrong: Vec<_> =
                truth.iter().filter(|(id, city)| self.device.get(*id) != Some(city)).map(|(id, _)| *id).collect();
            let extra: Vec<_> = self.device.keys().filter(|id| !truth.contains_key(id)).collect();
            panic!("{what}: the device has not the last state of {wrong:?}, and has {extra:?} that are gone");
        }
        self.control_looks().await;
        let wrong = truth.iter().filter(|(id, city)| self.control.get(*id) != Some(city)).count();
        wrong + self.control.keys().filter(|id| !truth.contains_key(id)).count()
    }

    async fn looked_or_read(&self) {
        let before = self.erp.faults().calls_total();
        eventually("the ERP is asked again", PATIENCE, async || {
            (self.erp.faults().calls_total() > before).then_some(())
        })
        .await;
    }

    pub(super) async fn log_length(&self) -> i64 {
        let tenant = tenant_of(&self.admin().await).await;
        self.app().context().store.head(tenant).await.unwrap().get()
    }

    pub(super) async fn close(self) {
        self.app.unwrap().stop().await;
        self.erp.stop().await;
    }
}
