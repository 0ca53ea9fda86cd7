//! A device that starts from a snapshot while records change under it ends equal to the ERP: seeded schedules of
//! transactions, pages and pulls. `BRIDGECORE_SNAPSHOT_SEED` runs them with another seed.

use super::phone::{FIELDS, Phone, SALES, everything};
use crate::ingest::pusher::tenant_of;
use crate::support::{App, Client, Setup, demo_erp, eventually, register_demo_system};
use bridge_erp::fake::{DemoErp, Transaction};
use bridge_model::SystemId;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Schedules that share the changes of a batch.
const PHONES_PER_BATCH: usize = 20;

/// Steps of a batch before everybody comes to an end.
const STEPS: usize = 160;

/// The most transactions that are open at once.
const OPEN_MAX: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    run(Setup::sqlite(), 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    run(Setup::postgres().await, 100).await;
}

async fn run(setup: Setup, schedules: usize) {
    let seed = std::env::var("BRIDGECORE_SNAPSHOT_SEED").ok().map_or(1, |text| text.parse().unwrap());
    let models: Vec<String> = FIELDS.iter().map(|(model, _)| (*model).to_owned()).collect();
    let setup = setup.config(|config| drop(config.sync.app_types.insert("phone_app".to_owned(), models)));
    let (app, erp) = (setup.start().await, demo_erp().await);
    let admin = app.admin().await;
    register_demo_system(&admin, &erp, "main").await;
    let users = [app.user("ann", Some(SALES)).await, admin.clone()];
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    for batch in 0..schedules.div_ceil(PHONES_PER_BATCH) {
        run_batch(&app, &admin, &erp, &users, &mut dice, &format!("seed {seed} batch {batch}")).await;
    }
    app.stop().await;
    erp.stop().await;
}

async fn run_batch(app: &App, admin: &Client, erp: &DemoErp, users: &[Client], dice: &mut ChaCha8Rng, name: &str) {
    let mut phones: Vec<Phone> = (0..PHONES_PER_BATCH)
        .map(|number| {
            let device = format!("{} phone {number}", name.replace("seed ", "s")).replace(' ', "-");
            let limit = *[7, 20, 60, 200].choose(dice).unwrap();
            Phone::new(users.choose(dice).unwrap(), &device, limit, dice.random(), dice.random())
        })
        .collect();
    let mut people = People::default();
    for _ in 0..STEPS {
        if dice.random_bool(0.4) {
            people.act(erp, dice);
        } else {
            let phone = dice.random_range(0..phones.len());
            phones[phone].step(erp).await;
        }
    }
    people.go_home(dice);
    all_is_read(app, admin, erp).await;
    let expected = everything(erp);
    for (number, phone) in phones.iter_mut().enumerate() {
        while !phone.step(erp).await {}
        let seen = phone.seen();
        if seen != expected {
            let differs = |key| seen.get(key) != expected.get(key);
            let keys: BTreeSet<_> = seen.keys().chain(expected.keys()).filter(|key| differs(*key)).collect();
            let of =
                keys.iter().map(|key| format!("{key:?}: {:?} instead of {:?}", seen.get(*key), expected.get(*key)));
            panic!("{name} phone {number}: {:#?}", of.take(5).collect::<Vec<_>>());
        }
    }
}

/// Waits until the log holds everything that was committed in the ERP.
async fn all_is_read(app: &App, admin: &Client, erp: &DemoErp) {
    let (tenant, store) = (tenant_of(admin).await, &app.context().store);
    let system = store.system(tenant, &SystemId::parse("main").unwrap()).await.unwrap().unwrap().key;
    let committed: BTreeSet<i64> = erp.db().events_committed().iter().map(|event| event.id).collect();
    let last = committed.last().copied().unwrap_or(0);
    eventually("everything is read", Duration::from_secs(30), async || {
        app.context().hub.nudge(system, bridge_model::Strategy::Addon);
        let source = store.source(tenant, system).await.unwrap();
        let is_whole = source.read_to >= last && !source.gaps.iter().any(|gap| committed.contains(&gap.id));
        is_whole.then_some(())
    })
    .await;
}

/// People at work in the ERP, several transactions at a time. A record is in one transaction at most, as locks see to.
#[derive(Default)]
struct People {
    open: Vec<Transaction>,
    busy: BTreeSet<(&'static str, i64)>,
}

impl People {
    fn act(&mut self, erp: &DemoErp, dice: &mut ChaCha8Rng) {
        if !self.open.is_empty() && (self.open.len() >= OPEN_MAX || dice.random_bool(0.4)) {
            self.end_one(dice);
            return;
        }
        if dice.random_bool(0.3) && self.open.is_empty() {
            erp.happen();
            return;
        }
        let mut tx = erp.db().begin(2);
        for _ in 0..dice.random_range(1..4) {
            self.change(erp, &mut tx, dice);
        }
        self.open.push(tx);
    }

    fn change(&mut self, erp: &DemoErp, tx: &mut Transaction, dice: &mut ChaCha8Rng) {
        let word = format!("w{}", dice.random_range(0..1_000));
        let model = FIELDS.choose(dice).unwrap().0;
        let ids: Vec<i64> = erp.db().ids(model).into_iter().filter(|id| !self.busy.contains(&(model, *id))).collect();
        let Some(id) = ids.choose(dice).copied() else { return };
        let kind = dice.random_range(0..10);
        // What is refused (a record that others need, a confirmed order's line) changes nothing.
        let _ = match (kind, model) {
            (0..=2, "res.partner") => tx.create(model, json!({ "name": word, "parent_id": id })).map(drop),
            (0..=1, "sale.order.line") => {
                let order = erp.db().ids("sale.order")[0];
                tx.create(model, json!({ "order_id": order, "name": word })).map(drop)
            }
            (0..=2, "product.template") => tx.create(model, json!({ "name": word })).map(drop),
            (3..=5, "res.partner" | "product.template" | "sale.order.line") => {
                // Only what the test made itself, so that the company goes on.
                let of_ours = ids.iter().rev().take(6).copied().collect::<Vec<_>>();
                let id = *of_ours.choose(dice).unwrap();
                let free = id > 60;
                self.busy.insert((model, id));
                if free { tx.unlink(model, &[id]) } else { Ok(()) }
            }
            (_, "res.partner") => {
                self.busy.insert((model, id));
                tx.write(model, &[id], json!({ "city": word, "active": id < 20 || dice.random_bool(0.7) }))
            }
            (_, "product.template") => {
                self.busy.insert((model, id));
                tx.write(model, &[id], json!({ "list_price": dice.random_range(1..90), "default_code": word }))
            }
            (_, "sale.order") => {
                self.busy.insert((model, id));
                let at = dice.random_bool(0.5).then_some("2026-05-06 07:08:09");
                tx.write(model, &[id], json!({ "client_order_ref": word, "commitment_date": at }))
            }
            (_, _) => {
                self.busy.insert((model, id));
                tx.write(model, &[id], json!({ "name": word }))
            }
        };
    }

    fn end_one(&mut self, dice: &mut ChaCha8Rng) {
        let tx = self.open.swap_remove(dice.random_range(0..self.open.len()));
        if dice.random_bool(0.85) {
            tx.commit();
        } else {
            tx.rollback();
        }
        if self.open.is_empty() {
            self.busy.clear();
        }
    }

    fn go_home(&mut self, dice: &mut ChaCha8Rng) {
        while !self.open.is_empty() {
            self.end_one(dice);
        }
    }
}
