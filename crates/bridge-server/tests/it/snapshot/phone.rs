//! A device that keeps what it is told of, and the ERP's own records to compare with.

use crate::support::Client;
use crate::sync::device::{Device, token_of};
use bridge_erp::fake::DemoErp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The path of the snapshot.
pub(super) const SNAPSHOT: &str = "/api/v2/sync/snapshot";

/// The demo ERP's salesperson, who may not read invoices.
pub(super) const SALES: i64 = 6;

/// What is compared of each model.
pub(super) const FIELDS: [(&str, &[&str]); 4] = [
    ("product.template", &["name", "active", "list_price", "default_code"]),
    ("res.partner", &["name", "active", "city", "parent_id", "category_id"]),
    ("sale.order", &["state", "partner_id", "client_order_ref", "date_order", "commitment_date"]),
    ("sale.order.line", &["order_id", "name", "product_uom_qty"]),
];

/// Records by model and id.
pub(super) type Records = BTreeMap<(String, i64), Value>;

/// What is asked for of each model.
pub(super) fn fields() -> Value {
    FIELDS.iter().map(|(model, names)| ((*model).to_owned(), json!(names))).collect::<Map<_, _>>().into()
}

/// Every page of a snapshot.
pub(super) async fn all_pages(client: &Client, wish: &Value) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut body = wish.clone();
    loop {
        let page = client.post(SNAPSHOT, &body).await.expect(200);
        assert_eq!(page["has_more"], page["next_page_token"].is_string(), "{page}");
        body["page_token"] = page["next_page_token"].clone();
        pages.push(page);
        if body["page_token"].is_null() {
            return pages;
        }
        assert!(pages.len() < 1_000, "the snapshot does not end");
    }
}

/// The ERP's record as a device should have it, if it is there.
pub(super) fn truth(erp: &DemoErp, model: &str, id: i64) -> Option<Value> {
    let names = FIELDS.iter().find(|(known, _)| *known == model).unwrap().1;
    let mut tx = erp.db().begin(2);
    let rows = tx.call(model, "read", vec![json!([id]), json!(names)]).unwrap();
    rows.get(0).map(|row| {
        let mut row = row.clone();
        for (name, value) in row.as_object_mut().unwrap() {
            if value == &json!(false) && name != "active" {
                *value = Value::Null;
            }
            if name.contains("date")
                && let Value::String(text) = value
            {
                *text = format!("{}Z", text.replace(' ', "T"));
            }
        }
        comparable(&row)
    })
}

/// All of the ERP's records that are compared.
pub(super) fn everything(erp: &DemoErp) -> Records {
    let ids = FIELDS.iter().flat_map(|(model, _)| erp.db().ids(model).into_iter().map(move |id| (*model, id)));
    ids.filter_map(|(model, id)| Some(((model.to_owned(), id), truth(erp, model, id)?))).collect()
}

/// A record without the names of others, which can change without the record.
fn comparable(record: &Value) -> Value {
    let mut record = record.clone();
    for name in ["parent_id", "partner_id", "order_id"] {
        if let Some(value) = record.get_mut(name).filter(|value| value.is_array()) {
            *value = value[0].clone();
        }
    }
    record
}

/// Where a phone is.
enum Stage {
    Snapshot(Option<String>),
    Pulling(String),
}

/// A device with its copy of the records.
pub(super) struct Phone {
    device: Device,
    limit: u32,
    compact: bool,
    include: bool,
    stage: Stage,
    records: Records,
}

impl Phone {
    pub(super) fn new(client: &Client, name: &str, limit: u32, compact: bool, include: bool) -> Self {
        let device = Device::new(client, name).with(&json!({ "app_type": "phone_app" }));
        Self { device, limit, compact, include, stage: Stage::Snapshot(None), records: Records::new() }
    }

    /// Takes a page of the snapshot, or pulls once. True: there is nothing more for now.
    pub(super) async fn step(&mut self, erp: &DemoErp) -> bool {
        match &self.stage {
            Stage::Snapshot(page) => {
                let body = json!({ "device_id": self.device.name, "app_type": "phone_app", "limit": self.limit,
                    "page_token": page, "fields": fields() });
                let page = self.device.client.post(SNAPSHOT, &body).await.expect(200);
                for record in page["records"].as_array().unwrap() {
                    self.keep(page["model"].as_str().unwrap(), record);
                }
                let position = || page["snapshot_position"].to_string();
                let next = page["next_page_token"].as_str().map(str::to_owned);
                self.stage = next.map_or_else(|| Stage::Pulling(position()), |token| Stage::Snapshot(Some(token)));
                false
            }
            Stage::Pulling(token) => {
                let mut wish = json!({ "last_sync_token": token, "limit": self.limit, "compact": self.compact });
                if self.include {
                    wish["include"] = json!({ "fields": fields() });
                }
                let answer = self.device.pull(wish).await;
                self.apply(erp, &answer);
                self.stage = Stage::Pulling(token_of(&answer));
                answer["has_more"] == false
            }
        }
    }

    /// What the phone has. A link to a record that was deleted is empty: Odoo's database empties it without a change of
    /// the record that holds it.
    pub(super) fn seen(&self) -> Records {
        let mut records = self.records.clone();
        for (key, record) in &mut records {
            if let Some(parent) = record.get("parent_id").and_then(Value::as_i64)
                && !self.records.contains_key(&(key.0.clone(), parent))
            {
                record["parent_id"] = Value::Null;
            }
        }
        records
    }

    fn apply(&mut self, erp: &DemoErp, answer: &Value) {
        assert_eq!((&answer["resync_required"], answer.get("include_error")), (&json!(false), None), "{answer}");
        for event in answer["events"].as_array().unwrap() {
            let (model, id) = (event["model"].as_str().unwrap(), event["record_id"].as_i64().unwrap());
            let now = if event["event"] == "unlink" {
                None
            } else if self.include {
                let mut of_model = answer["records"][model].as_array().into_iter().flatten();
                of_model.find(|record| record["id"] == id).cloned()
            } else {
                truth(erp, model, id)
            };
            match now {
                Some(record) => self.keep(model, &record),
                None => drop(self.records.remove(&(model.to_owned(), id))),
            }
        }
    }

    fn keep(&mut self, model: &str, record: &Value) {
        self.records.insert((model.to_owned(), record["id"].as_i64().unwrap()), comparable(record));
    }
}
