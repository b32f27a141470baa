//! The encrypted connection: which authority is believed and what this box shows of itself.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::uplink::UplinkError;

/// TLS 1.3 only, with the province's authority and nobody else's (promise P17).
///
/// # Errors
/// [`UplinkError`] with the file that cannot be used.
pub(crate) fn tls(files: &crate::config::TlsFiles) -> Result<Arc<rustls::ClientConfig>, UplinkError> {
    let unusable = |path: &std::path::Path, why: String| UplinkError::Certificate(path.to_owned(), why);
    let mut roots = RootCertStore::empty();
    let authorities =
        CertificateDer::pem_file_iter(&files.ca).map_err(|e| unusable(&files.ca, e.to_string()))?;
    for authority in authorities {
        let authority = authority.map_err(|e| unusable(&files.ca, e.to_string()))?;
        roots
            .add(authority)
            .map_err(|e| unusable(&files.ca, e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable(&files.ca, "it holds no certificate".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| UplinkError::Tls(e.to_string()))?
        .with_root_certificates(roots);
    let config = match &files.own {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = CertificateDer::pem_file_iter(cert)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|e| unusable(cert, e.to_string()))?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unusable(key, e.to_string()))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|e| unusable(cert, e.to_string()))?
        }
    };
    Ok(Arc::new(config))
}
