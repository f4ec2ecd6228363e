//! TLS of a listener, with a certificate that a reload replaces.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// Where the certificate chain and the key of a listener are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `[server] public-tls-certificate` or `internal-tls-certificate`: PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// `[server] public-tls-key` or `internal-tls-key`: PEM.
    pub key: PathBuf,
}

/// A certificate chain and its key, read and found to belong together.
#[derive(Clone, Debug)]
pub struct Identity(Arc<CertifiedKey>);

/// The TLS side of a listener.
#[derive(Debug)]
pub struct Tls {
    acceptor: Acceptor,
    current: Arc<Current>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or is not PEM of the right kind.
    #[error("{file}: {reason}", file = file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file has no certificate in it.
    #[error("{file}: there is no certificate in it", file = .0.display())]
    Empty(PathBuf),
    /// The key is of no known kind, or is not the certificate's.
    #[error("{certificate} and {key} do not go together: {reason}", certificate = files.certificate.display(), key = files.key.display())]
    Mismatch {
        /// Which.
        files: Files,
        /// Why.
        reason: rustls::Error,
    },
    /// No protocol version is left.
    #[error("TLS cannot be set up: {0}")]
    Protocol(rustls::Error),
}

/// The certificate that the next handshake shows.
#[derive(Debug)]
struct Current(RwLock<Identity>);

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl Identity {
    /// Reads and checks `files`.
    pub fn read(files: &Files) -> Result<Self, Error> {
        let chain = read_chain(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| unreadable(&files.key, &error))?;
        CertifiedKey::from_der(chain, key, &provider())
            .map(|key| Self(Arc::new(key)))
            .map_err(|reason| Error::Mismatch {
                files: files.clone(),
                reason,
            })
    }
}

impl Tls {
    /// TLS 1.2 and 1.3 with this identity.
    pub fn new(identity: Identity) -> Result<Arc<Self>, Error> {
        let current = Arc::new(Current(RwLock::new(identity)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::Protocol)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = Acceptor(TlsAcceptor::from(Arc::new(config)));
        Ok(Arc::new(Self { acceptor, current }))
    }

    /// Shows `identity` from the next handshake on. A reload reads every identity first, so that all are replaced or none.
    pub fn replace(&self, identity: Identity) {
        *self
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// Does the handshake.
    pub async fn accept<I>(&self, stream: I) -> io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.0.accept(stream).await
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identity = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&identity.0))
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let chain = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(file, &error))?;
    if chain.is_empty() {
        return Err(Error::Empty(file.to_owned()));
    }
    Ok(chain)
}

fn unreadable(file: &Path, error: &rustls_pki_types::pem::Error) -> Error {
    Error::Unreadable {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_are_an_identity() {
        assert!(Identity::read(&files("localhost.crt", "localhost.key")).is_ok());
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said_with_their_names() {
        let cases = [
            (files("missing.crt", "localhost.key"), "missing.crt"),
            (
                files("localhost.key", "localhost.key"),
                "there is no certificate in it",
            ),
            (files("localhost.crt", "localhost.crt"), "localhost.crt"),
            (files("localhost.crt", "other.key"), "do not go together"),
        ];
        for (files, expected) in cases {
            let error = Identity::read(&files).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn files(certificate: &str, key: &str) -> Files {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        Files {
            certificate: folder.join(certificate),
            key: folder.join(key),
        }
    }
}
