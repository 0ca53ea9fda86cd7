//! One exchange over HTTP, with every limit, whatever the protocol.

use super::errors;
use crate::adapter::Connection;
use crate::guard::{Guard, GuardOptions};
use crate::outbound::{AddressRefused, Outbound, address_in};
use crate::pool::ClientOptions;
use crate::tls_config;
use crate::{ErpError, ErpErrorKind};
use bridge_model::Clock;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect;
use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use url::Url;

/// The kept HTTP client of one Odoo.
pub(super) struct Client {
    http: reqwest::Client,
    /// Where the system is, if its URL names an address and no name that has to be looked up.
    address: Option<IpAddr>,
    base: Url,
    host: String,
    outbound: Outbound,
    guard: Arc<Guard>,
    call_timeout: Duration,
    reply_bytes_max: usize,
    next_id: AtomicU64,
}

/// One request.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    /// The path below the system's address.
    pub(super) path: &'a str,
    /// `None` for a GET, else the content type and the body of a POST.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    /// Further headers.
    pub(super) headers: Vec<(HeaderName, String)>,
    /// Whether the body of a refusal says more than its status.
    pub(super) refusal_has_body: bool,
}

/// What came back with status 200, or with any status where a refusal's body is asked for.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Client {
    /// The client of this connection. An address that can't be used is an `InvalidRequest`.
    pub(super) fn new(
        connection: &Connection,
        options: &ClientOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ErpError> {
        let url = base_url(&connection.url)?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(invalid("the address names no host")),
        };
        let call_timeout_ms = connection.timeout_ms.unwrap_or(options.call_timeout_ms).max(1);
        let tls = tls_config(url.scheme() == "https").map_err(|error| {
            ErpError::new(ErpErrorKind::Internal, "read the machine's certificates").caused_by(error)
        })?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // A proxy of the machine's environment must not see the credentials by accident, and a redirect would
            // carry them to an address that nobody checked.
            .no_proxy()
            .dns_resolver(options.outbound.clone())
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_millis(options.connect_timeout_ms.min(call_timeout_ms)))
            .pool_max_idle_per_host(options.calls_at_once_max)
            // Shorter than what servers and proxies keep, so that a write seldom meets a connection that is closing.
            .pool_idle_timeout(Duration::from_secs(15))
            .user_agent(concat!("bridgecore/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ErpError::new(ErpErrorKind::Internal, "make the HTTP client").caused_by(error))?;
        let guard = options.guard.clone().unwrap_or_else(|| {
            let own = GuardOptions {
                calls_at_once_max: options.calls_at_once_max,
                calls_waiting_max: usize::MAX,
                calls_wait_ms: call_timeout_ms,
                failures_max: u32::MAX,
                recovery_ms: 0,
            };
            Arc::new(Guard::new(own, clock))
        });
        Ok(Self {
            http,
            address: address_in(&url),
            base: url,
            host,
            outbound: options.outbound.clone(),
            guard,
            call_timeout: Duration::from_millis(call_timeout_ms),
            reply_bytes_max: options.reply_bytes_max,
            next_id: AtomicU64::new(1),
        })
    }

    /// The host with its port, for logs.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The number of the next request.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends one request and reads its reply.
    ///
    /// Waits for a free place first, which the guard bounds, and tells the guard whether the system has answered.
    pub(super) async fn fetch(&self, outgoing: Outgoing<'_>) -> Result<Incoming, ErpError> {
        // An address in place of a name is not looked up by anybody who could refuse it.
        self.address.map_or(Ok(()), |address| self.outbound.judge(address)).map_err(address_refused)?;
        let _permit = self.guard.exchange().await?;
        let outcome =
            tokio::time::timeout(self.call_timeout, self.exchange(outgoing)).await.unwrap_or_else(|elapsed| {
                let message = format!("no answer within {} ms", self.call_timeout.as_millis());
                Err(ErpError::new(ErpErrorKind::Timeout, message).caused_by(elapsed))
            });
        match &outcome {
            // Nobody was asked, so that this says nothing of how the system is.
            Err(error) if error.kind == ErpErrorKind::AddressRefused => {}
            _ if has_answered(&outcome) => self.guard.answered(),
            _ => self.guard.failed(),
        }
        outcome
    }

    async fn exchange(&self, outgoing: Outgoing<'_>) -> Result<Incoming, ErpError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), outgoing.path));
        let mut request = match outgoing.body {
            None => self.http.get(url),
            Some((content_type, body)) => {
                let content_type = HeaderValue::from_static(content_type);
                self.http.post(url).header(CONTENT_TYPE, content_type.clone()).header(ACCEPT, content_type).body(body)
            }
        };
        for (name, value) in outgoing.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(transport_error)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if let Some(kind) = errors::kind_of_status(status)
            && !outgoing.refusal_has_body
        {
            return Err(status_error(kind, status, &headers));
        }
        let body = self.read(response).await?;
        Ok(Incoming { status, headers, body })
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Whether it was the system that answered, and not silence or something in front of it that speaks for it.
fn has_answered(outcome: &Result<Incoming, ErpError>) -> bool {
    match outcome {
        Ok(incoming) if incoming.status < 500 => true,
        // A refusal that has a form was made by the system itself.
        Ok(incoming) => {
            let kind = incoming.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            kind.starts_with("application/json")
        }
        Err(error) => !matches!(
            error.kind,
            ErpErrorKind::Unreachable | ErpErrorKind::Timeout | ErpErrorKind::Unavailable | ErpErrorKind::Internal
        ),
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

/// An error of the HTTP client. Whatever is not a time-out is a connection that was not made, or cut.
fn transport_error(error: reqwest::Error) -> ErpError {
    let error = error.without_url();
    if let Some(refused) = AddressRefused::among(&error) {
        return address_refused(*refused);
    }
    let kind =
        if error.is_timeout() && !error.is_connect() { ErpErrorKind::Timeout } else { ErpErrorKind::Unreachable };
    let what = if error.is_connect() { "no connection" } else { "the connection was cut" };
    let mut innermost: &dyn StdError = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let message = format!("{what}: {innermost}");
    let is_unsent = error.is_connect();
    let error = ErpError::new(kind, message).caused_by(error);
    if is_unsent { error.unsent() } else { error }
}

fn address_refused(refused: AddressRefused) -> ErpError {
    ErpError::new(ErpErrorKind::AddressRefused, refused.to_string()).caused_by(refused)
}

/// A refusal of which only the status is known.
pub(super) fn status_error(kind: ErpErrorKind, status: u16, headers: &HeaderMap) -> ErpError {
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
