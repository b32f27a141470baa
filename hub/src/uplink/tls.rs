//! TLS to somebody else's broker: version 1.3 only, one authority, our own certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Certificates;
use crate::say::{Trouble, both};

/// Reads the files.
///
/// # Errors
/// [`Trouble`] that names the key and the file.
pub fn client(files: &Certificates) -> Result<Arc<ClientConfig>, Trouble> {
    let mut roots = RootCertStore::empty();
    for ca in certificates("ca_file", &files.ca)? {
        roots
            .add(ca)
            .map_err(|e| wrong("ca_file", &files.ca, &e.to_string()))?;
    }
    let chain = certificates("cert_file", &files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|e| wrong("key_file", &files.key, &e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| wrong("cert_file", &files.cert, &e.to_string()))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|e| wrong("cert_file", &files.cert, &e.to_string()))?;
    Ok(Arc::new(config))
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(wrong(key, path, "no certificate in it")),
        Err(e) => Err(wrong(key, path, &e.to_string())),
    }
}

fn wrong(key: &str, path: &Path, why: &str) -> Trouble {
    let shown = path.display();
    Trouble::config(both(
        format!("[broker] {key} = {shown}: không dùng được ({why}). Cần tệp PEM đọc được."),
        format!("[broker] {key} = {shown} cannot be used ({why}). A readable PEM file is needed."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::say::Exit;

    #[test]
    fn what_is_no_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.pem");
        let files = Certificates {
            ca: file.clone(),
            cert: file.clone(),
            key: file.clone(),
        };
        let absent = client(&files).unwrap_err();
        assert_eq!(absent.exit, Exit::Config);
        assert!(absent.said.en.contains("ca_file"), "{absent}");
        std::fs::write(&file, "rubbish").unwrap();
        assert!(
            client(&files)
                .unwrap_err()
                .said
                .en
                .contains("no certificate in it")
        );
    }
}
