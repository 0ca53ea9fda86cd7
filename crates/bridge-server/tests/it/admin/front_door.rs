//! Connections: how many there are, how slow they may be, and how they end.

use crate::support::{ADMIN_PASSWORD, App, Setup, manual_clock};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request that anybody may send.
const HEALTH: &str = "GET /api/v2/sync/health HTTP/1.1\r\nHost: test\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_does_not_ask_in_time_is_closed() {
    let app = Setup::sqlite().config(|config| config.server.header_timeout_ms = 5_000).start().await;
    let (mut silent, mut slow, mut idle) = (Wire::open(&app).await, Wire::open(&app).await, Wire::open(&app).await);
    slow.send("GET /api/v2/sync/health HTTP/1.1\r\nHost: te").await;
    idle.send(HEALTH).await;
    assert!(idle.answer().await.starts_with("HTTP/1.1 200"));
    for wire in [&mut silent, &mut slow, &mut idle] {
        wire.expect_end().await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_bound_a_connection_waits_for_a_place() {
    let app = Setup::sqlite().config(|config| config.server.connections_max = 2).start().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::open(&app).await;
        wire.send(HEALTH).await;
        assert!(wire.answer().await.starts_with("HTTP/1.1 200"));
        open.push(wire);
    }
    let mut third = Wire::open(&app).await;
    third.send(HEALTH).await;
    assert!(timeout(Duration::from_millis(300), third.answer()).await.is_err(), "there was no place");
    drop(open.pop());
    assert!(third.answer().await.starts_with("HTTP/1.1 200"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_connection_keeps_its_place() {
    let app = Setup::sqlite().config(|config| config.server.connections_max = 1).start().await;
    let live = crate::support::Live::connect(&app, "/ws/webhooks", None).await;
    let mut second = Wire::open(&app).await;
    second.send(HEALTH).await;
    assert!(timeout(Duration::from_millis(300), second.answer()).await.is_err(), "there was no place");
    live.close().await;
    assert!(second.answer().await.starts_with("HTTP/1.1 200"));
    drop(second);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_closes_idle_connections_and_answers_open_requests() {
    let app = Setup::sqlite().config(|config| config.server.shutdown_ms = 600_000).start().await;
    let (mut new, mut idle, mut asking) = (Wire::open(&app).await, Wire::open(&app).await, Wire::open(&app).await);
    idle.send(HEALTH).await;
    assert!(idle.answer().await.starts_with("HTTP/1.1 200"));
    let body = json!({ "username": "admin", "password": ADMIN_PASSWORD }).to_string();
    let (first, rest) = body.split_at(10);
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    asking.send(&format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    // By this the service says that it has begun to read the body.
    assert!(asking.answer().await.starts_with("HTTP/1.1 100"));
    asking.send(first).await;

    let stopping = tokio::spawn(app.stop());
    idle.expect_end().await;
    new.expect_end().await;
    asking.send(rest).await;
    let answer = asking.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("access_token"), "{answer}");
    asking.expect_end().await;
    timeout(PATIENCE, stopping).await.expect("the stop takes too long").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_arrive_is_the_callers_delay() {
    let app = Setup::sqlite().config(|config| config.server.request_timeout_ms = 300).start().await;
    let mut wire = Wire::open(&app).await;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    wire.send(&format!("{head}Content-Length: 100\r\n\r\n{{\"username\"")).await;
    let answer = wire.answer().await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"REQUEST_TIMEOUT\""), "{answer}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_log_ins_from_elsewhere_do_not_lock_a_name_out() {
    let app = Setup::sqlite().clock(manual_clock()).limits(|limits| limits.per_minute.authentication = 2).start().await;
    let attempt = async |from: &str, password: &str| {
        let mut wire = Wire::open_from(&app, from).await;
        let body = json!({ "username": "admin", "password": password }).to_string();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
        wire.send(&format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        wire.answer().await[9..12].to_owned()
    };
    for status in ["401", "401", "429"] {
        assert_eq!(attempt("127.0.0.2", "wrong").await, status);
    }
    assert_eq!(attempt("127.0.0.2", ADMIN_PASSWORD).await, "429");
    assert_eq!(attempt("127.0.0.1", ADMIN_PASSWORD).await, "200");
    app.stop().await;
}

/// A connection on which a test says exactly what is sent.
struct Wire(TcpStream);

impl Wire {
    async fn open(app: &App) -> Self {
        Self::open_from(app, "127.0.0.1").await
    }

    async fn open_from(app: &App, address: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        Self(socket.connect(app.address()).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer, with its head.
    async fn answer(&mut self) -> String {
        let reading = async {
            let mut answer = Vec::new();
            loop {
                let byte = self.0.read_u8().await.expect("the connection ended before the answer");
                answer.push(byte);
                let text = String::from_utf8_lossy(&answer);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
                });
                if body.len() >= length.unwrap_or(0) {
                    return text.into_owned();
                }
            }
        };
        timeout(PATIENCE, reading).await.expect("no answer came")
    }

    /// The service closes.
    async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the connection stays open");
        // A reset is an end as well.
        assert!(ended.is_err() || rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}
