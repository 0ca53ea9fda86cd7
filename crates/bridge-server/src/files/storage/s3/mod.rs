//! Files in a bucket of an S3-compatible service.
//!
//! A file that arrives waits on this machine's disk until it is whole and judged. It is then put into the bucket by one
//! request, which is done as a whole or not at all, and whose signature covers the file's hash: what the service takes is
//! what was sent.

mod failure;
mod sign;

use super::file_body::FileBody;
use super::{Spool, StorageError, StorageKey};
use crate::config::{self, ms};
use anyhow::{Context as _, ensure};
use axum::body::Body;
use bridge_model::Clock;
use bridge_store::FilePlace;
use failure::Failure;
use reqwest::{Method, Response, StatusCode, redirect};
use sign::{NOTHING, Signer, Unsigned};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use url::Url;

/// How often a request is sent, where that may help. Each may be done twice: the file under a key never changes.
const TRIES: usize = 2;

/// For how many bytes of a file that is put a second more is given.
const BYTES_PER_SECOND_MIN: u64 = 1024 * 1024;

/// A bucket, or a part of one.
#[derive(Debug)]
pub(super) struct S3 {
    http: reqwest::Client,
    /// `https://files.example.com`.
    origin: String,
    host: String,
    /// What the path of each file begins with, a slash at both ends.
    root: String,
    signer: Signer,
    timeout: Duration,
    spools: PathBuf,
    clock: Arc<dyn Clock>,
}

/// What is sent.
enum Sent<'a> {
    Nothing,
    Range(&'a Range<u64>),
    /// A file of so many bytes, with its SHA-256.
    File(&'a Arc<std::fs::File>, u64, &'a str),
}

impl S3 {
    /// Sends nothing yet; the error is a setting that can't be right.
    pub(super) fn new(config: &config::S3, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let endpoint = match config.endpoint.as_str() {
            "" => format!("https://s3.{}.amazonaws.com", config.region),
            endpoint => endpoint.to_owned(),
        };
        let mut url = Url::parse(&endpoint).context("read files.s3.endpoint")?;
        let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        ensure!(is_plain && url.has_host(), "files.s3.endpoint must be an address alone, https://host");
        let is_encrypted = match url.scheme() {
            "https" => true,
            "http" if config.allow_http => false,
            "http" => anyhow::bail!("files.s3.endpoint is not encrypted; files.s3.allow_http permits that"),
            scheme => anyhow::bail!("files.s3.endpoint must begin with https:// and not {scheme}://"),
        };
        let mut root = "/".to_owned();
        if config.path_style {
            root = format!("/{}/", config.bucket);
        } else {
            let host = format!("{}.{}", config.bucket, url.host_str().unwrap_or_default());
            url.set_host(Some(&host)).context("put files.s3.bucket before the host of files.s3.endpoint")?;
        }
        let prefix = config.prefix.trim_matches('/');
        if !prefix.is_empty() {
            root = format!("{root}{prefix}/");
        }
        let name = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(bridge_erp::tls_config(is_encrypted).context("read the machine's certificates")?)
            // Neither a proxy of the environment nor another host is meant to see what is in the files.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(ms(config.timeout_ms))
            .pool_idle_timeout(Duration::from_secs(15))
            .user_agent(concat!("bridgecore/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("make the HTTP client")?;
        let signer = Signer {
            access_key_id: config.access_key_id.clone(),
            secret_access_key: config.secret_access_key.clone(),
            region: config.region.clone(),
        };
        let spools = match config.spool_folder.as_str() {
            "" => std::env::temp_dir(),
            path => PathBuf::from(path),
        };
        // Better no start than a service that takes no file.
        tempfile::tempfile_in(&spools).with_context(|| format!("write to {}", spools.display()))?;
        let origin = format!("{}://{host}", url.scheme());
        Ok(Self { http, origin, host, root, signer, timeout: ms(config.timeout_ms), spools, clock })
    }

    pub(super) async fn spool(&self) -> Result<Spool, StorageError> {
        let spools = self.spools.clone();
        // It has no name, so that nothing of it outlives the process.
        let file = super::blocking(move || tempfile::tempfile_in(spools)).await.map_err(super::away("begin a file"))?;
        Ok(Spool { place: FilePlace::S3, file: File::from_std(file), path: None })
    }

    pub(super) async fn store(&self, key: StorageKey<'_>, spool: Spool, sha256: &str) -> Result<(), StorageError> {
        let mut file = spool.file;
        file.flush().await.map_err(super::away("write a file that arrives"))?;
        let file = Arc::new(file.into_std().await);
        let size = file.metadata().map_err(super::away("read a file that arrived"))?.len();
        let time_max = self.timeout + Duration::from_secs(size / BYTES_PER_SECOND_MIN);
        let sent = Sent::File(&file, size, sha256);
        match self.ask(Method::PUT, key, &sent, time_max).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.away("put a file into the bucket")),
        }
    }

