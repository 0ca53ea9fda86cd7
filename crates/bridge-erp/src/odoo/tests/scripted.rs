//! A server on a real socket that answers each request as a function says, byte by byte if need be.

use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    /// The value of the cookie `session_id`.
    pub(super) session_id: Option<String>,
    pub(super) body: Value,
    /// The body as it came.
    pub(super) text: String,
    /// The header with the credential.
    pub(super) authorization: Option<String>,
    /// How many requests came on the same path before.
    pub(super) earlier_on_this_path: usize,
}

impl Request {
    pub(super) fn params(&self) -> &Value {
        &self.body["params"]
    }

    /// Model and method of a call, whichever way it came.
    pub(super) fn called(&self) -> (String, String) {
        let params = self.params();
        let (model, method) = match params["args"].as_array() {
            Some(args) if self.path == "/jsonrpc" && args.len() > 4 => (&args[3], &args[4]),
            _ => (&params["model"], &params["method"]),
        };
        (model.as_str().unwrap_or_default().into(), method.as_str().unwrap_or_default().into())
    }
}

/// What to do with a request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// The same, once the test lets it go.
    Held(Vec<u8>),
    /// Nothing at all.
    Silence,
    /// The bytes, then spaces without end.
    Endless(Vec<u8>),
}

impl Answer {
    pub(super) fn json(body: &Value) -> Self {
        Self::http("HTTP/1.1 200 OK\r\nContent-Type: application/json", body.to_string().as_bytes())
    }

    /// A status line with headers, and a body whose length is told.
    pub(super) fn http(head: &str, body: &[u8]) -> Self {
        let head = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        Self::Bytes([head.as_bytes(), body].concat())
    }

    pub(super) fn with_cookie(self, value: &str) -> Self {
        let Self::Bytes(bytes) = self else { panic!("only an answer of bytes has headers") };
        let text = String::from_utf8(bytes).unwrap();
        let cookie = format!("\r\nSet-Cookie: session_id={value}; Path=/; HttpOnly\r\n");
        Self::Bytes(text.replacen("\r\n", &cookie, 1).into_bytes())
    }

    pub(super) fn held(self) -> Self {
        let Self::Bytes(bytes) = self else { panic!("only an answer of bytes can be held") };
        Self::Held(bytes)
    }
}

/// The server; it stops with its value.
pub(super) struct Server {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Box<dyn Fn(&Request) -> Answer + Send + Sync>,
    requests: Mutex<Vec<Request>>,
    came: Notify,
    release: Semaphore,
    under_way: AtomicUsize,
    under_way_most: AtomicUsize,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            requests: Mutex::default(),
            came: Notify::new(),
            release: Semaphore::new(0),
            under_way: AtomicUsize::new(0),
            under_way_most: AtomicUsize::new(0),
        });
        let state = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { address, shared, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(super) fn count_of(&self, path_start: &str) -> usize {
        self.requests().iter().filter(|request| request.path.starts_with(path_start)).count()
    }

    /// The most requests that were under way at once.
    pub(super) fn under_way_most(&self) -> usize {
        self.shared.under_way_most.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come on paths that start so.
    pub(super) async fn wait_for(&self, path_start: &str, count: usize) {
        let enough = async {
            loop {
                let came = self.shared.came.notified();
                if self.count_of(path_start) >= count {
                    return;
                }
                came.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), enough).await.expect("the requests should have come");
    }

    /// Lets so many held answers go.
    pub(super) fn release(&self, count: usize) {
        self.shared.release.add_permits(count);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let Some(mut request) = read(&mut stream).await else { return };
    {
        let mut requests = shared.requests.lock().unwrap();
        request.earlier_on_this_path = requests.iter().filter(|earlier| earlier.path == request.path).count();
        requests.push(request.clone());
        let now = shared.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        shared.under_way_most.fetch_max(now, Ordering::SeqCst);
    }
    shared.came.notify_waiters();
    let answer = (shared.answer)(&request);
    let bytes = match &answer {
        Answer::Held(bytes) => {
            shared.release.acquire().await.unwrap().forget();
            bytes
        }
        Answer::Bytes(bytes) | Answer::Endless(bytes) => bytes,
        Answer::Silence => {
            // The client gives up; until then the connection stays open.
            let _ = stream.read(&mut [0; 1]).await;
            return;
        }
    };
    // Before the answer, since the client may send the next request the moment that it has it.
    shared.under_way.fetch_sub(1, Ordering::SeqCst);
    let _ = stream.write_all(bytes).await;
    if matches!(answer, Answer::Endless(_)) {
        while stream.write_all(&[b' '; 4096]).await.is_ok() {}
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request {
        path: head.split(' ').nth(1).unwrap().to_owned(),
        session_id: header("cookie").and_then(|cookie| cookie.strip_prefix("session_id=").map(str::to_owned)),
        body: serde_json::from_slice(&bytes[head_end..]).unwrap_or_default(),
        text: String::from_utf8_lossy(&bytes[head_end..]).into_owned(),
        authorization: header("authorization"),
        earlier_on_this_path: 0,
    })
}
