//! One JSON-RPC exchange over HTTP, with every limit.

use super::errors;
use crate::adapter::Connection;
use crate::pool::ClientOptions;
use crate::{ErpError, ErpErrorKind};
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect;
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;

/// The kept HTTP client of one Odoo.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    host: String,
    permits: Semaphore,
    call_timeout: Duration,
    reply_bytes_max: usize,
    next_id: AtomicU64,
}

/// The good end of an exchange.
#[derive(Debug)]
pub(super) struct Reply {
    /// What was answered; null if the method returned nothing.
    pub(super) result: Value,
    /// The session that the reply sets, if it sets one.
    pub(super) session_id: Option<String>,
}

impl Client {
    /// The client of this connection. An address that can't be used is an `InvalidRequest`.
    pub(super) fn new(connection: &Connection, options: &ClientOptions) -> Result<Self, ErpError> {
        let url = base_url(&connection.url)?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(invalid("the address names no host")),
        };
        let call_timeout_ms = connection.timeout_ms.unwrap_or(options.call_timeout_ms).max(1);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config(url.scheme() == "https")?)
            // A proxy of the machine's environment must not see the credentials by accident, and a redirect would
            // carry them to an address that nobody checked.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_millis(options.connect_timeout_ms.min(call_timeout_ms)))
            .pool_max_idle_per_host(options.calls_at_once_max)
            // Shorter than what servers and proxies keep, so that a write seldom meets a connection that is closing.
            .pool_idle_timeout(Duration::from_secs(15))
            .user_agent(concat!("bridgecore/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ErpError::new(ErpErrorKind::Internal, "make the HTTP client").caused_by(error))?;
        Ok(Self {
            http,
            base: url.as_str().trim_end_matches('/').to_owned(),
            host,
            permits: Semaphore::new(options.calls_at_once_max.clamp(1, Semaphore::MAX_PERMITS)),
            call_timeout: Duration::from_millis(call_timeout_ms),
            reply_bytes_max: options.reply_bytes_max,
            next_id: AtomicU64::new(1),
        })
    }

    /// The host with its port, for logs.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends one request and reads its reply. `model` is the model that is called, if one is.
    ///
    /// Waits for a free place first; a wait as long as the call's own time-out is an `Unavailable`.
    pub(super) async fn send(
        &self,
        path: &str,
        params: Value,
        session_id: Option<&str>,
        model: Option<&str>,
    ) -> Result<Reply, ErpError> {
        let permit = tokio::time::timeout(self.call_timeout, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return Err(ErpError::new(ErpErrorKind::Unavailable, "too many calls to this system are under way"));
        };
        match tokio::time::timeout(self.call_timeout, self.exchange(path, params, session_id, model)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => {
                let message = format!("no answer within {} ms", self.call_timeout.as_millis());
                Err(ErpError::new(ErpErrorKind::Timeout, message).caused_by(elapsed))
            }
        }
    }

    async fn exchange(
        &self,
        path: &str,
        params: Value,
        session_id: Option<&str>,
        model: Option<&str>,
    ) -> Result<Reply, ErpError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({"jsonrpc": "2.0", "method": "call", "id": id, "params": params}).to_string();
        let mut request = self
            .http
            .post(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body);
        if let Some(session_id) = session_id {
            request = request.header(COOKIE, format!("session_id={session_id}"));
        }
        let response = request.send().await.map_err(transport_error)?;
        let status = response.status().as_u16();
        if let Some(kind) = errors::kind_of_status(status) {
            return Err(status_error(kind, status, response.headers()));
        }
        let session_id = session_id_in(response.headers());
        let body = self.read(response).await?;
        let result = parse(&body, model)?;
        Ok(Reply { result, session_id })
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Vec<u8>, ErpError> {
        let too_large = || {
            let message = format!("the reply is larger than {} bytes", self.reply_bytes_max);
            ErpError::new(ErpErrorKind::TooLarge, message)
        };
        let announced = response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > self.reply_bytes_max {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced);
        while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
            if body.len() + chunk.len() > self.reply_bytes_max {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn base_url(text: &str) -> Result<Url, ErpError> {
    let mut url = Url::parse(text.trim())
        .map_err(|error| invalid("the address is not a URL such as https://odoo.example.com").caused_by(error))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("the address must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // It would be shown wherever the address is shown.
        return Err(invalid("the address must not hold a user or a password"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn invalid(message: &str) -> ErpError {
    ErpError::new(ErpErrorKind::InvalidRequest, message)
}

/// The TLS settings, with a provider of our own so that nothing has to be installed for the whole process. The
/// machine's certificates are only read where they are needed.
fn tls_config(encrypted: bool) -> Result<rustls::ClientConfig, ErpError> {
    let failed = |error: rustls::Error| {
        ErpError::new(ErpErrorKind::Internal, "read the machine's certificates").caused_by(error)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
    let builder = if encrypted {
        builder.with_platform_verifier().map_err(failed)?
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// An error of the HTTP client. Whatever is not a time-out is a connection that was not made, or cut.
fn transport_error(error: reqwest::Error) -> ErpError {
    let error = error.without_url();
    let kind =
        if error.is_timeout() && !error.is_connect() { ErpErrorKind::Timeout } else { ErpErrorKind::Unreachable };
    let what = if error.is_connect() { "no connection" } else { "the connection was cut" };
    let mut innermost: &dyn StdError = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let message = format!("{what}: {innermost}");
    ErpError::new(kind, message).caused_by(error)
}

fn status_error(kind: ErpErrorKind, status: u16, headers: &HeaderMap) -> ErpError {
    let target = headers
        .get(LOCATION)
        .filter(|_| (300..400).contains(&status))
        .and_then(|location| Url::parse(location.to_str().ok()?).ok())
        .map(|url| url.origin().ascii_serialization());
    let error = ErpError::new(
        kind,
        match target {
            Some(target) => format!("HTTP status {status}: it sends us on to {target}, which must be the address then"),
            None => format!("HTTP status {status}"),
        },
    );
    if status == 404 { error.named(errors::HTTP_NOT_FOUND) } else { error }
}

fn session_id_in(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut values = cookies.filter_map(|cookie| cookie.split(';').next()?.trim().strip_prefix("session_id="));
    values.find(|value| !value.is_empty()).map(str::to_owned)
}

#[derive(Deserialize)]
struct Envelope {
    // Its presence tells a JSON-RPC reply without `result` (a method that returned nothing) from any other JSON.
    #[serde(rename = "jsonrpc")]
    _jsonrpc: String,
    result: Option<Value>,
    error: Option<Value>,
}

fn parse(body: &[u8], model: Option<&str>) -> Result<Value, ErpError> {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    match serde_json::from_slice::<Envelope>(body) {
        Ok(Envelope { error: Some(error), .. }) => Err(errors::from_wire(&error, model)),
        Ok(Envelope { result, .. }) if is_object => Ok(result.unwrap_or_default()),
        // A reply without a length that ends too early can only be seen here.
        Err(error) if error.is_eof() && (is_object || body.trim_ascii().is_empty()) => {
            Err(ErpError::new(ErpErrorKind::Unreachable, "the reply ended too early").caused_by(error))
        }
        Err(error) => {
            let what = if body.trim_ascii_start().starts_with(b"<") { "a web page" } else { "something else" };
            let message = format!("the answer is {what}, not a JSON-RPC reply");
            Err(ErpError::new(ErpErrorKind::Protocol, message).caused_by(error))
        }
        Ok(_) => Err(ErpError::new(ErpErrorKind::Protocol, "the answer is not a JSON-RPC reply")),
    }
}
