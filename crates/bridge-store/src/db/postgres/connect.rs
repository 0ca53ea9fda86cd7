//! Connections: the pool, what every connection is told first, and TLS.

use super::error;
use crate::{StoreError, StoreOptions};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, PoolError, RecyclingMethod, Runtime, TimeoutType};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connection that goes back to its pool when dropped.
pub(super) type Connection = deadpool_postgres::Object;

/// Connections that are kept, and made anew when the server has cut them.
#[derive(Debug, Clone)]
pub(super) struct Pool(deadpool_postgres::Pool);

impl Pool {
    /// A pool of `connections_max` connections, each of which runs `settings` first.
    pub(super) fn new(options: &StoreOptions, connections_max: usize, settings: &str) -> Result<Self, StoreError> {
        let (config, tls) = target(&options.url)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match tls {
            Some(tls) => Manager::from_config(config, MakeRustlsConnect::new(tls), recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let timeout = Duration::from_millis(options.statement_timeout_ms.max(1));
        let first = format!(
            "SET synchronous_commit = on; SET statement_timeout = {0}; \
             SET idle_in_transaction_session_timeout = {0}; {settings}",
            timeout.as_millis()
        );
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(connections_max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .post_create(Hook::async_fn(move |client, _| {
                let first = first.clone();
                Box::pin(async move { client.batch_execute(&first).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(StoreError::unavailable)?;
        Ok(Self(pool))
    }

    pub(super) async fn get(&self) -> Result<Connection, StoreError> {
        self.0.get().await.map_err(|failure| match failure {
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy,
            PoolError::Backend(source) | PoolError::PostCreateHook(HookError::Backend(source)) => error(source),
            other => StoreError::unavailable(other),
        })
    }

    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// The server and how to encrypt, from the URL. The driver knows only some of `sslmode` and not `sslrootcert`, so
/// that both are taken out here.
fn target(url: &str) -> Result<(Config, Option<ClientConfig>), StoreError> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut root_file, mut rest) = ("disable", None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = value,
            Some(("sslrootcert", value)) => root_file = Some(value),
            _ => rest.push(pair),
        }
    }
    let mut config: Config = format!("{base}?{}", rest.join("&")).parse().map_err(StoreError::unavailable)?;
    config
        .application_name("bridgecore")
        .connect_timeout(Duration::from_secs(10))
        .keepalives_idle(Duration::from_mins(1));
    let tls = match (mode, root_file) {
        ("disable" | "prefer" | "allow", _) => None,
        ("require", None) => Some(unchecked()?),
        ("verify-full", Some(file)) => Some(checked(file)?),
        ("verify-full", None) => return Err(StoreError::unavailable(BadUrl("sslmode=verify-full needs sslrootcert"))),
        ("require", Some(_)) => return Err(StoreError::unavailable(BadUrl("sslrootcert needs sslmode=verify-full"))),
        _ => return Err(StoreError::unavailable(BadUrl("sslmode must be disable, require or verify-full"))),
    };
    config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
    Ok((config, tls))
}

#[derive(Debug, thiserror::Error)]
#[error("the store's URL: {0}")]
struct BadUrl(&'static str);

/// The name and the chain of the server are checked against the certificates in `root_file`.
fn checked(root_file: &str) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(root_file).map_err(StoreError::unavailable)? {
        roots.add(certificate.map_err(StoreError::unavailable)?).map_err(StoreError::unavailable)?;
    }
    Ok(builder(&provider())?.with_root_certificates(roots).with_no_client_auth())
}

/// Encrypted only, which is what `sslmode=require` means to every PostgreSQL client.
fn unchecked() -> Result<ClientConfig, StoreError> {
    let provider = provider();
    let verifier = Arc::new(AnyServer(Arc::clone(&provider)));
    Ok(builder(&provider)?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, StoreError> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(StoreError::unavailable)
}

/// Accepts any certificate, but still checks that the server holds its key.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
