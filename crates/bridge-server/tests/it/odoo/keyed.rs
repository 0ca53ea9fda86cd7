//! Writes with an `Idempotency-Key` on a real Odoo whose answers get lost on the way.

use super::server::Odoo;
use crate::support::{Answer, Client, Setup};
use reqwest::Method;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What stands in the requests whose answers are lost.
const MARK: &[u8] = b"Dar Al Noor";

/// Passes everything on to Odoo, and loses answers.
struct Lossy {
    url: String,
    /// How many answers to marked requests are still to be lost.
    left: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Lossy {
    async fn start(to: &str) -> Self {
        let to = to.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let left = Arc::new(AtomicUsize::new(0));
        let losing = Arc::clone(&left);
        let accepting = tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(pass(from, to.clone(), Arc::clone(&losing)));
            }
        });
        Self { url, left, accepting }
    }

    fn lose(&self, answers: usize) {
        self.left.store(answers, Ordering::SeqCst);
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes one connection on until an answer is to be lost: Odoo answers when it has committed, so that the work is done
/// when the first byte comes.
async fn pass(mut from: TcpStream, to: String, left: Arc<AtomicUsize>) {
    let Ok(mut to) = TcpStream::connect(to).await else { return };
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    // All of the request, since what marks it may come in two parts.
    let mut request = Vec::new();
    loop {
        tokio::select! {
            count = from.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                request.extend_from_slice(&asked[..count]);
                if to.write_all(&asked[..count]).await.is_err() {
                    return;
                }
            }
            count = to.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                let is_marked = request.windows(MARK.len()).any(|part| part == MARK);
                let lose_one = |left: usize| left.checked_sub(1);
                if is_marked && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose_one).is_ok() {
                    return;
                }
                request.clear();
                if from.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn create(client: &Client, key: &str) -> Answer {
    let body = json!({ "action": "create", "model": "res.partner", "data": { "name": "Dar Al Noor" } });
    let request = client.request(Method::POST, "/api/v1/systems/odoo/crud").header("Idempotency-Key", key);
    client.send(request.json(&body)).await
}

async fn result(client: &Client, body: &Value) -> Value {
    client.post("/api/v1/systems/odoo/crud", body).await.expect(200)["result"].clone()
}

/// Registers an Odoo behind a network that loses answers.
async fn behind(admin: &Client, odoo: &Odoo) -> Lossy {
    let mut connection = json!(odoo.connection());
    let lossy = Lossy::start(connection["url"].as_str().unwrap()).await;
    connection["url"] = json!(lossy.url);
    let registration =
        json!({ "system_id": "odoo", "system_type": "odoo", "name": "Odoo", "connection_config": connection });
    admin.post("/api/v1/systems", &registration).await.expect(201);
    let models = json!({ "models": { "res.partner": { "operations": ["read", "create"] } } });
    admin.put("/api/v1/systems/odoo/allowed", &models).await.expect(200);
    lossy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_makes_one_record_with_the_addon() {
    let odoo = Odoo::start("keyed").await;
    let app = Setup::sqlite().config(|config| config.erp.circuit_failures_max = 1_000).start().await;
    let admin = app.admin().await;
    let lossy = behind(&admin, &odoo).await;
    let count = json!({ "action": "count", "model": "res.partner", "domain": [["name", "=", "Dar Al Noor"]] });
    lossy.lose(1);
    let made = create(&admin, "order-0001").await.expect(200);
    assert_eq!(made["result"]["name"], "Dar Al Noor");
    assert_eq!(result(&admin, &count).await, 1);
    // Every try of the request loses its answer; the next request finds it.
    lossy.lose(4);
    let lost = create(&admin, "order-0002").await.expect_problem(502, "OUTCOME_UNKNOWN");
    assert_eq!(lost["details"]["safe_to_repeat"], true);
    lossy.lose(0);
    assert_eq!(result(&admin, &count).await, 2);
    let found = create(&admin, "order-0002").await.expect(200);
    assert_ne!(found["result"]["id"], made["result"]["id"]);
    assert_eq!(result(&admin, &count).await, 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_is_not_sent_again_without_the_addon() {
    let odoo = Odoo::start_bare("unkeyed").await;
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let lossy = behind(&admin, &odoo).await;
    lossy.lose(1);
    for _ in 0..2 {
        let lost = create(&admin, "order-0001").await.expect_problem(502, "OUTCOME_UNKNOWN");
        assert_eq!(lost["details"]["safe_to_repeat"], false);
        assert_eq!(result(&admin, &lost["details"]["check"]).await[0]["name"], "Dar Al Noor");
    }
    let count = json!({ "action": "count", "model": "res.partner", "domain": [["name", "=", "Dar Al Noor"]] });
    assert_eq!(result(&admin, &count).await, 1);
    app.stop().await;
}
