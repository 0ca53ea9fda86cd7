//! The sample data: a small trading company in Casablanca with customers and suppliers around it.

use super::Addon;
use super::engine::fields::type_name;
use super::engine::rights::model_id;
use super::engine::schema::{CREATE_DATE, CREATE_UID, Kind, MAGIC, WRITE_DATE, WRITE_UID};
use super::engine::state::State;
use super::engine::work::{Values, Work};
use super::refusal::Refusal;
use bridge_model::{Entropy, Timestamp, entropy::SeededEntropy};
use serde_json::{Value, json};
use std::time::Duration;

const RIGHTS: &str = include_str!("data/rights.txt");
const COMPANY: &str = include_str!("data/company.json");

/// The stored fields that every model has.
const WRITTEN: [usize; 4] = [CREATE_UID, CREATE_DATE, WRITE_UID, WRITE_DATE];

/// The groups: their names as the rights file has them, and as people see them. The ids are the places, from 1 on;
/// a group implies the first, and the last implies all.
const GROUPS: [(&str, &str); 7] = [
    ("base.group_user", "Role / User"),
    ("sales_team.group_sale_salesman", "Sales/User: Own Documents Only"),
    ("stock.group_stock_user", "Inventory/User"),
    ("purchase.group_purchase_user", "Purchase/User"),
    ("account.group_account_invoice", "Accounting/Invoicing"),
    ("hr_expense.group_hr_expense_user", "Expenses/All Approver"),
    ("base.group_system", "Role / Administrator"),
];
const MODULES: [(&str, &str); 12] = [
    ("base", "Base"),
    ("web", "Web"),
    ("mail", "Discuss"),
    ("contacts", "Contacts"),
    ("product", "Products & Pricelists"),
    ("sale", "Sales"),
    ("sale_management", "Sales"),
    ("purchase", "Purchase"),
    ("stock", "Inventory"),
    ("account", "Invoicing"),
    ("hr_expense", "Expenses"),
    ("project", "Project"),
];

/// Fills an empty state; no events are recorded, as if the add-on had been installed afterwards.
pub(super) fn fill(state: &mut State, seed: u64, database_uuid: &str, now: Timestamp) -> Result<(), Refusal> {
    let addon = std::mem::replace(&mut state.addon, Addon::None);
    let outcome = Filling { work: Work::begin(state, 1, now), entropy: SeededEntropy::new(seed ^ 0x5eed) }
        .all(addon, database_uuid);
    state.addon = addon;
    outcome
}

/// Empties the event table and starts its ids over, under another epoch.
pub(super) fn new_life(state: &mut State, epoch: String, database_uuid: &str, now: Timestamp) {
    state.epoch = epoch;
    state.to_push.clear();
    state.committed.clear();
    if let Some(events) = state.schema.find("update.webhook") {
        state.tables[events] = super::engine::state::Table::default();
    }
    let Some(model) = state.schema.find("ir.config_parameter") else { return };
    let row = state.view().all(model).find(|one| one.cell("key").as_text() == Some("database.uuid")).map(|one| one.id);
    let mut work = Work::begin(state, 1, now);
    let values = Values::from_iter([("value".to_owned(), json!(database_uuid))]);
    if row.is_some_and(|id| work.write(model, &[id], &values).is_ok()) {
        work.commit();
    }
}

struct Filling<'s> {
    work: Work<'s>,
    entropy: SeededEntropy,
}

