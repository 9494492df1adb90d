//! Everything that is watched, and what changed.

use std::sync::Arc;

use super::{records::LeanRecord, store::Store, wire::Record};
use crate::plan::{
    kinds::{CertificateKind, ChallengeKind, ClusterIssuerKind, IngressKind, IssuerKind, OrderKind},
    seen::{Lean, Meta, ObjectKey, RequestSeen, SecretSeen},
    signing_request::SigningRequestSeen,
};

/// One store per kind.
#[derive(Default)]
pub struct Index {
    /// Certificates.
    pub certificates: Store<Lean<CertificateKind>>,
    /// CertificateRequests.
    pub requests: Store<RequestSeen>,
    /// Orders.
    pub orders: Store<Lean<OrderKind>>,
    /// Challenges.
    pub challenges: Store<Lean<ChallengeKind>>,
    /// Issuers.
    pub issuers: Store<Lean<IssuerKind>>,
    /// ClusterIssuers.
    pub cluster_issuers: Store<Lean<ClusterIssuerKind>>,
    /// Ingresses.
    pub ingresses: Store<Lean<IngressKind>>,
    /// Secrets labelled `controller.cert-manager.io/fao=true`. Absence from here is never proof.
    pub secrets: Store<SecretSeen>,
    /// Kubernetes CertificateSigningRequests whose signer is an issuer of ours, where they are watched (GAT-01).
    pub signing_requests: Store<SigningRequestSeen>,
}

impl Index {
    /// Whether every kind has been listed completely at least once.
    pub fn is_ready(&self) -> bool {
        self.certificates.is_ready()
            && self.requests.is_ready()
            && self.orders.is_ready()
            && self.challenges.is_ready()
            && self.issuers.is_ready()
            && self.cluster_issuers.is_ready()
            && self.ingresses.is_ready()
            && self.secrets.is_ready()
            && self.signing_requests.is_ready()
    }

    /// Returns once every kind has been listed completely.
    pub async fn until_ready(&self) {
        self.certificates.until_ready().await;
        self.requests.until_ready().await;
        self.orders.until_ready().await;
        self.challenges.until_ready().await;
        self.issuers.until_ready().await;
        self.cluster_issuers.until_ready().await;
        self.ingresses.until_ready().await;
        self.secrets.until_ready().await;
        self.signing_requests.until_ready().await;
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

/// One change of the index.
#[derive(Clone, Debug)]
pub enum Change {
    /// Of a Certificate.
    Certificate(Changed<LeanRecord<CertificateKind>>),
    /// Of a CertificateRequest.
    Request(Changed<RequestSeen>),
    /// Of an Order.
    Order(Changed<LeanRecord<OrderKind>>),
    /// Of a Challenge.
    Challenge(Changed<LeanRecord<ChallengeKind>>),
    /// Of an Issuer.
    Issuer(Changed<LeanRecord<IssuerKind>>),
    /// Of a ClusterIssuer.
    ClusterIssuer(Changed<LeanRecord<ClusterIssuerKind>>),
    /// Of an Ingress.
    Ingress(Changed<LeanRecord<IngressKind>>),
    /// Of a labelled Secret.
    Secret(Changed<SecretSeen>),
    /// Of a Kubernetes CertificateSigningRequest.
    SigningRequest(Changed<SigningRequestSeen>),
    /// Of a Secret without the label, of which only the name is known.
    UnlabelledSecret(ObjectKey),
    /// Secrets without the label were listed anew: some may have gone unseen.
    UnlabelledSecrets,
}

/// Who is told of every change. Called with no lock held; must not block.
pub type Observer = Arc<dyn Fn(Change) + Send + Sync>;
