//! How connections are encrypted that we make.

use rustls_platform_verifier::BuilderVerifierExt as _;
use std::sync::Arc;

/// The TLS settings of an HTTP client, with a provider of our own so that nothing has to be installed for the whole process.
/// The machine's certificates are only read where they are needed; the error is that they can't be.
pub fn tls_config(is_encrypted: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if is_encrypted {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
