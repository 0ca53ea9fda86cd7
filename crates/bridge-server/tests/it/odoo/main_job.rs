//! The main job: what somebody does in Odoo reaches each device that should know, in order, once.

use super::server::Odoo;
use crate::support::{App, Client, Live, Setup, eventually, on_both_databases};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_mins(1);

/// What a device heard of a change.
type Heard = (i64, String, i64, String);

const SALES_MODELS: &[&str] = &["sale.order", "sale.order.line", "res.partner", "product.template", "product.product"];
const WAREHOUSE_MODELS: &[&str] = &["stock.picking", "stock.move", "stock.quant", "product.product", "stock.location"];

/// A device that pulls with tokens.
struct Device {
    client: Client,
    name: &'static str,
    app_type: &'static str,
    token: String,
    heard: Vec<Heard>,
}

impl Device {
    fn new(client: Client, name: &'static str, app_type: &'static str) -> Self {
        Self { client, name, app_type, token: "0".to_owned(), heard: Vec::new() }
    }

    fn request(&self) -> Value {
        json!({
            "device_id": self.name, "app_type": self.app_type, "limit": 7, "last_sync_token": self.token,
        })
    }

    /// Pulls until there is no more.
    async fn pull(&mut self) {
        loop {
            let answer = self.client.post("/api/v2/sync/pull", &self.request()).await.expect(200);
            self.heard.extend(answer["events"].as_array().unwrap().iter().map(heard));
            answer["next_sync_token"].as_str().unwrap().clone_into(&mut self.token);
            if !answer["has_more"].as_bool().unwrap() {
                return;
            }
        }
    }
}

fn heard(event: &Value) -> Heard {
    (
        event["id"].as_i64().unwrap(),
        event["model"].as_str().unwrap().to_owned(),
        event["record_id"].as_i64().unwrap(),
        event["event"].as_str().unwrap().to_owned(),
    )
}

/// The people of the test, by their users in Odoo.
struct People {
    seller: i64,
    storekeeper: i64,
}

async fn a_day_in_odoo_reaches_every_device(setup: Setup) {
    let mut odoo = Odoo::start("main_job").await;
    let people = hire(&odoo).await;
    let app = setup.start().await;
    // Odoo pushes to one address, so that the service comes back on the same port.
    let address = app.address();
    let admin = app.admin().await;
    let registration = json!({
        "system_id": "odoo_main", "system_type": "odoo", "name": "Odoo", "connection_config": odoo.connection(),
    });
    let registered = admin.post("/api/v1/systems", &registration).await.expect(201);
    let seller = app.user("seller", Some(people.seller)).await;
    let storekeeper = app.user("storekeeper", Some(people.storekeeper)).await;
    configure_push(&odoo, &format!("http://{address}"), registered["push_key"].as_str().unwrap()).await;

    let mut phone = Device::new(seller.clone(), "seller-phone", "sales_app");
    let mut scanner = Device::new(storekeeper, "store-scanner", "warehouse_app");
    let mut tablet = LiveDevice::connect(&app, &seller, None).await;

    // The morning: everything runs.
    let partner = odoo.create("res.partner", json!({ "name": "Dar Al Noor", "is_company": true })).await;
    let lamp = odoo.create("product.product", json!({ "name": "Lamp", "type": "consu", "list_price": 40.0 })).await;
    let obsolete = odoo.create("product.product", json!({ "name": "Candle", "type": "consu" })).await;
    let order = odoo.create("sale.order", json!({ "partner_id": partner })).await;
    caught_up(&admin, &odoo).await;
    phone.pull().await;
    scanner.pull().await;
    tablet.hear_until(&admin).await;

    // BridgeCore is stopped; Odoo goes on.
    tablet.live.close().await;
    let before_stop = tablet.heard;
    let setup = app.stop().await.config(|config| config.server.listen = address);
    odoo.create("sale.order.line", json!({ "order_id": order, "product_id": lamp, "product_uom_qty": 3 })).await;
    odoo.call("sale.order", "action_confirm", json!([[order]])).await;
    let app = setup.start().await;
    let position = before_stop.last().map(|(id, ..)| id.to_string());
    let mut tablet = LiveDevice::connect(&app, &seller, position).await;
    caught_up(&admin, &odoo).await;

    // Odoo is stopped and started again; then the day goes on.
    odoo.stop().await;
    phone.pull().await;
    odoo.launch().await;
    odoo.write("res.partner", partner, json!({ "phone": "+212 522 000000" })).await;
    odoo.unlink("product.product", obsolete).await;
    caught_up(&admin, &odoo).await;

    // A reply that is cut off on its way is delivered again.
    cut_reply(&app, &phone).await;
    phone.pull().await;
    scanner.pull().await;
    tablet.hear_until(&admin).await;

    let log = whole_log(&admin).await;
    let committed = odoo.events().await;
    assert_once_and_complete(&log, &committed);
    assert_day(&log, partner, order, obsolete);
    let for_sales = only(&log, SALES_MODELS);
    assert_eq!(phone.heard, for_sales, "the phone");
    assert_eq!([before_stop, tablet.heard].concat(), for_sales, "the tablet");
    assert_eq!(scanner.heard, only(&log, WAREHOUSE_MODELS), "the scanner");
    let origins = origins(&admin).await;
    assert!(origins.contains(&"pull".to_owned()), "nothing came by pull: {origins:?}");
    assert!(odoo.pushed().await > 0, "nothing was pushed and answered with a 2xx");
    app.stop().await;
}
on_both_databases!(a_day_in_odoo_reaches_every_device);

