//! TLS of the metrics server (FLG-27): a key pair from files, or one that this process signs with a CA in a Secret. It is replaced
//! while connections are served; whatever goes wrong, the last pair stays.

mod authority;
mod dynamic;
mod files;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cluster::{reader::Reader, serving::ServingSecret},
    net::server::HEADER_TIME,
    pki::{
        certificate::CertificateInfo,
        chain::SizeLimits,
        name::SubjectAltNames,
        serving::{MinVersion, Suite, server_config},
    },
    plan::seen::ObjectKey,
    text,
};

/// How the metrics server serves TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// Where the key pair comes from.
    pub source: Source,
    /// The suites to which the server is restricted; empty for all.
    pub suites: Vec<Suite>,
    /// The lowest version.
    pub min_version: MinVersion,
}

/// Where a key pair comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From two files, which are read again when they change.
    Files(FilePair),
    /// Signed by this process.
    Dynamic(Dynamic),
}

/// Files with a key pair in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePair {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// A key pair that this process signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dynamic {
    /// The Secret with the CA, which the replicas share.
    pub secret: ObjectKey,
    /// The names of the server.
    pub names: SubjectAltNames,
    /// Lifetime of the certificate.
    pub leaf_duration: Duration,
}

/// The key pair in use, and what metrics say about it.
#[derive(Default)]
pub(crate) struct Serving {
    current: RwLock<Option<Current>>,
    /// The last failure, until a success.
    failing: Mutex<Option<String>>,
    failures: AtomicU64,
    failed_handshakes: AtomicU64,
}

struct Current {
    pair: Arc<CertifiedKey>,
    expires: Timestamp,
}

/// What metrics say about the key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServingState {
    /// When the certificate expires; `None` while there is none.
    pub(super) expires: Option<Timestamp>,
    /// Attempts to read or to sign a pair that have failed.
    pub(super) failures: u64,
    /// Connections without a TLS session.
    pub(super) failed_handshakes: u64,
}

impl Serving {
    pub(super) fn state(&self) -> ServingState {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        ServingState {
            expires: current.as_ref().map(|current| current.expires),
            failures: self.failures.load(Ordering::Relaxed),
            failed_handshakes: self.failed_handshakes.load(Ordering::Relaxed),
        }
    }

    /// Takes a pair into use.
    fn install(&self, pair: CertifiedKey, leaf: &CertificateInfo) {
        let current = Current {
            pair: Arc::new(pair),
            expires: leaf.not_after,
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current);
        tracing::info!(expires = %leaf.not_after, issuer = %leaf.issuer, "the metrics server has a new certificate");
        self.works();
    }

    /// The pair in use is the right one.
    fn works(&self) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Counts and logs a failure; one that repeats is logged once.
    fn failed(&self, why: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let why = text::line(why).into_owned();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.as_ref() != Some(&why) {
            let consequence = match self.state().expires {
                Some(expires) => format!("it keeps the one that expires at {expires}"),
                None => "it accepts no connections until it has one".to_owned(),
            };
            tracing::warn!("the metrics server has no new certificate: {why}; {consequence}");
            *failing = Some(why);
        }
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| Arc::clone(&current.pair))
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Serving").field(&self.state()).finish()
    }
}

/// TLS of a server's connections.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    /// The key pair.
    pub(super) serving: Arc<Serving>,
}

impl Tls {
    /// TLS with these options, and the task that provides the key pair.
    ///
    /// # Errors
    /// If the options fit no version of TLS.
    pub(super) fn start(
        options: TlsOptions,
        reader: Reader,
        limits: SizeLimits,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<Self, rustls::Error> {
        let serving = Arc::new(Serving::default());
        let config = server_config(Arc::clone(&serving) as _, options.min_version, &options.suites)?;
        let (provided, shutdown) = (Arc::clone(&serving), shutdown.clone());
        match options.source {
            Source::Files(files) => {
                tasks.spawn(shutdown.run_until_cancelled_owned(files::follow(provided, files, limits)));
            }
            Source::Dynamic(dynamic) => {
                let secret = ServingSecret::new(reader, dynamic.secret.clone());
                let provide = dynamic::follow(provided, secret, dynamic, limits);
                tasks.spawn(shutdown.run_until_cancelled_owned(provide));
            }
        }
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, serving })
    }

    /// Begins a session, with the time limit of a request's headers.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Option<TlsStream<S>> {
        let accepted = tokio::time::timeout(HEADER_TIME, self.acceptor.accept(stream)).await;
        let session = accepted.ok().and_then(Result::ok);
        if session.is_none() {
            // clients cause it, so it is counted and not logged
            self.serving.failed_handshakes.fetch_add(1, Ordering::Relaxed);
        }
        session
    }
}
