//! Between the service and an S3 server: counts what is answered, cuts connections, and holds answers back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A relay on a free port, as long as it lives.
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answered_bytes: AtomicUsize,
    to_cut: AtomicUsize,
    holds_answers: AtomicBool,
    held: Notify,
}

impl Relay {
    /// A relay to the server at `http://host:port`.
    pub(crate) async fn to(endpoint: &str) -> Self {
        let server = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, shared) = (listener.local_addr().unwrap().port(), Arc::new(Shared::default()));
        let state = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server.clone(), Arc::clone(&state)));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How much the server has answered, in bytes.
    pub(crate) fn answered_bytes(&self) -> usize {
        self.shared.answered_bytes.load(Ordering::SeqCst)
    }

    /// Cuts so many of the next connections over which something is sent.
    pub(crate) fn cut_next(&self, connections: usize) {
        self.shared.to_cut.store(connections, Ordering::SeqCst);
    }

    /// From now on the server's answers are not passed on.
    pub(crate) fn hold_answers(&self) {
        self.shared.holds_answers.store(true, Ordering::SeqCst);
    }

    /// Waits until an answer was held back.
    pub(crate) async fn held(&self) {
        self.shared.held.notified().await;
    }
}

async fn relay(mut client: TcpStream, server: String, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let cut = shared.to_cut.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if cut.is_ok() || server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                shared.answered_bytes.fetch_add(read, Ordering::SeqCst);
                if shared.holds_answers.load(Ordering::SeqCst) {
                    shared.held.notify_one();
                    continue;
                }
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The address of a server that answers every request with this, and then closes.
pub(crate) async fn canned(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut asked, mut part) = (Vec::new(), [0; 4096]);
                // A request with a body has all of it read, or the client would see a broken connection.
                while !is_whole(&asked) {
                    let Ok(read @ 1..) = client.read(&mut part).await else { return };
                    asked.extend_from_slice(&part[..read]);
                }
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                let _ = client.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