impl Filling<'_> {
    fn all(mut self, addon: Addon, database_uuid: &str) -> Result<(), Refusal> {
        self.models()?;
        self.groups()?;
        let company: Value =
            serde_json::from_str(COMPANY).map_err(|error| Refusal::value(format!("company.json: {error}")))?;
        // Each list is a model with its records in the order of their ids.
        for part in company["tables"].as_array().into_iter().flatten() {
            let name = part["model"].as_str().unwrap_or_default();
            for values in part["records"].as_array().into_iter().flatten().filter_map(Value::as_object) {
                self.create(name, values)?;
            }
        }
        self.system(addon, database_uuid)?;
        self.orders()?;
        self.work.commit();
        Ok(())
    }

    fn create(&mut self, model: &str, values: &Values) -> Result<i64, Refusal> {
        let model = self.work.model(model)?;
        self.work.create(model, values)
    }

    fn put(&mut self, model: &str, values: Value) -> Result<i64, Refusal> {
        match values {
            Value::Object(values) => self.create(model, &values),
            _ => Err(Refusal::type_error("sample data is made of objects")),
        }
    }

    fn below(&self, count: usize) -> usize {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(0) % count.max(1)
    }

    fn models(&mut self) -> Result<(), Refusal> {
        let schema = self.work.schema();
        for model in &schema.models {
            self.put("ir.model", json!({"name": model.label, "model": model.name, "modules": "base"}))?;
        }
        for (index, model) in schema.models.iter().enumerate() {
            for (place, field) in model.fields.iter().enumerate() {
                let kind = schema.kind(index, place);
                let relation = match kind {
                    Kind::One(other) | Kind::Many(other) | Kind::Inverse(other, _) => {
                        Value::from(schema.models[*other].name.as_str())
                    }
                    _ => Value::Bool(false),
                };
                self.put(
                    "ir.model.fields",
                    json!({"name": field.name, "model": model.name, "model_id": model_id(index),
                           "field_description": field.label, "ttype": type_name(kind), "relation": relation,
                           "required": field.required, "readonly": field.readonly, "store": place >= MAGIC || WRITTEN.contains(&place)}),
                )?;
            }
        }
        Ok(())
    }

    fn groups(&mut self) -> Result<(), Refusal> {
        let last = GROUPS.len();
        for (index, (_, name)) in GROUPS.iter().enumerate() {
            let implied: Vec<usize> = match index + 1 {
                1 => Vec::new(),
                id if id == last => (1..last).collect(),
                _ => vec![1],
            };
            let short = name.rsplit('/').next().unwrap_or(name).trim();
            self.put("res.groups", json!({"name": short, "full_name": name, "implied_ids": implied}))?;
        }
        let schema = self.work.schema();
        for (index, model) in schema.models.iter().enumerate() {
            let name = format!("{} settings", model.name);
            self.right(index, &name, last, "rwcu")?;
        }
        for line in RIGHTS.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let parts: Vec<&str> = line.split(" | ").collect();
            let [model, group, letters] = parts.as_slice() else {
                return Err(Refusal::value(format!("rights line: {line}")));
            };
            // Models of an add-on that is not installed.
            let Some(index) = schema.find(model) else { continue };
            let place = GROUPS.iter().position(|(name, _)| name == group);
            let place = place.ok_or_else(|| Refusal::value(format!("rights line: {line}")))?;
            self.right(index, &format!("{model} {group}"), place + 1, letters)?;
        }
        Ok(())
    }

    fn right(&mut self, model: usize, name: &str, group: usize, letters: &str) -> Result<(), Refusal> {
        let may = |letter: char| letters.contains(letter);
        let values = json!({"name": name, "model_id": model_id(model), "group_id": group, "perm_read": may('r'),
                            "perm_write": may('w'), "perm_create": may('c'), "perm_unlink": may('u')});
        self.put("ir.model.access", values).map(|_| ())
    }

    fn system(&mut self, addon: Addon, database_uuid: &str) -> Result<(), Refusal> {
        let addon_name = match addon {
            Addon::Bridgecore => Some(("bridgecore", "BridgeCore")),
            Addon::AutoWebhook => Some(("auto_webhook", "Auto Webhook")),
            Addon::None => None,
        };
        for (name, label) in MODULES.into_iter().chain(addon_name) {
            let version = if name == "bridgecore" { "19.0.1.0.0" } else { "19.0.1.3" };
            self.put(
                "ir.module.module",
                json!({"name": name, "shortdesc": label, "state": "installed", "latest_version": version,
                       "installed_version": version, "author": "Demo"}),
            )?;
        }
        self.put("ir.config_parameter", json!({"key": "database.uuid", "value": database_uuid}))?;
        self.put("ir.config_parameter", json!({"key": "web.base.url", "value": "http://localhost:8069"}))?;
        if addon != Addon::None {
            for one in &super::engine::addon::TRACKED {
                let values = json!({"name": one.model, "model_name": one.model, "priority": one.priority,
                                    "instant_send": one.instant});
                self.put("webhook.config", values)?;
            }
        }
        Ok(())
    }

    /// Orders, invoices and expenses of the last weeks.
    fn orders(&mut self) -> Result<(), Refusal> {
        let customers = self.ids("res.partner", |rank| rank.cell("customer_rank").as_int() > 0)?;
        let vendors = self.ids("res.partner", |rank| rank.cell("supplier_rank").as_int() > 0)?;
        let products = self.ids("product.product", |_| true)?;
        for number in 0..24_u64 {
            let at = self.work.now.minus(Duration::from_secs((24 - number) * 30_000)).to_odoo();
            let customer = customers[self.below(customers.len())];
            let lines = self.lines(&products, "product_uom_qty");
            let user = if number % 3 == 0 { 2 } else { 6 };
            let values = json!({"partner_id": customer, "date_order": at, "user_id": user, "order_line": lines});
            let order = self.put("sale.order", values)?;
            if number % 3 == 1 {
                self.act("sale.order", "action_confirm", order)?;
                self.invoice(order, customer)?;
            }
        }
        for number in 0..8_u64 {
            let vendor = vendors[self.below(vendors.len())];
            let lines = self.lines(&products, "product_qty");
            let order = self.put("purchase.order", json!({"partner_id": vendor, "order_line": lines}))?;
            if number % 2 == 1 {
                self.act("purchase.order", "button_confirm", order)?;
            }
        }
        for product in products {
            let quantity = 5 + self.below(95);
            self.put("stock.quant", json!({"product_id": product, "location_id": 3, "quantity": quantity}))?;
        }
        Ok(())
    }

    fn invoice(&mut self, order: i64, customer: i64) -> Result<(), Refusal> {
        let orders = self.work.model("sale.order")?;
        let one = self.work.get(orders, order)?;
        let (total, origin) = (one.cell("amount_total").as_float(), one.name().into_owned());
        let values = json!({"move_type": "out_invoice", "partner_id": customer, "invoice_origin": origin,
                            "amount_untaxed": total, "amount_total": total, "amount_residual": total});
        let invoice = self.put("account.move", values)?;
        self.act("account.move", "action_post", invoice)
    }

    fn lines(&self, products: &[i64], quantity: &str) -> Value {
        let count = 1 + self.below(4);
        (0..count)
            .map(|_| {
                let mut values = Values::new();
                values.insert("product_id".to_owned(), json!(products[self.below(products.len())]));
                values.insert(quantity.to_owned(), json!(1 + self.below(12)));
                json!([0, 0, values])
            })
            .collect()
    }

    fn act(&mut self, model: &str, method: &str, id: i64) -> Result<(), Refusal> {
        let model = self.work.model(model)?;
        match super::engine::business::act(&mut self.work, model, method, &[id]) {
            Some(Err(refusal)) => Err(refusal),
            _ => Ok(()),
        }
    }

    fn ids(&self, model: &str, test: impl Fn(super::engine::view::Handle<'_>) -> bool) -> Result<Vec<i64>, Refusal> {
        let model = self.work.model(model)?;
        let ids: Vec<i64> = self.work.view().all(model).filter(|one| test(*one)).map(|one| one.id).collect();
        if ids.is_empty() { Err(Refusal::value("the sample data has no such records")) } else { Ok(ids) }
    }
}
