//! The registry of watched kinds: their records in memory, and the changes of these records.
//!
//! A kind is one entry of [`watched_kinds`]. Everything that applies to all kinds (list, watch, wait, report in `/readyz`)
//! iterates over the registry with [`each_kind`]. The fields of a record and its links are defined in [`Record`](super::records).

use std::sync::Arc;

use super::{store::Store, wire::Record};
use crate::plan::{
    kinds::{CertificateKind, ChallengeKind, ClusterIssuerKind, IngressKind, IssuerKind, OrderKind},
    seen::{Lean, Meta, ObjectKey, RequestSeen, SecretSeen},
    settings::Settings,
    signing_request::SigningRequestSeen,
};

/// Selector for the Secrets that are watched with their content: those that cert-manager and certlet write.
const LABELLED: &str = "controller.cert-manager.io/fao=true";

/// How a kind is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Label selector that the API server applies.
    pub labels: Option<&'static str>,
    /// Whether the API server must know the kind.
    pub presence: Presence,
    /// Whether this installation watches the kind.
    pub when: fn(&Settings) -> bool,
}

/// Whether the API server must know a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Built-in, or installed with certlet. Until the API server knows it, nothing starts, and the log explains what to do.
    Required,
    /// Its definition may be absent, appear later, or vanish. Absent is equivalent to no objects: nothing waits for it.
    Optional,
}

impl Watched {
    /// All objects of the kind are watched, in every installation.
    const ALL: Self = Self {
        labels: None,
        presence: Presence::Required,
        when: |_| true,
    };
}

/// A record of a kind in the registry.
pub trait Registered: Record {
    /// How it is watched.
    const WATCHED: Watched;

    /// The store of these records.
    fn store(index: &Index) -> &Store<Self>;

    /// The change for a created, replaced or removed record.
    fn change(old: Option<Arc<Self>>, new: Option<Arc<Self>>) -> Change;
}

/// A visitor of the kinds of the registry.
pub trait KindVisitor {
    /// Visits one kind.
    fn visit<R: Registered>(&mut self);
}

/// Format of an entry: `store: record => change { Watched, if it is not Watched::ALL }`.
macro_rules! watched_kinds {
    ($($(#[$doc:meta])* $store:ident: $record:ty => $change:ident { $($setting:ident: $value:expr),* })*) => {
        /// One store per kind.
        #[derive(Default)]
        pub struct Index {
            $($(#[$doc])* pub $store: Store<$record>,)*
        }

        /// One change of the index.
        #[derive(Clone, Debug)]
        pub enum Change {
            $($(#[$doc])* $change(Changed<$record>),)*
            /// A Secret without the label. Only its name is known.
            UnlabelledSecret(ObjectKey),
            /// The Secrets without the label were listed again. Deletions may have been missed.
            UnlabelledSecrets,
        }

        $(impl Registered for $record {
            const WATCHED: Watched = Watched { $($setting: $value,)* ..Watched::ALL };

            fn store(index: &Index) -> &Store<Self> {
                &index.$store
            }

            fn change(old: Option<Arc<Self>>, new: Option<Arc<Self>>) -> Change {
                Change::$change(Changed { old, new })
            }
        })*

        /// Visits every kind, in the order of the registry.
        pub fn each_kind(visitor: &mut impl KindVisitor) {
            $(visitor.visit::<$record>();)*
        }

        impl Index {
            /// Returns when all required kinds have been listed completely.
            pub async fn until_ready(&self) {
                $(self.$store.until_ready().await;)*
            }
        }
    };
}

watched_kinds! {
    /// Certificates.
    certificates: Lean<CertificateKind> => Certificate {}
    /// CertificateRequests.
    requests: RequestSeen => Request {}
    /// Orders.
    orders: Lean<OrderKind> => Order {}
    /// Challenges.
    challenges: Lean<ChallengeKind> => Challenge {}
    /// Issuers.
    issuers: Lean<IssuerKind> => Issuer {}
    /// ClusterIssuers. An installation for a single namespace watches none (CTL-01).
    cluster_issuers: Lean<ClusterIssuerKind> => ClusterIssuer { when: |settings| settings.namespace.is_none() }
    /// Ingresses.
    ingresses: Lean<IngressKind> => Ingress {}
    /// Secrets labelled `controller.cert-manager.io/fao=true`. A Secret that is missing here may still exist.
    secrets: SecretSeen => Secret { labels: Some(LABELLED) }
    /// Kubernetes CertificateSigningRequests for our issuers, if the feature gate is on (GAT-01).
    signing_requests: SigningRequestSeen => SigningRequest {
        when: |settings| settings.gates.certificate_signing_requests && settings.namespace.is_none()
    }
}

impl Index {
    /// The plurals of the kinds that have not been listed completely.
    pub fn not_listed(&self) -> Vec<&'static str> {
        struct Missing<'a>(&'a Index, Vec<&'static str>);
        impl KindVisitor for Missing<'_> {
            fn visit<R: Registered>(&mut self) {
                if !R::store(self.0).is_ready() {
                    self.1.push(R::PLURAL);
                }
            }
        }
        let mut missing = Missing(self, Vec::new());
        each_kind(&mut missing);
        missing.1
    }
}

/// A record that was created (`old` is `None`), changed, or deleted (`new` is `None`).
#[derive(Clone, Debug)]
pub struct Changed<R> {
    /// The previous record.
    pub old: Option<Arc<R>>,
    /// The new record.
    pub new: Option<Arc<R>>,
}

impl<R: Record> Changed<R> {
    /// The metadata of the new record, or of the deleted one.
    pub fn meta(&self) -> Option<&Meta> {
        self.new.as_ref().or(self.old.as_ref()).map(|record| record.meta())
    }
}

/// Receives every change. It is called without a lock and must not block.
pub type Observer = Arc<dyn Fn(Change) + Send + Sync>;
