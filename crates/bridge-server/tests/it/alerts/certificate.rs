//! Certificates that a test makes for itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

/// A certificate that nobody but its own file vouches for.
pub(super) struct Certificate {
    pub(super) acceptor: TlsAcceptor,
    file: NamedTempFile,
}

impl Certificate {
    /// For a server of this name or address.
    pub(super) fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let file = NamedTempFile::new().unwrap();
        let body = STANDARD.encode(made.cert.der());
        let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let text = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        std::fs::write(file.path(), text).unwrap();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), file }
    }

    /// The variable that makes a process trust this certificate, and no other.
    pub(super) fn trusted(&self) -> (&'static str, String) {
        ("SSL_CERT_FILE", self.file.path().to_str().unwrap().to_owned())
    }
}
