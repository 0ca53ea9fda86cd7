use super::PATH;
use crate::ingest::pusher::{Pusher, event};
use crate::support::{App, Client, Live, Setup, eventually};
use base64::Engine as _;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Error;

const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_is_answered_and_the_connection_stays() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let mut live = Live::connect(&app, PATH, Some(admin.token())).await;
    live.next_of("authenticated").await;
    for bad in [
        json!(null),
        json!([]),
        json!("subscribe"),
        json!({}),
        json!({ "type": "dance" }),
        json!({ "type": "subscribe" }),
        json!({ "type": "subscribe", "channel": 7 }),
        json!({ "type": "ack" }),
        json!({ "type": "auth" }),
    ] {
        live.send(bad.clone()).await;
        let said = live.next().await;
        assert_eq!((&said["type"], &said["code"]), (&json!("error"), &json!("DATA_VALIDATION_FAILED")), "{bad}");
        assert_eq!(said["error"], "ValidationException");
        assert!(said["message"].is_string() && said["details"].is_object());
    }
    live.send(json!({ "type": "ping" })).await;
    assert_eq!(live.next().await["type"], "pong");
    live.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_closes() {
    let app = Setup::sqlite().config(|config| config.live.message_bytes_max = 1_000).start().await;
    let admin = app.admin().await;
    let mut live = Live::connect(&app, PATH, Some(admin.token())).await;
    live.next_of("authenticated").await;
    live.send(json!({ "type": "ping", "more": "x".repeat(900) })).await;
    assert_eq!(live.next().await["type"], "pong");
    live.send(json!({ "type": "ping", "more": "x".repeat(1_000) })).await;
    assert_eq!(live.closed().await.0, 1009);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_no_heartbeat_is_closed_and_who_does_stays() {
    let app = Setup::sqlite().config(|config| config.live.heartbeat_ms = 2_000).start().await;
    let admin = app.admin().await;
    let mut answering = Live::connect(&app, PATH, Some(admin.token())).await;
    let mut silent = Live::connect(&app, PATH, Some(admin.token())).await;
    for _ in 0..2 {
        assert!(answering.next_of("ping").await["timestamp"].is_string());
        answering.send(json!({ "type": "pong" })).await;
    }
    assert_eq!(silent.closed().await, (4408, "no answer to two heartbeats".to_owned()));
    answering.next_of("ping").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_so_many_places_and_they_are_given_back() {
    let app = Setup::sqlite().config(|config| config.live.connections_max = 2).start().await;
    let admin = app.admin().await;
    let first = Live::connect(&app, PATH, Some(admin.token())).await;
    // Who has not said yet who they are takes a place too.
    let _second = Live::connect(&app, PATH, None).await;
    let Err(Error::Http(refused)) = Live::try_connect(&app, PATH, Some(admin.token())).await else {
        panic!("a third connection was opened");
    };
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
    let body: Value = serde_json::from_slice(refused.body().as_deref().unwrap()).unwrap();
    assert_eq!(body["code"], "SERVICE_UNAVAILABLE");
    first.close().await;
    eventually("the place is free again", PATIENCE, async || {
        Live::try_connect(&app, PATH, Some(admin.token())).await.ok()
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_open_connections_at_once_and_says_so() {
    let setup = Setup::sqlite().config(|config| {
        config.server.shutdown_ms = 60_000;
        config.live.auth_timeout_ms = 60_000;
        config.live.send_timeout_ms = 60_000;
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let mut listening = Live::connect(&app, PATH, Some(admin.token())).await;
    listening.send(json!({ "type": "subscribe", "channel": "events", "device_id": "phone-1" })).await;
    listening.next_of("live").await;
    let mut nameless = Live::connect(&app, PATH, None).await;
    let mut stalled = stalled(&app, &admin).await;
    // The one that reads gets everything, by which time the server is stuck in a send to the one that does not.
    tokio::join!(fill(&source, 1..=STALL_EVENTS), async {
        for id in 1..=STALL_EVENTS {
            assert_eq!(listening.next_of("notification").await["data"]["id"], id);
        }
    });
    // Far sooner than the time that it gives to requests which are being worked on.
    let setup = tokio::time::timeout(Duration::from_secs(40), app.stop()).await.expect("the stop hangs");
    assert_eq!(listening.closed().await.0, 1001);
    assert_eq!(nameless.closed().await.0, 1001);
    read_to_end(&mut stalled).await;
    // Nothing holds the database: the service starts again on it.
    setup.start().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_closed_and_others_go_on() {
    let setup = Setup::sqlite().config(|config| {
        config.live.send_timeout_ms = 1_000;
        config.live.connections_max = 3;
        config.ingest.payload_bytes_max = 2 * PAYLOAD_BYTES;
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let source = Pusher::register(&app, &admin, "shop").await;
    let mut reading = Live::connect(&app, PATH, Some(admin.token())).await;
    reading.send(json!({ "type": "subscribe", "channel": "events", "since": "0" })).await;
    reading.next_of("live").await;
    let mut slow = [stalled(&app, &admin).await, stalled(&app, &admin).await];
    assert!(Live::try_connect(&app, PATH, Some(admin.token())).await.is_err(), "all places are taken");
    tokio::join!(fill(&source, 1..=STALL_EVENTS), async {
        for id in 1..=STALL_EVENTS {
            assert_eq!(reading.next_of("notification").await["data"]["id"], id);
        }
    });
    // Their places are free only when the server has let go of them, which it could not tell to be necessary if it
    // kept for them what they do not read.
    let mut again = Vec::new();
    for _ in 0..2 {
        again.push(
            eventually("the places of those who did not read are free", PATIENCE, async || {
                Live::try_connect(&app, PATH, Some(admin.token())).await.ok()
            })
            .await,
        );
    }
    let sent = u64::try_from(STALL_EVENTS).unwrap() * u64::try_from(PAYLOAD_BYTES).unwrap();
    for stalled in &mut slow {
        let got = read_to_end(stalled).await;
        assert!(u64::try_from(got.len()).unwrap() < sent, "it was sent everything after all");
    }
    // And they lose nothing: they come back and go on.
    let mut back = again.remove(0);
    back.send(json!({ "type": "subscribe", "channel": "events", "since": STALL_EVENTS - 1 })).await;
    assert_eq!(back.next_of("notification").await["data"]["id"], STALL_EVENTS);
    app.stop().await;
}

/// How large each event's payload is, and how many of them are far more than the sockets between the two ends hold.
const PAYLOAD_BYTES: usize = 60_000;
const STALL_EVENTS: i64 = 600;

async fn fill(source: &Pusher, ids: std::ops::RangeInclusive<i64>) {
    let ids: Vec<i64> = ids.collect();
    for part in ids.chunks(20) {
        let events: Vec<Value> = part
            .iter()
            .map(|id| {
                let mut event = event(*id, "sale.order", *id, "write");
                event["payload"] = json!("x".repeat(PAYLOAD_BYTES));
                event
            })
            .collect();
        source.push(&json!(events)).await.expect(200);
    }
}

/// A client that subscribes to everything and then reads nothing more.
async fn stalled(app: &App, admin: &Client) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(app.address()).await.unwrap();
    let key = base64::engine::general_purpose::STANDARD.encode([7; 16]);
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\nAuthorization: Bearer {}\r\n\r\n",
        app.address(),
        admin.token()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    let wish = br#"{"type":"subscribe","channel":"events","since":"0"}"#;
    // One masked text frame; a mask of zeros leaves the text as it is.
    let mut frame = vec![0x81, 0x80 | u8::try_from(wish.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(wish);
    stream.write_all(&frame).await.unwrap();
    stream
}

/// Reads what is left, until the server's end of the connection is gone.
async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the connection is still open");
    rest
}