/// Makes the seller and the storekeeper in Odoo.
async fn hire(odoo: &Odoo) -> People {
    let internal = odoo.reference("base", "group_user").await;
    let sales = odoo.reference("sales_team", "group_sale_salesman_all_leads").await;
    let stock = odoo.reference("stock", "group_stock_user").await;
    let user = |login: &str, group: i64| json!({ "name": login, "login": login, "password": format!("{login}-pw-1"), "group_ids": [[6, 0, [internal, group]]] });
    People {
        seller: odoo.create("res.users", user("seller", sales)).await,
        storekeeper: odoo.create("res.users", user("storekeeper", stock)).await,
    }
}

/// Sets the add-on up to push orders and partners at once; everything else is only pulled.
async fn configure_push(odoo: &Odoo, url: &str, key: &str) {
    for (name, value) in [("bridgecore.url", url), ("bridgecore.push_key", key), ("bridgecore.push_enabled", "True")] {
        odoo.call("ir.config_parameter", "set_param", json!([name, value])).await;
    }
    let rows = odoo
        .call("webhook.config", "search_read", json!([[["model_name", "in", ["sale.order", "res.partner"]]], ["id"]]))
        .await;
    for row in rows.as_array().unwrap() {
        let id = row["id"].as_i64().unwrap();
        odoo.write("webhook.config", id, json!({ "priority": "high", "instant_send": true })).await;
    }
}

/// A device on a live connection.
struct LiveDevice {
    live: Live,
    heard: Vec<Heard>,
}

impl LiveDevice {
    async fn connect(app: &App, client: &Client, since: Option<String>) -> Self {
        let mut live = Live::connect(app, "/ws/webhooks", Some(client.token())).await;
        let since = since.unwrap_or_else(|| "0".to_owned());
        live.send(json!({
            "type": "subscribe", "channel": "events", "device_id": "seller-tablet", "app_type": "sales_app",
            "since": since,
        }))
        .await;
        Self { live, heard: Vec::new() }
    }

    /// Listens until everything that is in the log for this device has been heard.
    async fn hear_until(&mut self, admin: &Client) {
        let last = only(&whole_log(admin).await, SALES_MODELS).last().cloned();
        while self.heard.last() != last.as_ref() {
            let message = self.live.next_of("notification").await;
            self.heard.push(heard(&message["data"]));
        }
    }
}

/// Waits until the log holds as many changes as Odoo has committed.
async fn caught_up(admin: &Client, odoo: &Odoo) {
    eventually("the log has what Odoo committed", PATIENCE, async || {
        let committed = odoo.events().await;
        (whole_log(admin).await.len() >= committed.len() && !committed.is_empty()).then_some(())
    })
    .await;
}

pub(super) async fn events_of(admin: &Client) -> Vec<Value> {
    events_after(admin, &mut "0".to_owned()).await
}

/// What came into the log after what the token stands for, and the token for all of it.
pub(super) async fn events_after(admin: &Client, token: &mut String) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let body = json!({
            "device_id": "auditor", "app_type": "mobile_app", "limit": 1000, "last_sync_token": token,
        });
        let answer = admin.post("/api/v2/sync/pull", &body).await.expect(200);
        events.extend(answer["events"].as_array().unwrap().iter().cloned());
        answer["next_sync_token"].as_str().unwrap().clone_into(token);
        if !answer["has_more"].as_bool().unwrap() {
            return events;
        }
    }
}

async fn whole_log(admin: &Client) -> Vec<Heard> {
    events_of(admin).await.iter().map(heard).collect()
}

async fn origins(admin: &Client) -> Vec<String> {
    events_of(admin).await.iter().map(|event| event["origin"].as_str().unwrap().to_owned()).collect()
}

fn only(log: &[Heard], models: &[&str]) -> Vec<Heard> {
    log.iter().filter(|(_, model, ..)| models.contains(&model.as_str())).cloned().collect()
}

/// The log and Odoo's own table hold the same events, each once; for each record in the order of its commits.
fn assert_once_and_complete(log: &[Heard], committed: &[(String, i64, String)]) {
    let by_record = |events: &mut dyn Iterator<Item = (String, i64, String)>| {
        let mut records: std::collections::BTreeMap<(String, i64), Vec<String>> = std::collections::BTreeMap::new();
        for (model, record, event) in events {
            records.entry((model, record)).or_default().push(event);
        }
        records
    };
    let ours = by_record(&mut log.iter().map(|(_, model, record, event)| (model.clone(), *record, event.clone())));
    let theirs = by_record(&mut committed.iter().cloned());
    assert_eq!(ours, theirs);
    assert!(log.windows(2).all(|pair| pair[0].0 < pair[1].0), "positions out of order");
}

/// What the day was about is there, each thing as often as it was done.
fn assert_day(log: &[Heard], partner: i64, order: i64, obsolete: i64) {
    let count = |model: &str, record: i64, event: &str| {
        log.iter().filter(|(_, m, r, e)| m == model && *r == record && e == event).count()
    };
    assert_eq!(count("res.partner", partner, "create"), 1);
    assert!(count("res.partner", partner, "write") >= 1, "the partner was edited");
    assert_eq!(count("sale.order", order, "create"), 1);
    assert!(count("sale.order", order, "write") >= 1, "the order was confirmed");
    assert_eq!(log.iter().filter(|(_, model, _, event)| model == "sale.order.line" && event == "create").count(), 1);
    assert_eq!(count("product.product", obsolete, "create"), 1);
    assert_eq!(count("product.product", obsolete, "unlink"), 1);
}

/// Pulls over a bare socket and hangs up in the middle of the reply.
async fn cut_reply(app: &App, device: &Device) {
    let body = device.request().to_string();
    let mut socket = TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "POST /api/v2/sync/pull HTTP/1.1\r\nHost: bridgecore\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        device.client.token(),
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut start = [0; 200];
    socket.read_exact(&mut start).await.unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&start));
}
