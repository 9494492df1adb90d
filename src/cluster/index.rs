//! The registry of watched kinds: what is in memory of each, and what changed.
//!
//! A kind is one entry of [`watched_kinds`]. Everything that is done with each of them - listed, watched, waited for, shown as not
//! listed yet - goes over the registry with [`each_kind`]. What is kept of a kind, and by what it is found, says its
//! [`Record`](super::records).

use std::sync::Arc;

use super::{store::Store, wire::Record};
use crate::plan::{
    kinds::{CertificateKind, ChallengeKind, ClusterIssuerKind, IngressKind, IssuerKind, OrderKind},
    seen::{Lean, Meta, ObjectKey, RequestSeen, SecretSeen},
    settings::Settings,
    signing_request::SigningRequestSeen,
};

/// Which Secrets are watched whole: those that cert-manager and certlet write.
const LABELLED: &str = "controller.cert-manager.io/fao=true";

/// How a kind is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Which objects of it, as a label selector that the API server applies.
    pub labels: Option<&'static str>,
    /// Whether the API server has to know it.
    pub presence: Presence,
    /// Whether this installation watches it.
    pub when: fn(&Settings) -> bool,
}

/// Whether the API server has to know a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is Kubernetes' own, or installed with certlet: while it is not known, nothing begins, and the log says what to do.
    Required,
    /// Its definition may be absent, appear later, or vanish. Absent is the same as without objects: nothing waits for it.
    Optional,
}

impl Watched {
    /// A kind of which every object is watched, always.
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

    /// The change that this record's arrival, replacement or removal is.
    fn change(old: Option<Arc<Self>>, new: Option<Arc<Self>>) -> Change;
}

/// Is shown each kind of the registry.
pub trait KindVisitor {
    /// One kind.
    fn visit<R: Registered>(&mut self);
}

/// `store: record => change { how it is watched, where that is not Watched::ALL }`
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
            /// Of a Secret without the label, of which only the name is known.
            UnlabelledSecret(ObjectKey),
            /// Secrets without the label were listed anew: some may have gone unseen.
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

        /// Shows every kind, in the order of the registry.
        pub fn each_kind(visitor: &mut impl KindVisitor) {
            $(visitor.visit::<$record>();)*
        }

        impl Index {
            /// Returns once every kind that has to be known has been listed completely.
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
    /// ClusterIssuers. An installation for one namespace has none (CTL-01).
    cluster_issuers: Lean<ClusterIssuerKind> => ClusterIssuer { when: |settings| settings.namespace.is_none() }
    /// Ingresses.
    ingresses: Lean<IngressKind> => Ingress {}
    /// Secrets labelled `controller.cert-manager.io/fao=true`. Absence from here is never proof.
    secrets: SecretSeen => Secret { labels: Some(LABELLED) }
    /// Kubernetes CertificateSigningRequests whose signer is an issuer of ours, where the gate is on (GAT-01).
    signing_requests: SigningRequestSeen => SigningRequest {
        when: |settings| settings.gates.certificate_signing_requests && settings.namespace.is_none()
    }
}

impl Index {
    /// The plurals of the kinds that have not been listed completely yet.
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

/// A record that came (`old` is `None`), changed, or went (`new` is `None`).
#[derive(Clone, Debug)]
pub struct Changed<R> {
    /// What was kept before.
    pub old: Option<Arc<R>>,
    /// What is kept now.
    pub new: Option<Arc<R>>,
}

impl<R: Record> Changed<R> {
    /// The metadata of what is there now, or of what was.
    pub fn meta(&self) -> Option<&Meta> {
        self.new.as_ref().or(self.old.as_ref()).map(|record| record.meta())
    }
}

/// Who is told of every change. Called with no lock held; must not block.
pub type Observer = Arc<dyn Fn(Change) + Send + Sync>;
