//! Encrypted connections to the database.

use super::{DatabaseError, DatabaseErrorKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// The name and the chain of the server are checked against the certificates in `root_file`.
pub(super) fn checked(root_file: &str) -> Result<ClientConfig, DatabaseError> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(root_file)
        .map_err(|error| invalid("sslrootcert can't be read").caused_by(error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| invalid("sslrootcert is not a PEM file").caused_by(error))?;
        roots.add(certificate).map_err(|error| invalid("sslrootcert holds a bad certificate").caused_by(error))?;
    }
    Ok(builder(&provider())?.with_root_certificates(roots).with_no_client_auth())
}

/// Encrypted only, which is what `sslmode=require` means to every PostgreSQL client.
pub(super) fn unchecked() -> Result<ClientConfig, DatabaseError> {
    let provider = provider();
    let verifier = Arc::new(AnyServer(Arc::clone(&provider)));
    Ok(builder(&provider)?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, DatabaseError> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| DatabaseError::new(DatabaseErrorKind::Failed, "prepare TLS").caused_by(error))
}

fn invalid(message: &str) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::InvalidUrl, message)
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