    pub(super) async fn read(&self, key: StorageKey<'_>, size: u64, part: Range<u64>) -> Result<Body, StorageError> {
        let lost = |found: String| StorageError::Lost { key: key.to_string(), found };
        let response = match self.ask(Method::GET, key, &Sent::Range(&part), self.timeout).await {
            Ok(response) => response,
            Err(failure) if failure.says("NoSuchKey") => return Err(lost("nothing".to_owned())),
            Err(failure) if failure.says("InvalidRange") => return Err(lost("less than it should be".to_owned())),
            Err(failure) => return Err(failure.away("read a file in the bucket")),
        };
        // `bytes 0-9/443`: the whole is as long as it should be, and this is the part.
        let told = response.headers().get("content-range").and_then(|range| range.to_str().ok()).unwrap_or_default();
        let expected = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
        if response.status() != StatusCode::PARTIAL_CONTENT || told != expected {
            return Err(lost(format!("{} {told:?} and not {expected:?}", response.status())));
        }
        Ok(Body::new(reqwest::Body::from(response)))
    }

    pub(super) async fn remove(&self, key: StorageKey<'_>) -> Result<(), StorageError> {
        match self.ask(Method::DELETE, key, &Sent::Nothing, self.timeout).await {
            Err(failure) if !failure.says("NoSuchKey") => Err(failure.away("remove a file from the bucket")),
            _ => Ok(()),
        }
    }

    /// Sends a request, once more if that may help.
    async fn ask(
        &self,
        method: Method,
        key: StorageKey<'_>,
        sent: &Sent<'_>,
        time_max: Duration,
    ) -> Result<Response, Failure> {
        let mut tries = 1;
        loop {
            match self.try_once(&method, key, sent, time_max).await {
                Err(failure) if failure.may_pass() && tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_once(
        &self,
        method: &Method,
        key: StorageKey<'_>,
        sent: &Sent<'_>,
        time_max: Duration,
    ) -> Result<Response, Failure> {
        let path = format!("{}{key}", self.root);
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.origin));
        let (mut body_sha256, mut range, mut headers) = (NOTHING, String::new(), Vec::new());
        match sent {
            Sent::Nothing => {}
            Sent::Range(part) => {
                range = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
                headers.push(("range", range.as_str()));
            }
            Sent::File(file, size, sha256) => {
                body_sha256 = sha256;
                request = request.body(reqwest::Body::wrap(FileBody::new(Arc::clone(file), 0..*size)));
            }
        }
        let unsigned =
            Unsigned { method: method.as_str(), host: &self.host, path: &path, body_sha256, headers: &headers };
        for (name, value) in self.signer.sign(&unsigned, self.clock.now()) {
            request = request.header(name, value);
        }
        if !range.is_empty() {
            request = request.header("range", range);
        }
        let response = match tokio::time::timeout(time_max, request.send()).await {
            Ok(sent) => sent.map_err(Failure::of_connection)?,
            Err(_) => return Err(Failure::late()),
        };
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Failure::told(response, self.timeout).await)
    }
}
